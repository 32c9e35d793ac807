"""More epochs than planned, for trainings that do not depend on their length.

A run of 10 epochs that is continued to 20 is the run of 20 epochs, bit for bit, or it is refused. Schedules are known
from the training itself: the checkpoint names those for which the method asked how many steps there are
(`total_steps`). Code that reads the length from Lightning's trainer is found by the names that it uses.
"""

import inspect
import shutil
from collections.abc import Iterator
from types import CodeType
from typing import Any

from lightning.pytorch.callbacks import ProgressBar

from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.core.files import replace_file, unless_default
from unsup.core.strict_yaml import dump_yaml
from unsup.core.words import counted
from unsup.evaluation.tensorboard import remove_dashboard
from unsup.models.base import Model
from unsup.reports.format import enumeration
from unsup.runs.config import Config
from unsup.runs.run import Run
from unsup.training.trainer import trainer_arguments

LENGTH = {"max_epochs", "max_steps", "estimated_stepping_batches"}  # of Lightning's trainer
OTHER_ENDS = {"max_steps": -1, "max_time": None}  # options that end a training before its epochs, and their defaults


def longer_config(run: Run, epochs: int) -> Config:
    """Return the configuration of a run with another number of epochs."""
    return run.config | {"trainer": run.config["trainer"] | {"max_epochs": epochs}}


def refuse_other_length(run: Run, epochs: int, model: Model, checkpoint: dict[str, Any]) -> None:
    """Check that a run of `epochs` epochs begins as this one did.

    Args:
        run: as it was planned.
        epochs: in all.
        model: of the run.
        checkpoint: to continue from.

    Raises:
        UserError: something depends on the length, or the run has been trained for so many epochs already.
    """
    done = checkpoint["epoch"] + 1 if checkpoint["global_step"] else 0
    if epochs <= done:
        raise UserError(f"{run} has been trained for {counted(done, 'epoch')}: give more than that, not {epochs}")
    if reason := _reason(run.config, model, checkpoint):
        remedy = _remedy(run, epochs, model, checkpoint)
        raise UserError(f"{run} cannot be continued to {counted(epochs, 'epoch')}: {reason}; {remedy}")


def _reason(config: Config, model: Model, checkpoint: dict[str, Any]) -> str:
    """Return why a training depends on its length, empty if it does not."""
    if not any(p.requires_grad for p in model.parameters()):
        return f"{type(model).__name__} learns without epochs"
    for option, default in OTHER_ENDS.items():
        if config["trainer"].get(option, default) != default:
            return f"trainer.{option} ends it"
    if "schedules" not in checkpoint:
        return "its checkpoint is of an earlier version, which did not record what depends on the length"
    if schedules := checkpoint["schedules"]:
        planned = counted(config["trainer"]["max_epochs"], "epoch")
        return f"{enumeration(schedules)} {'was' if len(schedules) == 1 else 'were'} planned for {planned}"
    callbacks = trainer_arguments(config, model.unused_parameters).get("callbacks") or []
    for owner in (model, *(callbacks if isinstance(callbacks, list) else [callbacks])):
        if not isinstance(owner, ProgressBar) and (names := _names(type(owner)) & LENGTH):
            return f"{type(owner).__name__} reads {enumeration([f'trainer.{name}' for name in sorted(names)])}"
    return ""


def _names(cls: type) -> set[str]:
    """Return the names that the methods of a class use, without those of `Model`."""
    inherited = set(Model.__mro__)
    functions = [f for c in cls.__mro__ if c not in inherited for f in vars(c).values()]
    functions = [f.fget if isinstance(f, property) else getattr(f, "__func__", f) for f in functions]
    unwrapped = [inspect.unwrap(f) for f in functions if callable(f)]
    return {name for f in unwrapped if inspect.isfunction(f) for code in _nested(f.__code__) for name in code.co_names}


def _nested(code: CodeType) -> Iterator[CodeType]:
    """Yield code with that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _remedy(run: Run, epochs: int, model: Model, checkpoint: dict[str, Any]) -> str:
    """Return the command that trains a new run from the weights of this one.

    A method that cannot start from its own weights starts from those that this run started from.
    """
    if not any(p.requires_grad for p in model.parameters()):
        return "there is nothing to train longer"
    start = f" --init_from {run}"
    try:
        model.initialise(checkpoint["state_dict"])
    except UserError:
        start = ""
    runs = unless_default(run.root) if run.root else None
    again = suggest("train", f"--config {run.folder / 'config.yaml'}{start}", epochs=epochs, runs=runs)
    whence = (
        "from its weights" if start else f"from {run.config['init_from']}, as --init_from takes no weights of its own"
    )
    first = "" if run.trained or not start else f"{suggest('resume', run=run)} ends it as planned, then "
    return f"{first}{again} trains a new run {whence}"


def reopen(run: Run, config: Config) -> None:
    """Take back the end of a training and its evaluation, for another length."""
    remove_dashboard(run.folder)
    for name in ("report.json", "report.md", "report.html", "heads.npz", "correct.npz"):
        (run.folder / name).unlink(missing_ok=True)
    shutil.rmtree(run.folder / "figures", ignore_errors=True)
    (run.folder / "training.json").unlink(missing_ok=True)
    replace_file(run.folder / "config.yaml", dump_yaml(config))
    for name in ("report", "readout", "training"):
        run.__dict__.pop(name, None)
