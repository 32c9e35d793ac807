"""Options of a class, checked against the types that its `__init__` declares."""

import importlib
import inspect
import types
import typing
from copy import deepcopy
from enum import Enum
from pathlib import Path
from typing import Any

from unsup.core.commands import SHORT_NAMES, key_option
from unsup.core.errors import UsageError, choices, closest, similar

LINKED = ("shape", "augmentation")  # arguments of a model that its data set decides
RUN_OWNED = ("default_root_dir", "enable_checkpointing", "enable_progress_bar", "barebones")
PLAIN = (bool, int, float, str, list, tuple, dict)
FIXED = {
    "model": dict.fromkeys(LINKED, "comes from the data set"),
    "trainer": dict.fromkeys(RUN_OWNED, "is decided by the run folder"),
}


def converted_options(cls: type, section: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return all options of a class, with defaults, converted to their declared types.

    Raises:
        UsageError: an option is unknown, missing, of another type, or cannot be set.
    """
    hints = typing.get_type_hints(cls.__init__)  # type: ignore[misc]
    fixed = FIXED.get(section, {})
    parameters = {name: p for name, p in inspect.signature(cls).parameters.items() if name not in fixed}
    for key in values:
        if key in fixed:
            raise UsageError(f"{section}.{key} {fixed[key]} and cannot be set")
        if key not in parameters:
            raise UsageError(f"{section}: {cls.__name__} has no option {key!r} ({closest(str(key), parameters)})")
    options = {key: parameter.default for key, parameter in parameters.items()} | values
    for key, value in options.items():
        if value is inspect.Parameter.empty:
            given = key_option(f"{section}.{key}", "<folder>" if key == "images" else f"<{key}>")
            raise UsageError(f"{section}.{key} must be given: {given}")
        if key in values:
            options[key] = converted(f"{section}.{key}", hints.get(key, Any), value)
    return options


def converted(name: str, hint: Any, value: Any) -> Any:
    """Return a value as jsonargparse converts it to a type.

    Raises:
        UsageError: it is of another type.
    """
    import jsonargparse  # takes 0.1 s

    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    try:
        if value is None and hint not in (None, Any) and types.NoneType not in typing.get_args(hint):
            raise TypeError("null")
        parser.add_argument("--value", type=hint)
        return _plain(vars(parser.parse_object({"value": deepcopy(value)}))["value"])
    except Exception as e:  # it reads text as YAML again, which raises anything
        if missing := _missing_class(value):
            raise UsageError(f"{name}: {missing}") from e
        known = ", ".join(map(str, choices(hint)))
        expected = f"one of {known}" if known else inspect.formatannotation(hint).replace("typing.", "")
        raise UsageError(f"{name}: expected {expected}, got {value!r}{_as_text(name, hint)}") from e


def _as_text(name: str, hint: Any) -> str:
    """Return how to write a text that YAML reads as a number, a date or the like."""
    if hint is not str:
        return ""
    if name in SHORT_NAMES:
        return f": YAML reads it so; {key_option(name, '<text>')} takes it as text"
    return f""": YAML reads it so; in two pairs of quotes, --{name} '"…"', it is text"""


def _missing_class(value: Any) -> str:
    """Return which class of an option is nowhere to be found, empty if all are there."""
    for one in value if isinstance(value, list) else [value]:
        path = one.get("class_path") if isinstance(one, dict) else None
        if not isinstance(path, str):
            continue
        module, _, title = path.rpartition(".")
        try:
            known = vars(importlib.import_module(module or "lightning.pytorch.callbacks"))
        except ImportError as e:
            return f"there is no class {path} ({e})"
        if title not in known:
            classes = [key for key, member in known.items() if isinstance(member, type)]
            return f"there is no class {path} ({similar(title, classes) or f'not in {module}'})"
    return ""


def _plain(value: Any) -> Any:
    """Return what YAML can hold of a value, without objects of defaults."""
    fields = value if isinstance(value, dict) else vars(value) if hasattr(value, "as_dict") else None
    if fields is not None:
        plain = {key: _plain(item) for key, item in fields.items()}
        return {key: item for key, item in plain.items() if item is None or isinstance(item, PLAIN)}
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    if isinstance(value, type) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    value = value.value if isinstance(value, Enum) else value
    return str(value) if isinstance(value, Path) else value
