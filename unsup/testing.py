"""The contract tests of models and data sets, for classes of the user's own.

from unsup.testing import check_data, check_model

check_model(MyModel, code_dim=8)
check_data(MyData, root="images")
"""

import copy
import inspect
import tempfile
import warnings
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.loggers.logger import Logger

from unsup.core.errors import UsageError
from unsup.core.splits import SPLITS
from unsup.data.base import Arrays, ImageData
from unsup.models.base import Model
from unsup.models.parts.augment import PRESETS
from unsup.models.parts.contract import Weights, check_checkpoint, check_trained, copy_of, require, same_state
from unsup.runs.options import LINKED
from unsup.training.trainer import silence_libraries


def check_model(
    model_class: type[Model],
    data: ImageData | None = None,
    /,
    *,
    init_from: Model | None = None,
    epochs: int = 10,
    **options: Any,
) -> None:
    """Train a model on a few images, twice, and check the promises of `Model`.

    Example:
        >>> from unsup.models.ae import AE
        >>> check_model(AE, code_dim=8)

    Args:
        model_class: the class.
        data: a small data set to train on; by default 160 digits of 8 x 8 pixels.
        init_from: a trained model whose weights this one starts from, for a class with `needs_init`.
        epochs: of each training; its loss must fall by a tenth.
        options: arguments of the class; those that the data set decides (`shape`, `augmentation`) are filled in.

    Raises:
        AssertionError: a promise is broken; the message says which.
        UserError: the model or the data set cannot be trained, or `init_from` is needed.
    """
    if model_class.needs_init and init_from is None:
        raise UsageError(f"{model_class.__name__} starts from another model's weights: give init_from=<trained model>")
    data = data or TinyDigits()
    data.prepare_data()
    data.setup()
    data.size("train")  # the split is drawn, stratified, before labels are shuffled
    options |= {key: getattr(data, key) for key in LINKED if key in inspect.signature(model_class).parameters}
    weights = {} if init_from is None else copy_of(init_from.state_dict())
    x = next(iter(data.batches("train", batch_size=40, positions=np.arange(min(40, data.size("train"))))))
    with warnings.catch_warnings(), torch.random.fork_rng([]), tempfile.TemporaryDirectory() as folder:
        silence_libraries()
        model, before = start(model_class, options, weights)
        fitting, curves = fit(model, data, epochs if any(p.requires_grad for p in model.parameters()) else 0)
        model.eval()
        check_trained(model, before, curves, x)
        fitting.save_checkpoint(checkpoint := Path(folder, "last.ckpt"))
        check_checkpoint(model, checkpoint, x)
        labels = data.labels("train")
        if labels is not None and len(set(labels)) > 1:
            other, _ = start(model_class, options, weights)
            fit(other, with_shuffled_labels(data), fitting.max_epochs or 0)
            same = same_state(other.state_dict(), model.state_dict())
            require(model, same, "different labels give different weights: labels must not reach a model")


def start(model_class: type[Model], options: dict[str, Any], weights: Weights) -> tuple[Model, Weights]:
    """Return the model, ready for training, and a copy of its weights."""
    torch.manual_seed(0)
    model = model_class(**options)
    if weights:
        model.initialise(copy_of(weights))
    return model, copy_of(model.state_dict())


def with_shuffled_labels(data: ImageData) -> ImageData:
    """Return the same splits, with the training labels in random order."""
    other = copy.copy(data)
    images, labels = data._arrays[True]
    if labels is not None:
        other._arrays = data._arrays | {True: (images, np.random.default_rng(0).permutation(labels))}
    return other


def check_data(data_class: type[ImageData], /, **options: Any) -> None:
    """Load a data set, twice, and check the promises of `ImageData`.

    Example:
        >>> from unsup.data.digits import Digits
        >>> check_data(Digits)

    Args:
        data_class: the class.
        options: its arguments.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    data = data_class(**options)
    require(data, hasattr(data, "shape"), "shape is not set: set it in the class or in __init__")
    shape = tuple(data.shape)  # known before anything is loaded
    data.prepare_data()
    for train in (True, False):
        check_arrays(data, data.load(train), least=-1 if train else 0)
    data.setup()
    require(data, shape == tuple(data.shape), f"shape is {shape} before images are loaded and {data.shape} afterwards")
    augmentation = data.augmentation
    known = augmentation in PRESETS
    require(data, known, f"augmentation is {augmentation!r}: choose one of {', '.join(PRESETS)}")
    check_splits(data)
    check_batches(data)
    same = data_class(**options).fingerprint() == data.fingerprint()
    require(data, same, "the images, the labels or their order change when they are loaded again")


def check_arrays(data: ImageData, loaded: Any, least: int) -> None:
    """Check types, shapes and ranges of what `load` returns."""
    is_pair = isinstance(loaded, tuple) and len(loaded) == 2 and isinstance(loaded[0], np.ndarray)
    require(data, is_pair, "load returns no pair (images, labels): images are a NumPy array, labels too or None")
    images, labels = loaded
    good = images.dtype == np.uint8 and images.shape[1:] == tuple(data.shape)
    require(data, good, f"load returns {images.dtype} images {images.shape}: it must be uint8 (N, *{data.shape})")
    require(data, images.flags.c_contiguous, "load returns images that are not C-contiguous: use np.ascontiguousarray")
    if labels is not None:
        kind = f"{labels.dtype} labels {labels.shape}" if isinstance(labels, np.ndarray) else f"{type(labels).__name__}"
        good = kind == f"int64 labels ({len(images)},)"
        require(data, good, f"load returns {kind}: it must be int64 labels ({len(images)},), or None")
        known = set(labels.tolist()) <= set(range(least, len(data.class_names)))
        require(data, known, f"load returns a label outside {least} to {len(data.class_names) - 1}")


def check_splits(data: ImageData) -> None:
    """Check that splits are disjoint and complete."""
    images, labels = data.load(True)
    known = np.arange(len(images)) if labels is None else np.flatnonzero(labels >= 0)
    train, val = data._get_rows("train"), data._get_rows("val")
    require(data, sorted([*train, *val]) == list(known), "an image is in no split, or in two")
    official = data.validation_rows()
    most = max(1, round(min(5000, len(known) / 10))) if official is None else len(official)
    require(data, 1 <= len(val) <= most, f"{len(val)} of {len(known)} images are validation: 1 to {most} are expected")
    if type(data).size is ImageData.size:
        rest = data.size("learn") + data.size("val") == len(images)
        require(data, rest, "models do not learn from all images that are not validation")
    seen = {row.tobytes() for row in images}
    leaked = sum(row.tobytes() in seen for row in data.load(False)[0])
    require(data, not leaked, f"{leaked} test images are training images as well")
    data.setup()
    require(data, np.array_equal(val, data._get_rows("val")), "setup draws another split when it is called again")


def check_batches(data: ImageData) -> None:
    """Check that batches are in [0, 1], and that test passes are counted."""
    for split in SPLITS:
        x = torch.cat(list(data.batches(split, batch_size=7)))
        good = x.shape == (data.size(split), *data.shape) and x.dtype == torch.float32
        require(data, good, f"batches of {split} are {x.dtype} {tuple(x.shape)}, not float32 of its images")
        require(data, x.min() >= 0 and x.max() <= 1, f"batches of {split} have values outside [0, 1]")
        require(data, x.min() < x.max(), f"all pixels of {split} have one value")
        labels = data.labels(split)
        require(data, labels is None or len(labels) == len(x), f"{split} has {len(x)} images but not as many labels")
    require(data, data.test_reads == 1, f"one pass over the test images was counted as {data.test_reads}")


class TinyDigits(ImageData):
    """The first `n` of scikit-learn's digits for training, the last 400 for testing."""

    shape = (1, 8, 8)
    class_names = tuple("0123456789")
    augmentation = "digits"

    def __init__(self, n: int = 160, batch_size: int = 32, steps_per_call: int = 1) -> None:
        from sklearn.datasets import load_digits

        super().__init__("", batch_size, steps_per_call)
        images, labels = load_digits(return_X_y=True)
        images = (images * (255 / 16)).astype(np.uint8).reshape(-1, *TinyDigits.shape)
        self.arrays = {True: (images[:n], labels[:n]), False: (images[-400:], labels[-400:])}

    def load(self, train: bool) -> Arrays:
        return self.arrays[train]


class Memory(Logger):
    """A logger that stores values as pairs (step, value) by name."""

    name, version = "memory", ""

    def __init__(self) -> None:
        super().__init__()
        self.curves: dict[str, list[tuple[int, float]]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.curves.setdefault(name, []).append((step or 0, value))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None: ...


def trainer(epochs: int = 1, logger: Logger | bool = False, **options: Any) -> L.Trainer:
    """Return a trainer on the CPU that writes nothing and logs every step."""
    quiet = ("enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    defaults = {"accelerator": "cpu", "log_every_n_steps": 1, "num_sanity_val_steps": 0, **dict.fromkeys(quiet, False)}
    return L.Trainer(max_epochs=epochs, logger=logger, **{**defaults, **options})


def fit(
    model: Model, data: ImageData | None = None, epochs: int = 1, resume: Path | None = None, **options: Any
) -> tuple[L.Trainer, dict[str, list[tuple[int, float]]]]:
    """Fit a model as the project does. Return the trainer and what was logged."""
    logger = Memory()
    fitting = trainer(epochs, logger, **options)
    fitting.fit(model, datamodule=data or TinyDigits(), ckpt_path=resume)
    return fitting, logger.curves
