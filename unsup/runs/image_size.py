"""Refusal of images that are too large for a model, before any of them is read."""

import functools
import math
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unsup.core.errors import UsageError
from unsup.data.base import ImageData
from unsup.data.npz import Npz
from unsup.models.base import Model

SMALL = 64  # sides up to this are not checked
MOST_WEIGHTS = 100_000_000  # more are refused if they come from the size of the images: dense layers of 300 million
LEAST_STEP = 5 * 2**29  # bytes that a training step may take on any machine, 2.5 GiB
SHARE = 8  # the part of a larger memory that a step may take is one of so many
STEP = 8  # sizes that are suggested are multiples of this
PROBED = (2, 4)  # images of the two steps that are compared
DROP = 4  # memory for a pixel differs at most by this factor between sizes, as backbones halve images from 64 pixels on
MEASURED = 256  # largest side of the images of such a step
REFUSED = 1.5  # stands for the excess of a size that a model does not take


def refuse_large_batches(data: ImageData, config: dict[str, Any]) -> None:
    """Refuse a size of images of which no batch fits into a training step.

    Raises:
        UsageError: it does, and the size can be chosen.
    """
    limit, batch = step_limit(config), 4.0 * data.batch_size * math.prod(data.shape)
    if size_is_free(data, config) and batch > limit:
        raise UsageError(
            f"a batch of {data.batch_size} images of {pixels(data)} takes {gigabytes(batch)} GiB (at most "
            f"{gigabytes(limit)}): lower their size or data.batch_size"
        )


def refuse_large_images(model: Model, data: ImageData, config: dict[str, Any], make: Callable[[int], Model]) -> None:
    """Refuse a size of images at which a model cannot be trained.

    It applies to data sets whose size is an option, and to arrays of the user's own. A model is refused if the size
    makes it larger than 100 million weights, or a training step larger than 2.5 GiB (an eighth of the memory, if that
    is more; half of the memory of a GPU), as measured on a few random images.

    Args:
        model: built for these images.
        data: its images need not be loaded.
        config: resolved.
        make: builds the model for images of another size; may raise UsageError.

    Raises:
        UsageError: the size is too large; the message names the largest one that is not, a multiple of 8.
    """
    if not size_is_free(data, config):
        return
    size, precision, limit = max(data.shape[1:]), str(config["trainer"].get("precision")), step_limit(config)

    @functools.cache
    def weights_at(side: int) -> int:
        with torch.device("meta"):  # counts weights without drawing them
            return num_weights(model if side == size else make(side))

    @functools.cache
    def measured(side: int) -> tuple[float, float]:
        return step_bytes(model if side == size else make(side), precision)

    def step_at(side: int) -> float:
        try:
            weights, image = measured(small := probed_side(side))
        except UsageError:  # the model does not take the small one
            weights, image = measured(small := side)
        return weights + image * data.batch_size * (side / small) ** 2

    def excess(side: int) -> float:
        """Return what images of a side need at least, as a multiple of what they may."""
        try:
            weights = weights_at(side) / MOST_WEIGHTS
            return weights if weights > 1 else step_at(side) / limit
        except UsageError:  # the model takes no images of this side
            return REFUSED

    if excess(size) <= 1:
        return
    most = largest(size, excess)
    if weights_at(size) > MOST_WEIGHTS:
        if most is None:
            return  # it is that large at any size
        too_large = f"has {weights_at(size) / 1e6:,.0f} million weights (at most {MOST_WEIGHTS / 1e6:,.0f})"
    else:
        step = gigabytes(step_at(size))
        too_large = f"needs {step} GiB for a step on {data.batch_size} images (at most {gigabytes(limit)})"
    limit_of_size = f"data.size {most}" if "size" in config["data"]["init_args"] else f"{most} x {most} pixels"
    remedy = f"it takes up to {limit_of_size}" if most else "no smaller size helps"
    raise UsageError(
        f"{config['recipe']} {too_large} for images of {pixels(data)}: {remedy}; or lower data.batch_size or the "
        "widths of the model"
    )


def size_is_free(data: ImageData, config: dict[str, Any]) -> bool:
    """Return whether images are not small, and their size is the user's choice."""
    chosen = isinstance(config["data"]["init_args"].get("size"), int) or isinstance(data, Npz)
    return chosen and max(data.shape[1:]) > SMALL


def pixels(data: ImageData) -> str:
    return "{} x {}".format(*data.shape[1:])


def gigabytes(size: float) -> str:
    return f"{size / 2**30:,.1f}"


def num_weights(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def step_limit(config: dict[str, Any]) -> float:
    """Return the bytes that a training step may take."""
    if torch.cuda.is_available() and config["trainer"].get("accelerator") != "cpu":
        return torch.cuda.get_device_properties(0).total_memory / 2
    return max(LEAST_STEP, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / SHARE)


def step_bytes(model: Model, precision: str) -> tuple[float, float]:
    """Return the bytes that a training step takes for the weights and for an image.

    For weights, gradients and two averages of them, and for what the backward pass needs of an image, by the difference
    between four images and two. (0, 0) for a model that is not trained by gradients.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        return 0, 0
    modes, state = {m: m.training for m in model.modules()}, {k: v.clone() for k, v in model.named_buffers()}
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16, enabled=precision.startswith("bf16")):
        model.train()
        few, more = (kept_bytes(model, torch.rand(n, *model.shape)) for n in PROBED)
    for module, training in modes.items():
        module.training = training
    for name, buffer in model.named_buffers():
        buffer.copy_(state[name])
    optimised = 4 * sum(parameter.numel() * parameter.element_size() for parameter in trained)
    return optimised, max(0, more - few) / (PROBED[1] - PROBED[0])


def kept_bytes(model: Model, x: Tensor) -> int:
    """Return the size of all that the backward pass of the losses of x needs."""
    storages: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()  # held, so that no other one gets its place
        storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.losses(x)
    return sum(storage.nbytes() for storage in storages.values())


def probed_side(side: int) -> int:
    """Return the side of images on which a step is measured."""
    halved = side
    while halved > MEASURED:
        halved //= 2
    return halved if halved == side else halved // STEP * STEP


def largest(size: int, excess: Callable[[int], float]) -> int | None:
    """Return the largest multiple of 8 below a size with an excess up to 1, or None.

    They are tried from above: a size may fit where a smaller one does not, as backbones halve images from 64 pixels on.
    Those that are too large even so are left out.
    """
    side = size
    while side > STEP:
        side = min(side - 1, int(side * math.sqrt(DROP / excess(side)))) // STEP * STEP
        if side and excess(side) <= 1:
            return side
    return None
