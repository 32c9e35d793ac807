"""Data and models from a resolved configuration."""

import copy
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unsup.core.commands import option
from unsup.core.errors import UsageError, UserError
from unsup.core.removed import current_options
from unsup.data.base import ImageData
from unsup.data.folder import Folder
from unsup.data.npz import Npz
from unsup.metrics.chains import chains
from unsup.metrics.near_duplicates import LabelledImages, find_near_duplicates
from unsup.models.base import Model
from unsup.runs.config import Config, load_class
from unsup.runs.image_size import refuse_large_batches, refuse_large_images
from unsup.runs.options import LINKED

# Raised by constructors for bad arguments
CONSTRUCTION_ERRORS = (ArithmeticError, LookupError, MemoryError, RuntimeError, TypeError, ValueError)


def build(config: Config, data: ImageData | None = None) -> tuple[ImageData, Model]:
    """Build the data module and the model of a training, with no images loaded yet.

    Args:
        config: a resolved configuration.
        data: the data module, if there is one already; its images need not be loaded.

    Raises:
        UsageError: the training has no end, an option is out of its range, or a required `init_from` is missing.
    """
    trainer = config["trainer"]
    if trainer.get("max_epochs", -1) == -1 and trainer.get("max_steps", -1) == -1:
        raise UsageError("trainer.max_epochs or trainer.max_steps must say how long to train")
    data = data or build_data(config)
    refuse_large_batches(data, config)
    model = build_model(config, data)
    if model.needs_init and not config["init_from"]:
        raise UsageError(f"{config['recipe']} starts from the weights of another run: give --init_from RECIPE or RUN")
    refuse_large_images(model, data, config, lambda size: build_model(config, of_size(data, size)))
    return data, model


def of_size(data: ImageData, size: int) -> ImageData:
    """Return a data module, not to be loaded, that stands for images of another size."""
    other = copy.copy(data)
    other.shape = (data.shape[0], size, size)
    return other


def build_data(config: Config) -> ImageData:
    """Build the data module, with no images loaded yet."""
    cls = load_class(config["data"]["class_path"], ImageData)
    data: ImageData = instantiate("data", cls, config["data"]["init_args"])
    data.seed = config["seed"]
    if isinstance(data, Folder | Npz):
        data.find_groups = found_groups
    return data


def found_groups(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the chain of near-duplicates (n,) that each image is in."""
    pairs = find_near_duplicates(LabelledImages(images, None))
    return chains(len(images), pairs.first, pairs.second)


def load_data(config: Config) -> ImageData:
    """Build the data module, get its files, and read and check its images.

    Raises:
        UserError: files are missing, damaged or cannot be downloaded.
    """
    data = build_data(config)
    data.prepare_data()
    data.setup("fit")
    return data


def find_mnist(config: Config) -> tuple[ImageData | None, str]:
    """Load MNIST, the default data set, if it is available.

    Args:
        config: a resolved configuration with MNIST.

    Returns:
        The data module or None, and a message for the user.
    """
    try:
        return load_data(config), f"no {option('data')} given: using MNIST"
    except UserError as e:
        return None, f"no {option('data')} given, and {e}"


def build_model(config: Config, data: ImageData) -> Model:
    """Build the model. Its `shape` and `augmentation` come from the data module."""
    cls = load_class(config["model"]["class_path"], Model)
    linked = {name: getattr(data, name) for name in LINKED if name in inspect.signature(cls).parameters}
    model: Model = instantiate("model", cls, linked | config["model"]["init_args"])
    model.seed = config["seed"]
    return model


def instantiate(section: str, cls: type, arguments: dict[str, Any]) -> Any:
    """Make an object of a class.

    Raises:
        UsageError: torch or the class refuses the arguments, such as a negative or huge size or an empty list.
    """
    try:
        return cls(**arguments)
    except CONSTRUCTION_ERRORS as e:
        reason = next(iter(str(e).splitlines()), "") or type(e).__name__
        problem = f"{section}: {cls.__name__} cannot be made with these options: {reason}"
        raise UsageError(f"{problem} (UNSUP_DEBUG=1 shows where)") from e


def rebuild(class_path: str, checkpoint: dict[str, Any], seed: int, path: Path) -> Model:
    """Return a model with the arguments and weights of a checkpoint, in eval mode.

    Raises:
        UserError: they do not fit the class.
    """
    options = current_options(class_path, checkpoint["hyper_parameters"], path)
    try:
        with torch.random.fork_rng([]):
            model: Model = load_class(class_path, Model)(**options)
    except CONSTRUCTION_ERRORS as e:
        raise UserError(f"{path} does not fit {class_path}: was its code changed since?") from e
    load_weights(model, checkpoint, path)
    model.seed = seed
    return model.eval()


def load_weights(model: Model, checkpoint: dict[str, Any], path: Path) -> None:
    """Load the weights of a checkpoint into a model.

    Raises:
        UserError: they do not all fit.
    """
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except RuntimeError as e:
        raise UserError(f"{path} does not fit {type(model).__name__}: was its code changed since?") from e
