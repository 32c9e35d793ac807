"""Training from a notebook or a script, as the command `train` does it."""

import shlex
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unsup.core.errors import UsageError
from unsup.data.base import ImageData
from unsup.models.base import Model
from unsup.runs.config import Config, check_outline, compose, merge, nest, resolve
from unsup.runs.run import Run
from unsup.training.plan import train_words
from unsup.training.stages import train_stages

WHOLE = ("recipe", "dataset", "model", "data", "trainer")  # keys of a configuration that can be trained as it is


def train(
    model: str | type[Model] | Mapping[str, Any],
    data: str | type[ImageData] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    runs: str | Path = "runs",
) -> Run:
    """Train a model on a data set, evaluate its codes, write a report; return the run.

    Methods in stages train first what they start from. Nothing is printed: `logging.basicConfig(level="INFO")` shows
    progress. Of several processes that train together only the main one returns, the others end.

    >>> import unsup
    >>> run = unsup.train("ae", "digits", options={"model.lr": 0.01, "data.batch_size": 64}, seed=1, epochs=2)
    >>> print(run.folder, run.report.scores.linear_probe)

    Args:
        model: a recipe in configs/model, such as "ae"; or a class derived from `unsup.Model`; or a whole configuration,
            as a run's config.yaml holds it.
        data: a data set in configs/data, such as "digits"; or a class derived from `unsup.ImageData`. Not named where
            `model` is a configuration.
        options: by dotted name, as on the command line: model.lr, data.batch_size, trainer.precision, init_from.
        seed: of the run; None: as the configuration has it, else 0.
        epochs: short for the option trainer.max_epochs.
        runs: the folder in which the run folder is made, as <data>/<model>/<seed>-<number>.

    Raises:
        UsageError: an unknown recipe, data set or option, or a value that is not possible.
        UserError: images that are missing or damaged; a loss that is not finite; a folder that cannot be written.
    """
    given: dict[str, Any] = {**(options or {})}
    given |= {} if seed is None else {"seed": seed}
    given |= {} if epochs is None else {"trainer.max_epochs": epochs}
    if isinstance(model, Mapping):
        return _last(train_stages(resolve(_changed(model, data, given)), Path(runs)))
    names = {}
    for kind, named, base in (("model", model, Model), ("data", data, ImageData)):
        if isinstance(named, type) and issubclass(named, base):
            given = {f"{kind}.class_path": f"{named.__module__}.{named.__qualname__}", **given}
        elif isinstance(named, str | None):
            names[kind] = named
        else:
            raise UsageError(f"{kind} is {named!r}: name a recipe, or give a class derived from unsup.{base.__name__}")
    config = compose(names.get("model"), names.get("data"), [], list(given.items()))
    return _last(train_stages(resolve(config), Path(runs), _command(names, given, runs)))


def _last(runs: Iterator[Run]) -> Run:
    """Train all of them, and return the last run."""
    last = deque(runs, maxlen=1)
    return last[0] if last else sys.exit()


def _changed(config: Mapping[str, Any], data: Any, options: Mapping[str, Any]) -> Config:
    """Return a whole configuration with options over it."""
    if data is not None:
        raise UsageError("data is part of a configuration: leave it out, or name a recipe as the model")
    check_outline(dict(config), "the configuration")
    if missing := [key for key in WHOLE if key not in config]:
        raise UsageError(f"the configuration lacks {', '.join(missing)}: give all that a run's config.yaml holds")
    changed = dict(config)
    for key, value in options.items():
        layer = nest(key, value)
        check_outline(layer, key)
        changed = merge(changed, layer)
    return changed


def _command(names: Mapping[str, str | None], options: Mapping[str, Any], runs: str | Path) -> str:
    """Return the command that does the same; empty where a class of the caller's is trained, or trained on."""
    model = names.get("model")
    if not (model and names.get("data")):
        return ""
    return shlex.join(["unsup", *train_words(model, names["data"], options.items(), runs)])
