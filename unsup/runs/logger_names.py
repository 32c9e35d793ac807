"""Short names of loggers, without importing Lightning."""

import os
from importlib.util import find_spec
from typing import Any

from unsup.core.errors import UsageError, UserError, closest

PACKAGE = "lightning.pytorch.loggers"
LOGGERS: dict[str, dict[str, Any]] = {
    "csv": {"class_path": f"{PACKAGE}.CSVLogger", "init_args": {"save_dir": "", "name": "csv"}},  # "": the run folder
    "wandb": {"class_path": f"{PACKAGE}.WandbLogger", "init_args": {"project": "unsup", "save_dir": ""}},
    "mlflow": {
        "class_path": f"{PACKAGE}.MLFlowLogger",
        "init_args": {
            "experiment_name": "unsup",
            "tracking_uri": os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"),
        },
    },
}


def logger_named(name: str) -> dict[str, Any]:
    """Return the value of `trainer.logger` for a short name.

    Raises:
        UsageError: there is none of this name.
        UserError: its package is not installed.
    """
    if name not in LOGGERS:
        raise UsageError(f"no logger {name!r} ({closest(name, LOGGERS)}); others are given by class, as trainer.logger")
    if name != "csv" and find_spec(name) is None:
        raise UserError(f"the logger {name} needs its package: pip install {name}")
    return LOGGERS[name]


def listed_loggers(value: Any) -> list[dict[str, Any]]:
    """Return class_path and init_args of each logger in a `trainer.logger`.

    Raises:
        UsageError: it is none of None, class_path and init_args, and a list of these.
    """
    loggers = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(logger, dict) for logger in loggers):
        there = "TensorBoard's is always there, as reports draw its curves"
        raise UsageError(f"trainer.logger is {value}: {there}; give others by class")
    return loggers
