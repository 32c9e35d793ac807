"""Images of a model in training, in TensorBoard and in figures/progress.png."""

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from unsup.evaluation.model_images import grid, grids_of, seeded_samples, thumbnails
from unsup.models.parts.frozen import frozen
from unsup.reports.figures.samples import COLUMNS, draw_progress
from unsup.training.callbacks.schedule import evenly_spaced, planned_epochs, tensorboard_loggers
from unsup.training.loggers import log_picture

IMAGES = 32  # in a picture
PICTURES = 30  # of samples in a run
ROWS = 10  # other pictures in a run, and lines of the progress strip


class Pictures(Callback):
    """Samples from the same noise, and the other images of `grids_of`.

    Samples are drawn after at most 30 epochs, other pictures after at most 10 of these, evenly spaced from the first to
    the last. When training ends, figures/progress.png in the run folder shows the first samples of 10 epochs.
    """

    def __init__(self) -> None:
        self._sampled: list[int] = []  # epochs, from 1, after which samples are shown
        self._sparse: list[int] = []  # those with all pictures and a line of the strip
        self._strip: dict[int, Tensor] = {}  # epoch -> samples (n, C, h, w) uint8
        self._newest: dict[str, int] = {}  # name -> training step of its newest picture

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._sampled = evenly_spaced(range(1, planned_epochs(trainer) + 1), PICTURES)
        self._sparse = evenly_spaced(self._sampled, ROWS)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        sparse = epoch in self._sparse
        if sparse or (epoch in self._sampled and hasattr(pl_module, "sample")):
            self._draw(trainer, pl_module, epoch, sparse)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._draw(trainer, pl_module, trainer.current_epoch, sparse=True)  # training may end early
        boards = tensorboard_loggers(trainer)
        if boards and len(self._strip) > 1:
            path = Path(boards[0].log_dir) / "figures" / "progress.png"
            path.parent.mkdir(exist_ok=True)
            draw_progress(
                path, {epoch: self._strip[epoch].numpy() for epoch in evenly_spaced(sorted(self._strip), ROWS)}
            )

    def state_dict(self) -> dict[str, Any]:
        return {"strip": self._strip, "newest": self._newest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._strip, self._newest = state_dict["strip"], state_dict["newest"]

    def _draw(self, trainer: L.Trainer, model: Any, epoch: int, sparse: bool) -> None:
        if not tensorboard_loggers(trainer):
            return
        pictures = {}
        with frozen(model, full_precision=False), trainer.precision_plugin.forward_context():
            if sparse:
                pictures = grids_of(model, trainer.precision_plugin.convert_input(_first_images(trainer, model.device)))
            if hasattr(model, "sample"):
                samples = seeded_samples(model, IMAGES, "pictures").clamp(0, 1)
                pictures["samples"] = grid(samples)
                if sparse:
                    self._strip[epoch] = thumbnails(samples[:COLUMNS])
        for name, picture in pictures.items():
            if self._newest.get(name) != model.iteration:
                self._newest[name] = model.iteration
                for logger in trainer.loggers:
                    log_picture(logger, f"pictures/{name}", picture.float().clamp(0, 1).cpu(), model.iteration)


def _first_images(trainer: L.Trainer, device: torch.device) -> Tensor:
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    first = np.arange(min(IMAGES, data.size("val")))
    return next(iter(data.batches("val", device, batch_size=IMAGES, positions=first)))
