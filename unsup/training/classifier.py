"""A network that labels train, an encoder under a linear head."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.arrays import Floats, Ids
from unsup.core.errors import UserError
from unsup.core.seeds import derived_seed, seed_noise
from unsup.data.base import ImageData, Split
from unsup.data.batches import num_batches
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.frozen import frozen
from unsup.models.parts.optim import adamw, annealed

log = logging.getLogger(__name__)

RATE = 1e-3  # peak learning rate of Adam, of the encoder and the head


@dataclass(eq=False)
class LabelledBatches:
    """A loader of (x, label) of some images of a split, in an order of each epoch.

    Without a seed they come as they are.
    """

    data: ImageData
    split: Split
    positions: Ids
    batch_size: int
    seed: int | None = None

    def __post_init__(self) -> None:
        self.epoch = 0
        labels = self.data.labels(self.split)
        assert labels is not None
        self.labels = labels

    def __len__(self) -> int:
        return num_batches(len(self.positions), 1, self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self.positions
        if self.seed is not None:
            order = np.random.default_rng(derived_seed(self.seed, "labelled", self.epoch)).permutation(order)
        self.epoch += 1
        batches = self.data.batches(self.split, batch_size=self.batch_size, positions=order)
        parts = np.array_split(self.labels[order], len(self))  # as `batches` splits
        return ((x, torch.from_numpy(part)) for x, part in zip(batches, parts, strict=True))


@dataclass(frozen=True)
class Best:
    """The epoch of the highest validation accuracy, of equals the least loss."""

    epoch: int  # from 1
    accuracy: float
    loss: float
    state: dict[str, Tensor]


class Classifier(L.LightningModule):
    """An encoder and a linear head, trained together by cross-entropy.

    Args:
        model: the method, whose `encode` is trained, batch statistics included.
        classes: number of them.
        views: preset of random views in training, None for the images as they are.
        seed: of views and other noise.
    """

    def __init__(self, model: Model, classes: int, views: str | None, seed: int) -> None:
        super().__init__()
        self.model, self.views, self.seed = model, views, seed
        with frozen(model):
            dim = model.encode(torch.zeros(2, *model.shape)).shape[1]
        self.head = nn.Linear(dim, classes)
        self.best = Best(0, -1.0, math.inf, {})
        self._held_out: list[tuple[Tensor, Tensor]] = []  # correctness (n,) and cross-entropy (n,) of batches

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of images x."""
        return self.head(self.model.encode(x).float())

    def configure_optimizers(self) -> Any:
        total = int(self.trainer.estimated_stepping_batches)
        return annealed(self, adamw(RATE, beta2=0.999), 0.0, lambda: total)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, labels = batch
        seed_noise(self.device, self.seed, "finetune", self.global_step)
        if self.views:
            x = augment(x, self.views, mild=True)
        return F.cross_entropy(self(x), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, labels = batch
        logits = self(x)
        self._held_out.append((logits.argmax(1) == labels, F.cross_entropy(logits, labels, reduction="none")))

    def on_validation_epoch_end(self) -> None:
        """Keep the weights if they are the best. UserError where they diverged."""
        correct, losses = (torch.cat(parts).float().mean().item() for parts in zip(*self._held_out, strict=True))
        self._held_out.clear()
        if not math.isfinite(losses):
            raise UserError(
                f"the validation loss of fine-tuning is {losses} at step {self.global_step}: try another seed"
            )
        epoch = self.current_epoch + 1
        log.info(f"epoch {epoch}/{self.trainer.max_epochs}  validation {correct:.3f}  loss {losses:.4g}")
        if (correct, -losses) > (self.best.accuracy, -self.best.loss):
            state = {name: value.detach().cpu().clone() for name, value in self.state_dict().items()}
            self.best = Best(epoch, correct, losses, state)

    def correct(self, data: ImageData) -> Floats:
        """Load the best weights, and return which test images (n,) they get right."""
        self.load_state_dict(self.best.state)
        with frozen(self):
            predicted = torch.cat([self(x).argmax(1).cpu() for x in data.batches("test", self.device)]).numpy()
        labels = data.labels("test")
        return (predicted == labels).astype(np.float64)
