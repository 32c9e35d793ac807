"""Options of a training by the last part of their dotted names."""

import inspect
from contextlib import suppress

from unsup.core.errors import UsageError, nearest
from unsup.runs.config import TRAINER, compose
from unsup.runs.options import FIXED
from unsup.runs.sources import class_from_source


def near_option(name: str, model: str | None, data: str | None) -> str | None:
    """Return the dotted option of this name, or else the nearest one, if any.

    Args:
        name: without a dot, such as lr.
        model: a recipe.
        data: a data set, MNIST if none is given.
    """
    options = dotted_options(model, data)
    last = next((word for word in options if word == name), None) or nearest(name, options)
    return f"{options[last]}.{last}" if last else None


def dotted_options(model: str | None, data: str | None) -> dict[str, str]:
    """Return the section of each option of a model, a data set and the trainer."""
    options: dict[str, str] = {}
    with suppress(UsageError):
        config = compose(model, data or "mnist")
        paths = {section: config[section]["class_path"] for section in ("model", "data")} | {"trainer": TRAINER}
        for section, path in paths.items():
            if cls := class_from_source(path):
                names = set(inspect.signature(cls).parameters) - set(FIXED.get(section, {}))
                options = dict.fromkeys(names, section) | options
    return options
