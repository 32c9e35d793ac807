"""Pictures while a model trains: in TensorBoard, and what samples looked like over the epochs. No weight is changed."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torchvision.utils import make_grid

from unsup.core.seeds import seed_noise
from unsup.metrics import geometry
from unsup.models.base import Model
from unsup.reports.figures.samples import COLUMNS, draw_progress

IMAGES = 32  # in a picture
PICTURES = 30  # of samples in a run
ROWS = 10  # other pictures in a run, and lines of the progress strip
THUMBNAIL = 64  # pixels of the longer side of an image in a picture, at most
FILTERS = 64


class Pictures(Callback):
    """Samples from the same noise each time, and what else `sights` finds in a model, in TensorBoard.

    Samples come after every epoch, in a long run after 30 of them; the other pictures after 10 of these epochs. All are
    spread evenly over the run, the first and the last epoch always among them. When training ends, figures/progress.png
    in the run folder shows the first samples of 10 epochs, also of those before a run was resumed.
    """

    def __init__(self) -> None:
        self._sampled: list[int] = []  # epochs, from 1, after which samples are shown
        self._sparse: list[int] = []  # those with all pictures and a line of the strip
        self._strip: dict[int, Tensor] = {}  # epoch -> samples (n, C, h, w) uint8
        self._newest: dict[str, int] = {}  # name -> training step of its newest picture

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._sampled = evenly(range(1, planned_epochs(trainer) + 1), PICTURES)
        self._sparse = evenly(self._sampled, ROWS)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        sparse = epoch in self._sparse
        if sparse or (epoch in self._sampled and hasattr(pl_module, "sample")):
            self._draw(trainer, pl_module, epoch, sparse)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._draw(trainer, pl_module, trainer.current_epoch, sparse=True)  # training may end before its plan
        found = boards(trainer)
        if found and len(self._strip) > 1:
            path = Path(found[0].log_dir) / "figures" / "progress.png"
            path.parent.mkdir(exist_ok=True)
            draw_progress(path, {epoch: self._strip[epoch].numpy() for epoch in evenly(sorted(self._strip), ROWS)})

    def state_dict(self) -> dict[str, Any]:
        return {"strip": self._strip, "newest": self._newest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._strip, self._newest = state_dict["strip"], state_dict["newest"]

    def _draw(self, trainer: L.Trainer, model: Any, epoch: int, sparse: bool) -> None:
        if not boards(trainer):
            return
        pictures = {}
        with looking_at(model), trainer.precision_plugin.forward_context():
            if sparse:
                pictures = sights(model, trainer.precision_plugin.convert_input(_first_images(trainer, model.device)))
            if hasattr(model, "sample"):
                seed_noise(model.device, model.seed, "pictures")  # the same noise each time: one sees it change
                samples = model.sample(IMAGES).float().clamp(0, 1)
                pictures["samples"] = make_grid(small(samples), nrow=8, pad_value=1)
                if sparse:
                    self._strip[epoch] = thumbnails(samples[:COLUMNS])
        for name, picture in pictures.items():
            if self._newest.get(name) != model.iteration:
                self._newest[name] = model.iteration
                for board in boards(trainer):
                    board.experiment.add_image(f"pictures/{name}", picture.float().clamp(0, 1).cpu(), model.iteration)


def planned_epochs(trainer: L.Trainer) -> int:
    """Epochs that a training will have by max_epochs and max_steps; -1 where neither says."""
    epochs = trainer.max_epochs or 0
    if trainer.max_steps > 0:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        steps = min(int(trainer.num_training_batches) * data.steps_per_call, data.steps_per_epoch)
        model: Any = trainer.lightning_module
        by_steps = math.ceil(trainer.max_steps / model.steps_per_batch / steps)
        epochs = by_steps if epochs < 0 else min(epochs, by_steps)
    return epochs


def evenly(numbers: Sequence[int], most: int) -> list[int]:
    """At most `most` of ascending numbers at about even distances, the first and the last among them."""
    if len(numbers) <= most:
        return list(numbers)
    places = np.linspace(numbers[0], numbers[-1], most)
    return sorted({numbers[i] for i in np.abs(np.subtract.outer(places, numbers)).argmin(axis=1)})


def sights(model: Any, x: Tensor) -> dict[str, Tensor]:
    """{name: picture (3, h, w)}: what the model's methods allow of a few images x (N, C, H, W)."""
    found = {}
    if hasattr(model, "reconstruct"):
        found["reconstructions"] = pairs(small(x), small(model.reconstruct(x).float()))
    if hasattr(model, "decode"):
        _, _, along = geometry.walks(model.encode(x).float().cpu().numpy())
        if len(along):  # none: all codes are equal
            walked = model.decode(torch.from_numpy(along).to(x).flatten(0, 1)).float()
            found["traversals"] = make_grid(small(walked.clamp(0, 1)), nrow=len(geometry.OFFSETS), pad_value=1)
    pixels = math.prod(model.shape)
    dense = (m.weight for m in model.modules() if isinstance(m, nn.Linear) and m.in_features == pixels)
    if (weight := next(dense, None)) is not None:
        found["filters"] = filters(weight.detach().float().unflatten(1, model.shape))
    return found


def filters(weight: Tensor) -> Tensor:
    """What the first units of a dense layer (N, C, H, W) look at: grey is 0, each unit on a scale of its own."""
    shown = weight[:FILTERS]
    scaled = shown / shown.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    return make_grid(small((scaled + 1) / 2), nrow=8, pad_value=1)


def small(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, h, w), large images scaled down."""
    scale = THUMBNAIL / max(x.shape[2:])
    return F.interpolate(x, scale_factor=scale, mode="area") if scale < 1 else x


def thumbnails(x: Tensor) -> Tensor:
    """(N, C, H, W) in [0, 1] -> (N, C, h, w) uint8 on the CPU, large images scaled down: checkpoints hold them."""
    return (255 * small(x)).round().byte().cpu()


def pairs(x: Tensor, x_hat: Tensor) -> Tensor:
    """(N, C, H, W) twice -> (3, h, w): lines of eight images, each above the line of their reconstructions."""
    columns = min(8, len(x))
    whole = len(x) - len(x) % columns
    lines = torch.stack([x[:whole].unflatten(0, (-1, columns)), x_hat[:whole].unflatten(0, (-1, columns))], dim=1)
    return make_grid(lines.flatten(0, 2), nrow=columns, pad_value=1)


@contextmanager
def looking_at(model: Model) -> Iterator[None]:
    """Eval mode without gradients; every module's mode and the random state are as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def boards(trainer: L.Trainer) -> list[TensorBoardLogger]:
    """The loggers that take pictures, in the one process that draws them."""
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero]


def _first_images(trainer: L.Trainer, device: torch.device) -> Tensor:
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    first = np.arange(min(IMAGES, data.size("val")))
    return next(iter(data.batches("val", device, size=IMAGES, at=first)))
