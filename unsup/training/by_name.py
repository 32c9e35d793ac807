"""`unsup.train`, the command `train` for notebooks and scripts."""

import shlex
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unsup.core.errors import UsageError
from unsup.data.base import ImageData
from unsup.models.base import Model
from unsup.runs.config import Config, check_keys, compose, merge, nest, resolve
from unsup.runs.run import Run
from unsup.training.plan import train_words
from unsup.training.stages import train_stages

COMPLETE = ("recipe", "dataset", "model", "data", "trainer")  # keys of a complete configuration


def train(
    model: str | type[Model] | Mapping[str, Any],
    data: str | type[ImageData] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    runs: str | Path = "runs",
) -> Run:
    """Train a model on a data set, evaluate its codes, and return the run.

    A method in stages first trains the run that it starts from. `logging.basicConfig(level="INFO")` shows progress. Of
    several processes that train together only the main one returns.

    >>> import unsup
    >>> run = unsup.train("ae", "digits", options={"model.lr": 0.01, "data.batch_size": 64}, seed=1, epochs=2)
    >>> print(run.folder, run.report.scores.linear_probe)

    Args:
        model: a recipe in configs/model, such as "ae"; a class derived from `unsup.Model`; or a complete configuration,
            such as a run's config.yaml.
        data: a data set in configs/data, such as "digits"; a class derived from `unsup.ImageData`; or None if `model`
            is a configuration.
        options: by dotted name, as on the command line: model.lr, data.batch_size, trainer.precision, init_from.
        seed: of the run (default: that of the configuration, or 0).
        epochs: short for the option trainer.max_epochs.
        runs: the folder of runs, in which <data>/<model>/<seed>-<number> is made.

    Raises:
        UsageError: an unknown recipe, data set or option, or an invalid value.
        UserError: missing or damaged images, a loss that is not finite, or a folder that cannot be written.
    """
    overrides: dict[str, Any] = {**(options or {})}
    overrides |= {} if seed is None else {"seed": seed}
    overrides |= {} if epochs is None else {"trainer.max_epochs": epochs}
    if isinstance(model, Mapping):
        return _last(train_stages(resolve(_merged(model, data, overrides)), Path(runs)))
    names = {}
    for kind, value, base in (("model", model, Model), ("data", data, ImageData)):
        if isinstance(value, type) and issubclass(value, base):
            overrides = {f"{kind}.class_path": f"{value.__module__}.{value.__qualname__}", **overrides}
        elif isinstance(value, str | None):
            names[kind] = value
        else:
            raise UsageError(f"{kind} is {value!r}: name a recipe, or give a class derived from unsup.{base.__name__}")
    config = compose(names.get("model"), names.get("data"), [], list(overrides.items()))
    return _last(train_stages(resolve(config), Path(runs), _command(names, overrides, runs)))


def _last(runs: Iterator[Run]) -> Run:
    """Return the last run, or exit in processes that yield none."""
    last = deque(runs, maxlen=1)
    return last[0] if last else sys.exit()


def _merged(config: Mapping[str, Any], data: Any, options: Mapping[str, Any]) -> Config:
    """Return a complete configuration overridden by options."""
    if data is not None:
        raise UsageError("data is part of a configuration: leave it out, or name a recipe as the model")
    check_keys(dict(config), "the configuration")
    if missing := [key for key in COMPLETE if key not in config]:
        raise UsageError(f"the configuration lacks {', '.join(missing)}: give all keys of a run's config.yaml")
    merged = dict(config)
    for key, value in options.items():
        layer = nest(key, value)
        check_keys(layer, key)
        merged = merge(merged, layer)
    return merged


def _command(names: Mapping[str, str | None], options: Mapping[str, Any], runs: str | Path) -> str:
    """Return the equivalent command, or an empty text for classes of the caller."""
    model = names.get("model")
    if not (model and names.get("data")):
        return ""
    return shlex.join(["unsup", *train_words(model, names["data"], options.items(), runs)])
