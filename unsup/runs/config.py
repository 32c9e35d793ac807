"""One checked configuration from recipe names and options.

Layers, later ones win: configs/base.yaml < configs/data/D.yaml < configs/model/M.yaml < configs/model/M@D.yaml < files
given with --config < the command line. `unsup.runs.lookup` finds these files. For a user's own images,
`unsup.runs.likeness` chooses D in M@D.yaml, and `unsup.runs.length` adapts batches and epochs to their number. Unknown
names and keys are refused here, before PyTorch is imported. Values are checked against the typed `__init__` of the
class that they configure.
"""

import importlib
import inspect
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from unsup.core.errors import UsageError, closest
from unsup.core.own_modules import import_from_here
from unsup.core.ranges import check_options
from unsup.core.removed import current_options
from unsup.core.strict_yaml import parse_yaml
from unsup.runs.length import adapt_length, adaptable
from unsup.runs.likeness import data_options, variant_names
from unsup.runs.lookup import config_file, config_names, find_config, variants
from unsup.runs.options import converted_options
from unsup.runs.settings import DEFAULTS, check_settings
from unsup.runs.sources import class_from_source

TOP_LEVEL_KEYS = ("recipe", "dataset", *DEFAULTS, "model", "data", "trainer")
TRAINER = "lightning.pytorch.trainer.trainer.Trainer"

Config = dict[str, Any]  # as in config.yaml


def compose(
    model: str | None, data: str | None, files: Sequence[Path] = (), options: Sequence[tuple[str, Any]] = ()
) -> Config:
    """Merge all layers, with `options` as (dotted key, value) pairs.

    Raises:
        UsageError: a name, key or file is unknown, a file is not YAML, or no model or data set is named.
    """
    recipes = [config_file(kind, name) for kind, name in (("data", data), ("model", model)) if name]
    config: Config = {}
    for path in [find_config("base.yaml"), *recipes]:
        config = merge(config, read_layer(path))
    layers = [(str(path), read_layer(path)) for path in files]
    layers += [(f"--{key}", nest(key, value)) for key, value in options]
    given = [layer for _, layer in layers]
    for path in variants(model, *variant_names(data, data_options([config, *given]))):
        config = merge(config, read_layer(path))
    config |= {key: name for key, name in (("recipe", model), ("dataset", data)) if name}
    names = {kind: name for kind, name in (("model", model), ("data", data)) if "class_path" in config.get(kind, {})}
    classes = {kind: config[kind]["class_path"] for kind in names}
    for source, layer in layers:
        check_keys(layer, source)
        for kind, name in names.items():
            if layer.get(kind, {}).get("class_path", classes[kind]) != classes[kind]:
                raise UsageError(f"{source} sets another {kind}.class_path than {name}: give one of the two")
        config = merge(config, layer)
    for key, kind in (("recipe", "model"), ("dataset", "data")):
        if "class_path" not in config.get(kind, {}):
            known = ", ".join(config_names(kind))
            raise UsageError(f"no {kind} given: name one of {known}, or a --config with {kind}.class_path")
        name = config.setdefault(key, default_name(config[kind]["class_path"]))
        if not (isinstance(name, str) and re.fullmatch(r"\w[\w.@+-]*", name)):
            raise UsageError(f"{key} is {name!r}: it names a run folder, use letters, digits, _ - + . @")
    if config["dataset"] in config_names("data"):
        config["dataset"] = data_set_name(config["dataset"], config)
    config["adaptable"] = adaptable(given)
    return config


def default_name(class_path: str) -> str:
    """Return the name of a model or a data set that only a class defines."""
    return class_path.rpartition(".")[2].lower()


def data_set_name(data: str, config: Config) -> str:
    """Return the name of a data set, with that of its folder or file, if any."""
    options = config["data"].get("init_args", {})
    images, file = options.get("images") or options.get("path"), options.get("file")
    if isinstance(images, str) and images:  # `resolve` refuses other types
        name = Path(os.path.realpath(images)).name
    elif isinstance(file, str) and file:
        name = Path(file).stem
    else:
        return data
    return data + "-" + re.sub(r"[^\w.-]+", "_", name)


def data_recipe(config: Config) -> str | None:
    """Return the name in configs/data that a configuration was made with, if any."""
    return next((name for name in config_names("data") if data_set_name(name, config) == config["dataset"]), None)


def read_layer(path: Path) -> Config:
    """Return the content of a YAML file, with its keys checked."""
    try:
        layer = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise UsageError(f"cannot read configuration {path}: {e.strerror}") from e
    except ValueError as e:
        raise UsageError(f"{path} is not valid YAML: {e}") from e
    layer = {} if layer is None else layer
    check_keys(layer, str(path))
    model = layer.get("model", {})
    if "init_args" in model:
        model["init_args"] = current_options(model.get("class_path", ""), model["init_args"], path)
    return layer


def check_keys(layer: Any, source: str) -> None:
    """Check the keys of a layer and of its sections."""
    if not isinstance(layer, dict):
        raise UsageError(f"{source}: expected keys such as model, data, trainer; got {layer!r}")
    for key in layer:
        if key not in TOP_LEVEL_KEYS:
            raise UsageError(f"{source}: unknown key {key!r} ({closest(str(key), TOP_LEVEL_KEYS)})")
    for section in ("model", "data", "trainer"):
        values = layer.get(section, {})
        if not isinstance(values, dict):
            raise UsageError(f"{source}: {section} holds keys, got {values!r}")
        if section == "trainer":
            continue
        for key, value in values.items():
            if key not in ("class_path", "init_args"):
                raise UsageError(f"{source}: {section}.{key}: put options of the {section} under {section}.init_args")
            if not isinstance(value, str if key == "class_path" else dict):
                expected = "is an import path" if key == "class_path" else "holds keys"
                raise UsageError(f"{source}: {section}.{key} {expected}, got {value!r}")


def nest(key: str, value: Any) -> Config:
    """Return `{"model": {"init_args": {"lr": 0.1}}}` for "model.lr" and 0.1."""
    parts = key.split(".")
    if parts[0] in ("model", "data") and parts[1:2] not in (["class_path"], ["init_args"]):
        parts.insert(1, "init_args")
    for part in reversed(parts):
        value = {part: value}
    return value


def merge(base: Config, top: Config) -> Config:
    """Override `base` by `top`, key by key.

    If `top` changes a class_path, the old init_args are dropped.
    """
    merged = base | top
    for key in base.keys() & top.keys():
        old, new = base[key], top[key]
        if isinstance(old, dict) and isinstance(new, dict):
            new_class = "class_path" in new and new["class_path"] != old.get("class_path", new["class_path"])
            merged[key] = merge({} if new_class else old, new)
    return merged


def precheck(config: Config) -> None:
    """Refuse wrong options, as far as possible without importing PyTorch.

    Raises:
        UsageError: as in `resolve`.
    """
    check_settings(DEFAULTS | config)
    for section in ("model", "data"):
        values = config[section].get("init_args", {})
        if cls := class_from_source(config[section]["class_path"]):
            options = converted_options(cls, section, values)
            with suppress(TypeError):  # the bound is a name that class_from_source could not resolve
                check_options(section, cls.__init__, {key: options[key] for key in values})  # type: ignore[misc]
    if trainer := class_from_source(TRAINER):
        converted_options(trainer, "trainer", config.get("trainer", {}))


def resolve(config: Config) -> Config:
    """Fill in all defaults, and convert every value to its declared type.

    Imports the classes, and so PyTorch.

    Raises:
        UsageError: a class, option or value is unknown; the message names the option.
    """
    from lightning.pytorch import Trainer

    from unsup.data.base import ImageData
    from unsup.models.base import Model
    from unsup.runs.precision import adapt_precision

    resolved: Config = DEFAULTS | {"trainer": {}} | config
    check_settings(resolved)
    for section, base in (("model", Model), ("data", ImageData)):
        path = config[section]["class_path"]
        values = converted_options(load_class(path, base), section, config[section].get("init_args", {}))
        resolved[section] = {"class_path": path, "init_args": values}
    values = converted_options(Trainer, "trainer", resolved["trainer"])
    resolved["trainer"] = {key: values[key] for key in resolved["trainer"]}
    adapt_precision(resolved)
    adapt_length(resolved, load_class(resolved["data"]["class_path"], ImageData))
    return {key: resolved[key] for key in TOP_LEVEL_KEYS}


def load_class(path: str, base: type) -> type:
    """Return the class at an import path such as unsup.models.ae.AE.

    Raises:
        UsageError: there is none that is derived from `base`.
    """
    module, _, name = path.rpartition(".")
    dotted = module and all(part.isidentifier() for part in path.split("."))
    import_from_here()
    try:
        cls = getattr(importlib.import_module(module), name, None) if dotted else None
    except (ImportError, SyntaxError) as e:
        raise UsageError(f"class_path {path}: {e}") from e
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise UsageError(f"class_path {path}: no {base.__name__} of that name there")
    return cls
