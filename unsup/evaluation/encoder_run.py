"""A run that begins with its evaluation, of an encoder trained elsewhere."""

import logging
import shutil
from pathlib import Path
from typing import Any

import torch

from unsup.core.commands import suggest
from unsup.data.base import ImageData
from unsup.data.originals import originals
from unsup.evaluation.encoded import finite
from unsup.evaluation.existing_runs import RunIndex, progress_of
from unsup.evaluation.foreign_encoding import REMEDY, encoded_pictures, unchanged
from unsup.evaluation.run import evaluate_run
from unsup.models.base import Model
from unsup.models.foreign.code_cache import identity
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import weights_hash
from unsup.runs.build import build_data, build_model
from unsup.runs.checkpoints import AtomicCheckpoints
from unsup.runs.config import Config
from unsup.runs.provenance import package_versions
from unsup.runs.recipes import how_chosen
from unsup.runs.run import Run
from unsup.runs.threads import choose_threads, use_threads

log = logging.getLogger(__name__)

# What training.json says of a run without any
NO_TRAINING = {"epochs": 0, "steps": 0, "images_seen": 0, "train_seconds": 0.0, "views": "none"}


def evaluate_encoder(config: Config, runs_root: Path = Path("runs"), command: str = "") -> Run:
    """Judge an encoder on a data set, and return the run.

    A run of the same encoder, options, images and packages is judged again in its folder, and returned as it is if its
    report says as much as is asked for. Otherwise the run is new.

    Args:
        config: resolved, with a model that is not trained here. If it says quick, so is the evaluation.
        runs_root: the folder of runs.
        command: typed by the user, for the record.

    Raises:
        UserError: the encoder cannot be loaded or breaks a promise, or images are missing. No new run folder is left
            then.
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
        images, encoder = data.fingerprint(), encoder_hash(model)
        quick = config["evaluate"] == "quick"
        if run := judged_before(runs_root, config, images, encoder):
            with run.lock():
                if progress_of(run, config["evaluate"]) == "finished":
                    repeat = suggest("evaluate", run=run)
                    log.info("%s on %s: judged before; %s repeats that", config["recipe"], config["dataset"], repeat)
                else:
                    log.info("%s on %s: %s", config["recipe"], config["dataset"], run)
                    evaluate_run(run, data, quick)
            return run
        run = Run.create(runs_root, config, command, images, {"threads": threads, "encoder_sha256": encoder})
        try:
            with run.lock():
                AtomicCheckpoints().save_checkpoint(checkpoint_of(model), run.last_checkpoint)
                run.write_training(NO_TRAINING | {"chosen": how_chosen(config)})
                log.info("%s on %s: %s", config["recipe"], config["dataset"], run)
                evaluate_run(run, data, quick)
        except BaseException:
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
    return run


def encoder_hash(model: Model) -> str:
    """Return a hash of an encoder and what it sees, or of a file of codes."""
    return identity(model) if isinstance(model, ForeignEncoder) else weights_hash(model)


def judged_before(runs_root: Path, config: Config, images: str, encoder: str) -> Run | None:
    """Return the newest run of an encoder, its options and these images and packages.

    One that a living process judges is left out.

    Args:
        runs_root: the folder of runs.
        config: of the evaluation.
        images: the fingerprint of the data set.
        encoder: its hash.
    """
    same = {"data_sha256": images, "encoder_sha256": encoder, "versions": package_versions()}
    for run in RunIndex(runs_root).matching(config):
        if run.trained and not run.in_use() and same.items() <= run.versions.items():
            return run
    return None


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
