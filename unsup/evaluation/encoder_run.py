"""A run that begins with its evaluation, of an encoder trained elsewhere."""

import logging
import shutil
from pathlib import Path
from typing import Any

import torch

from unsup.data.base import ImageData
from unsup.data.originals import originals
from unsup.evaluation.encoded import finite
from unsup.evaluation.foreign_encoding import REMEDY, encoded_pictures, unchanged
from unsup.evaluation.run import evaluate_run
from unsup.models.base import Model
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.runs.build import build_data, build_model
from unsup.runs.checkpoints import AtomicCheckpoints
from unsup.runs.config import Config
from unsup.runs.recipes import how_chosen
from unsup.runs.run import Run
from unsup.runs.threads import choose_threads, use_threads

log = logging.getLogger(__name__)

# What training.json says of a run without any
NO_TRAINING = {"epochs": 0, "steps": 0, "images_seen": 0, "train_seconds": 0.0, "views": "none"}


def evaluate_encoder(config: Config, runs_root: Path = Path("runs"), command: str = "") -> Run:
    """Judge an encoder on a data set in a new run folder, and return the run.

    Args:
        config: resolved, with a model that is not trained here. If it says quick, so is the evaluation.
        runs_root: the folder of runs.
        command: typed by the user, for the record.

    Raises:
        UserError: the encoder cannot be loaded or breaks a promise, or images are missing. No run folder is left then.
    """
    threads = choose_threads(config["threads"])
    with use_threads(threads):
        data = build_data(config)
        model = build_model(config, data)
        data.prepare_data()
        data.setup("fit")
        if isinstance(model, ForeignEncoder):
            try_out(model, data)
            log.info("%s: %s", config["recipe"], model.preparation)
        run = Run.create(runs_root, config, command, data.fingerprint(), {"threads": threads})
        try:
            with run.lock():
                AtomicCheckpoints().save_checkpoint(checkpoint_of(model), run.last_checkpoint)
                run.write_training(NO_TRAINING | {"chosen": how_chosen(config)})
                log.info("%s on %s: %s", config["recipe"], config["dataset"], run)
                evaluate_run(run, data, quick=config["evaluate"] == "quick")
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
    return run


def try_out(model: ForeignEncoder, data: ImageData) -> None:
    """Encode a few validation images.

    Raises:
        UserError: the encoder does not return a finite vector for each, or changes.
    """
    few = next(originals(data, "val"))
    pictures = torch.stack([torch.from_numpy(original.picture(model.cut)) for original in few[:3]])
    with unchanged(model):
        codes = encoded_pictures(model, pictures)
    finite(codes, f"{model.name}: the codes", "val", REMEDY)


def checkpoint_of(model: Model) -> dict[str, Any]:
    """Return a checkpoint as a training writes it."""
    return {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams), "global_step": 0, "epoch": 0}
