"""From recipe names and options to one checked configuration.

Layers, later wins: configs/base.yaml < configs/data/D.yaml < configs/model/M.yaml < configs/model/M@D.yaml < files
given with --config < the command line. Unknown names and keys are refused here, before anything heavy is imported;
values are checked against the typed `__init__` of the class that they configure.
"""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonargparse

from unsup.core import strict_yaml as plain_yaml
from unsup.core.errors import UsageError, choices, nearest
from unsup.core.files import resolved as on_disk
from unsup.runs.settings import DEFAULTS, check_settings

CONFIGS = Path(__file__).parents[2] / "configs"
TOP = ("recipe", "dataset", *DEFAULTS, "model", "data", "trainer")
LINKED = ("shape", "augmentation")  # arguments of a model that its data set decides
RUN_OWNED = ("logger", "default_root_dir", "enable_checkpointing", "enable_progress_bar", "barebones")

Config = dict[str, Any]  # as in config.yaml


def names(kind: str) -> list[str]:
    """Recipes in configs/<kind>, variants for some data sets (`M@D`, `M@D+E`) left out."""
    return sorted(p.stem for p in (CONFIGS / kind).glob("*.yaml") if "@" not in p.stem)


def named(kind: str, name: str) -> Path:
    """The file of a recipe.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in names(kind):
        raise UsageError(f"unknown {kind} {name!r} ({nearest(name, names(kind))})")
    return CONFIGS / kind / f"{name}.yaml"


def pair(model: str | None, data: str | None) -> list[Path]:
    """What a recipe needs for a data set: configs/model/M@D.yaml or, for several of them, M@D+E+F.yaml."""
    return [path for path in sorted((CONFIGS / "model").glob(f"{model}@*.yaml")) if data in fitted_to(path)]


def fitted_to(path: Path) -> list[str]:
    """The data sets that a variant of a recipe is for."""
    return path.stem.partition("@")[2].split("+")


def compose(
    model: str | None, data: str | None, files: Sequence[Path] = (), options: Sequence[tuple[str, Any]] = ()
) -> Config:
    """Merge all layers; `options` are (dotted key, value) pairs of the command line.

    Raises:
        UsageError: unknown name, key or file; not YAML; no model or data set named.
    """
    recipe = [named("model", model)] if model else []
    layers = [CONFIGS / "base.yaml", *([named("data", data)] if data else []), *recipe, *pair(model, data)]
    config: Config = {}
    for path in layers:
        config = merge(config, read(path))
        for kind, key in (("model", "recipe"), ("data", "dataset")):  # the file's name names what it configures
            if path.parent == CONFIGS / kind and "@" not in path.stem:
                config[key] = path.stem
    further = [(str(path), read(path)) for path in files] + [(f"--{key}", nest(key, value)) for key, value in options]
    for source, layer in further:
        check_outline(layer, source)
        for kind, name in (("model", model), ("data", data)):
            if name and layer.get(kind, {}).get("class_path", config[kind]["class_path"]) != config[kind]["class_path"]:
                raise UsageError(f"{source} sets another {kind}.class_path than {name}: name one of the two")
        config = merge(config, layer)
    for kind in ("model", "data"):
        if "class_path" not in config.get(kind, {}):
            raise UsageError(
                f"no {kind} named: give one of {', '.join(names(kind))}, or a --config with {kind}.class_path"
            )
    config.setdefault("recipe", config["model"]["class_path"].rsplit(".", 1)[-1].lower())
    config.setdefault("dataset", config["data"]["class_path"].rsplit(".", 1)[-1].lower())
    if config["dataset"] in names("data"):
        config["dataset"] = full_name(config["dataset"], config)
    for key in ("recipe", "dataset"):
        if not (isinstance(config[key], str) and re.fullmatch(r"\w[\w.@+-]*", config[key])):
            raise UsageError(
                f"{key} is {config[key]!r}: a run folder is called by it, write letters, digits, _ - + . @"
            )
    return config


def full_name(data: str, config: Config) -> str:
    """How a data set is called that a file in configs/data names: a folder of images is one of its own."""
    images = config["data"].get("init_args", {}).get("images")
    named_by = images and isinstance(images, str)  # what else stands there, `resolve` refuses
    return data + "-" + re.sub(r"[^\w.-]+", "_", on_disk(Path(images)).name) if named_by else data


def data_name(config: Config) -> str | None:
    """The file in configs/data that a configuration was made with; None: its class was given without one."""
    return next((name for name in names("data") if full_name(name, config) == config["dataset"]), None)


def read(path: Path) -> Config:
    """One YAML layer, its outline checked."""
    try:
        layer = plain_yaml.read(path)
    except OSError as e:
        raise UsageError(f"cannot read configuration {path}: {e.strerror}") from e
    except plain_yaml.NotPlain as e:
        raise UsageError(f"{path} is not valid YAML: {e}") from e
    layer = {} if layer is None else layer
    check_outline(layer, str(path))
    return layer


def check_outline(layer: Any, source: str) -> None:
    """Top-level keys, and that model and data hold class_path and init_args only."""
    if not isinstance(layer, dict):
        raise UsageError(f"{source}: expected keys such as model, data, trainer; got {layer!r}")
    for key in layer:
        if key not in TOP:
            raise UsageError(f"{source}: unknown key {key!r} ({nearest(str(key), TOP)})")
    for section in ("model", "data", "trainer"):
        values = layer.get(section, {})
        if not isinstance(values, dict):
            raise UsageError(f"{source}: {section} holds keys, got {values!r}")
        if not isinstance(values.get("class_path", ""), str):
            raise UsageError(f"{source}: {section}.class_path is an import path, got {values['class_path']!r}")
        for key in values if section != "trainer" else ():
            if key not in ("class_path", "init_args"):
                raise UsageError(f"{source}: {section}.{key}: options of the {section} stand under {section}.init_args")
        if not isinstance(values.get("init_args", {}), dict):
            raise UsageError(f"{source}: {section}.init_args holds keys, got {values['init_args']!r}")


def nest(key: str, value: Any) -> Config:
    """ "model.lr", 0.1 -> {"model": {"init_args": {"lr": 0.1}}}."""
    parts = key.split(".")
    if parts[0] in ("model", "data") and parts[1:2] not in (["class_path"], ["init_args"]):
        parts.insert(1, "init_args")
    for part in reversed(parts):
        value = {part: value}
    return value


def merge(base: Config, top: Config) -> Config:
    """`top` over `base`, key by key; another class drops the arguments of the one before."""
    merged = dict(base)
    for key, value in top.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            if "class_path" in value and value["class_path"] != old.get("class_path", value["class_path"]):
                old = {}
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


def resolve(config: Config) -> Config:
    """The configuration with every default of model and data filled in and every value of its declared type.

    Imports the classes, and so torch.

    Raises:
        UsageError: unknown class, option or value; the message names the option.
    """
    from lightning.pytorch import Trainer

    from unsup.data.base import ImageData
    from unsup.models.base import Model

    resolved: Config = DEFAULTS | config
    check_settings(resolved)
    for section, base in (("model", Model), ("data", ImageData)):
        cls = load_class(config[section]["class_path"], base)
        values = typed(cls, section, config[section].get("init_args", {}), LINKED if section == "model" else ())
        resolved[section] = {"class_path": config[section]["class_path"], "init_args": values}
    given = config.get("trainer", {})
    for key in set(RUN_OWNED) & given.keys():
        raise UsageError(f"trainer.{key} is decided by the run folder and cannot be set")
    values = typed(Trainer, "trainer", given, ())
    resolved["trainer"] = {key: values[key] for key in given}
    return {key: resolved[key] for key in TOP}


def load_class(path: str, base: type) -> type:
    """The class of an import path such as unsup.models.ae.AE."""
    module, _, name = path.rpartition(".")
    dotted = module and all(part.isidentifier() for part in path.split("."))
    try:
        found = getattr(importlib.import_module(module), name, None) if dotted else None
    except ImportError as e:
        raise UsageError(f"class_path {path}: {e}") from e
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise UsageError(f"class_path {path}: no {base.__name__} of that name there")
    return found


def typed(cls: type, section: str, values: Config, linked: tuple[str, ...]) -> Config:
    """All arguments of `cls`: the given ones checked and converted, the others' defaults; linked ones left out."""
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    parameters = [p for p in inspect.signature(cls).parameters if p not in linked]
    for key in values:
        if key in linked:
            raise UsageError(f"{section}.{key} comes from the data set and cannot be set")
        if key not in parameters:
            raise UsageError(f"{section}: {cls.__name__} has no option {key!r} ({nearest(str(key), parameters)})")
    for key in parameters:
        if key not in values and inspect.signature(cls).parameters[key].default is inspect.Parameter.empty:
            raise UsageError(f"{section}.{key} must be given: {cls.__name__} has no default for it")
    with suppress(Exception):  # jsonargparse reads texts as YAML once more, whose constructors raise anything
        if not any(value is None and not allows_none(hints.get(key)) for key, value in values.items()):
            return parse(cls, section, values, skip=set(linked))
    for key, value in values.items():  # one by one: the culprit is known without reading the parser's prose
        try:
            if value is None and not allows_none(hints.get(key)):
                raise TypeError("null")
            parse(cls, section, {key: value}, skip={*parameters, *linked} - {key})
        except Exception as e:
            known = ", ".join(map(str, choices(hints[key])))
            expected = f"one of {known}" if known else inspect.formatannotation(hints[key]).replace("typing.", "")
            raise UsageError(f"{section}.{key}: expected {expected}, got {value!r}") from e
    raise UsageError(f"{section}: {cls.__name__} does not take these options together")


def parse(cls: type, section: str, values: Config, skip: set[str]) -> Config:
    """jsonargparse's reading of `values` by the signature of `cls`, defaults filled in."""
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, section, skip=set(skip), instantiate=False)
    return dict(parser.parse_object({section: values}).as_dict().get(section, {}))  # absent: a class without options


def allows_none(hint: Any) -> bool:
    return hint is None or hint is Any or types.NoneType in typing.get_args(hint)
