"""A few real digits and a quiet trainer: what tests of models train on, in milliseconds a step."""

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.loggers.logger import Logger
from sklearn.datasets import load_digits
from torch import Tensor

from unsup.data.base import Arrays, ImageData
from unsup.models.base import Model

SHAPE = (1, 8, 8)


class TinyDigits(ImageData):
    """The first `n` of scikit-learn's digits for training and the last 400 for testing."""

    shape = SHAPE
    class_names = tuple("0123456789")
    augmentation = "digits"

    def __init__(self, n: int = 160, batch_size: int = 32, steps_per_call: int = 1) -> None:
        super().__init__("", batch_size, steps_per_call)
        images, labels = load_digits(return_X_y=True)
        images = (images * (255 / 16)).astype(np.uint8).reshape(-1, *SHAPE)
        self.arrays = {True: (images[:n], labels[:n]), False: (images[-400:], labels[-400:])}

    def load(self, train: bool) -> Arrays:
        return self.arrays[train]


class Memory(Logger):
    """Keeps what is logged: {name: [(step, value), ...]}."""

    name, version = "memory", ""

    def __init__(self) -> None:
        super().__init__()
        self.curves: dict[str, list[tuple[int, float]]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append((step or 0, value))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None: ...


def trainer(epochs: int = 1, logger: Logger | bool = False, **kwargs: Any) -> L.Trainer:
    return L.Trainer(
        max_epochs=epochs,
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **{"accelerator": "cpu", "log_every_n_steps": 1, **kwargs},
    )


def train(
    model: Model, data: ImageData | None = None, epochs: int = 1, resume: Path | None = None, **kwargs: Any
) -> tuple[L.Trainer, dict[str, list[tuple[int, float]]]]:
    """Fit `model` as the project does; the trainer and what was logged."""
    logger = Memory()
    t = trainer(epochs, logger, **kwargs)
    t.fit(model, datamodule=data or TinyDigits(), ckpt_path=resume)
    return t, logger.curves


def digits(n: int = 32) -> Tensor:
    """x (n, 1, 8, 8)."""
    images = TinyDigits(n).arrays[True][0]
    return torch.from_numpy(images).float() / 255


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Equal parameters and buffers, bit for bit."""
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
