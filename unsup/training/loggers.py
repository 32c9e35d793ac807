"""Loggers of Lightning next to TensorBoard's."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from unsup.runs.logger_names import listed_loggers


def further_loggers(value: Any, folder: Path, resumptions: int = 0) -> list[dict[str, Any]]:
    """Return the loggers of a run, with its places and names.

    A logger without `save_dir` writes into the run folder, and one without a name has that of the run. Resumed runs
    have CSV files of their own, as Lightning's logger would delete the first ones.

    Args:
        value: of `trainer.logger`, class_path and init_args, or a list of these.
        folder: the run folder, which ends in <data>/<recipe>/<run>.
        resumptions: how often the run was resumed.
    """
    name = "/".join(folder.resolve().parts[-3:])
    version = f"resumed_{resumptions}" if resumptions else ""
    own = {
        "CSVLogger": {"version": version},
        "WandbLogger": {"name": name},
        "MLFlowLogger": {"run_name": name},
    }
    placed = []
    for logger in listed_loggers(value):
        given = {key: value for key, value in logger.get("init_args", {}).items() if value not in (None, "")}
        if "save_dir" in logger.get("init_args", {}):
            given = {"save_dir": str(folder)} | given
        kind = str(logger["class_path"]).rpartition(".")[2]
        placed.append({"class_path": logger["class_path"], "init_args": own.get(kind, {}) | given})
    return placed


def log_picture(logger: Any, name: str, picture: Tensor, step: int) -> None:
    """Give a logger a picture (C, H, W) in [0, 1], if it takes any."""
    from torchvision.transforms.v2.functional import to_pil_image

    experiment: Any = getattr(logger, "experiment", None)  # Lightning's base class has none
    if isinstance(logger, TensorBoardLogger):
        experiment.add_image(name, picture, step)
    elif hasattr(logger, "log_image"):  # W&B, Comet
        logger.log_image(key=name, images=[to_pil_image(picture)], step=step)
    elif hasattr(experiment, "log_image"):  # MLflow
        experiment.log_image(logger.run_id, to_pil_image(picture), f"{name}/{step}.png")


def log_final_scores(loggers: Iterable[Any], scores: Mapping[str, float], step: int) -> None:
    """Give loggers the scores of an evaluation, as `report/…`."""
    for logger in loggers:
        logger.log_metrics(dict(scores), step)
        logger.save()
