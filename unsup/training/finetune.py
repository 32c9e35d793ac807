"""Fine-tuning, which trains the encoder of a run with labels.

A linear head on the encoder and the encoder are trained together by cross-entropy, as in the few-label results of Chen
et al. 2020, "A simple framework for contrastive learning of visual representations" (section 4.2 and appendix B.5):

* Adam with a rate that is warmed up and annealed, as every method here is trained, without weight decay.
* `STEPS` optimizer steps, or `EPOCHS` epochs where that is more, as few images make epochs short.
* Validation images choose the epoch, so that few labels are not trained on for too long.
* Views are those of the data set's preset if the method is trained on views, in the mild form: crops and mirror images
  (deformation, for digits). Other methods see the images as they are.

On digits with 10 % of the labels (two choices of images; accuracy and loss on 130 validation images, so that only large
differences count): `simclr` .965, .155 with mild views, .965, .146 with its own, .946, .199 without. `deep_ae` at rates
3e-4, 1e-3, 3e-3: .931, .278; .927, .265; .919, .282.

A run and a fresh initialisation are trained alike.
"""

import logging
import math
import sys
import time
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch

from unsup.core.arrays import Ids
from unsup.core.commands import suggest
from unsup.core.devices import fastest_device
from unsup.core.errors import UserError
from unsup.core.words import counted
from unsup.data.base import ImageData
from unsup.metrics.intervals import accuracy_interval
from unsup.metrics.subsets import stratified
from unsup.models.base import Model
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import weights_hash
from unsup.reports.finetuned import FineTuned
from unsup.reports.report import rewrite_report
from unsup.runs.build import build_model
from unsup.runs.finetuned import finetuned_results, folder_of, write_finetuned
from unsup.runs.provenance import git_state
from unsup.runs.run import Run
from unsup.runs.threads import use_threads
from unsup.training.classifier import Classifier, LabelledBatches
from unsup.training.trainer import silence_libraries

log = logging.getLogger(__name__)

STEPS, EPOCHS = 1_000, 10  # of a training, whichever is longer
VALIDATIONS = 20  # of a training, about


def finetune_run(run: Run, share: float, scratch: bool = False, seed: int = 0, epochs: int | None = None) -> FineTuned:
    """Train the encoder of a run and a linear head with labels.

    The result is written below the run, whose weights stay as they are. The run's report, if any, gets it in a section
    of its own.

    Args:
        run: the run.
        share: of the training labels, above 0 to 1; at least one of each class.
        scratch: start from a fresh initialisation of the network.
        seed: of everything that is drawn.
        epochs: passes over the labelled images, instead of the default length.

    Raises:
        UserError: the run is not trained or in use, the images have no classes, or the encoder has no gradient.
    """
    silence_libraries()
    if not run.trained:
        raise UserError(f"{run} is not trained to its end: {suggest('resume', run=run)} continues it")
    with run.lock(), use_threads(run.versions.get("threads")):
        torch.set_float32_matmul_precision("highest")
        model = run.model()
        refuse_fixed(run, model)
        data = run.data()
        labels = data.labels("train")
        if labels is None or len(np.unique(labels)) < 2:
            raise UserError(f"the images of {run} have no two classes: there are no labels to fine-tune with")
        L.seed_everything(seed, verbose=False)
        if scratch:
            model = build_model(run.config, data)
        result, network = _trained(run, model, data, labels, share, scratch, seed, epochs)
        write_finetuned(folder_of(run.folder, share, scratch, seed), result, checkpoint_of(network, result))
        if run.evaluated:
            run.report.finetuned = finetuned_results(run.folder)
            rewrite_report(run.folder, run.report)
    return result


def refuse_fixed(run: Run, model: Model) -> None:
    """Raise `UserError` if the codes of a model have no gradient."""
    name = run.config["recipe"]
    if isinstance(model, ForeignEncoder):
        raise UserError(f"{run} is an encoder that was trained elsewhere ({name}): it is judged, not trained")
    with torch.enable_grad():
        codes = model.encode(torch.zeros(2, *model.shape))
    if not codes.requires_grad:
        raise UserError(f"{run} has nothing to fine-tune: the codes of {name} depend on no trained weight")


def labelled_images(labels: Ids, share: float, seed: int) -> Ids:
    """Return positions of a share of the training images, one of each class at least."""
    return stratified(labels, max(len(np.unique(labels)), round(share * len(labels))), draw=seed)


def _trained(
    run: Run, model: Model, data: ImageData, labels: Ids, share: float, scratch: bool, seed: int, epochs: int | None
) -> tuple[FineTuned, "Classifier"]:
    """Return the result of a training, and the network with its best weights."""
    chosen = labelled_images(labels, share, seed)
    before, started = weights_hash(model), time.perf_counter()
    train = LabelledBatches(data, "train", chosen, data.batch_size, seed)
    val = LabelledBatches(data, "val", np.arange(data.size("val")), data.batch_size)
    epochs = epochs or max(EPOCHS, math.ceil(STEPS / len(train)))
    views = data.augmentation if hasattr(model, "views") else None
    network = Classifier(model, len(data.class_names), views, seed)
    start = "a fresh initialisation" if scratch else "its weights"
    log.info(
        f"fine-tuning {run} from {start}: {counted(len(chosen), 'labelled image')} of {len(labels):,}, "
        f"{counted(epochs, 'epoch')} of {counted(len(train), 'step')}; {data.size('val'):,} validation images choose"
    )
    trainer = L.Trainer(
        accelerator=run.config["trainer"].get("accelerator", "auto"),
        devices=1,
        max_epochs=epochs,
        check_val_every_n_epoch=max(1, epochs // VALIDATIONS),
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=run.folder,
    )
    network.train()
    try:
        trainer.fit(network, train, val)
    except SystemExit:  # Lightning has stopped at a signal
        log.warning("stopped: nothing was written")
        sys.exit(143 if trainer.received_sigterm else 130)
    if run.config["trainer"].get("accelerator") != "cpu":
        network.to(fastest_device())
    correct = network.correct(data)
    low, high = accuracy_interval(correct)
    best = network.best
    return FineTuned(
        share=share,
        scratch=scratch,
        seed=seed,
        labelled=len(chosen),
        validation_images=data.size("val"),
        test_images=len(correct),
        epochs=epochs,
        best_epoch=best.epoch,
        steps=trainer.global_step,
        views=views or "none",
        validation_accuracy=best.accuracy,
        accuracy=float(correct.mean()),
        low=low,
        high=high,
        seconds=time.perf_counter() - started,
        test_reads=data.test_reads,
        weights_sha256=before,
        data_sha256=run.versions["data_sha256"],
        **git_state(),
    ), network


def checkpoint_of(network: "Classifier", result: FineTuned) -> dict[str, Any]:
    """Return the best weights as a checkpoint of the model, and the head."""
    model = network.model
    return {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "global_step": result.steps,
        "epoch": result.best_epoch - 1,
        "head": network.head.state_dict(),
    }
