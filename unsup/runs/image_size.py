"""Refusal of images that are too large for a model, before any of them is read."""

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


def refuse_large_images(model: Model, data: ImageData, config: dict[str, Any], make: Callable[[int], Model]) -> None:
    """Refuse a size of images at which a model cannot be trained.

    It applies to data sets whose size is an option, and to arrays of the user's own. A model is refused if the size
    makes it larger than 100 million weights, or a training step larger than 2.5 GiB (an eighth of the memory, if that
    is more; half of the memory of a GPU), as measured on a few random images.

    Args:
        model: built for these images.
        data: its images need not be loaded.
        config: resolved.
        make: builds the model for images of another size.

    Raises:
        UsageError: the size is too large; the message names the largest one that is not, a multiple of 8.
    """
    size = max(data.shape[1:])
    if size <= SMALL or not (isinstance(config["data"]["init_args"].get("size"), int) or isinstance(data, Npz)):
        return
    precision, limit = str(config["trainer"].get("precision")), step_limit(config)

    def problem(model: Model) -> str:
        if (weights := num_weights(model)) > MOST_WEIGHTS:
            return f"has {weights / 1e6:,.0f} million weights (at most {MOST_WEIGHTS / 1e6:,.0f})"
        if (step := step_bytes(model, data.batch_size, precision)) > limit:
            return f"needs {step / 2**30:.1f} GiB for a step on {data.batch_size} images (at most {limit / 2**30:.1f})"
        return ""

    def fits(smaller: int) -> bool:
        with torch.device("meta"):  # counts weights without drawing them
            if num_weights(make(smaller)) > MOST_WEIGHTS:
                return False
        return not problem(make(smaller))

    if too_large := problem(model):
        most = largest(size, fits)
        if most is None and num_weights(model) > MOST_WEIGHTS:
            return  # it is that large at any size
        limit_of_size = f"data.size {most}" if "size" in config["data"]["init_args"] else f"{most} x {most} pixels"
        remedy = f"it takes up to {limit_of_size}" if most else "no smaller size helps"
        height, width = data.shape[1:]
        raise UsageError(
            f"{config['recipe']} {too_large} for images of {height} x {width}: {remedy}; or lower data.batch_size or "
            "the widths of the model"
        )


def num_weights(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def step_limit(config: dict[str, Any]) -> float:
    """Return the bytes that a training step may take."""
    if torch.cuda.is_available() and config["trainer"].get("accelerator") != "cpu":
        return torch.cuda.get_device_properties(0).total_memory / 2
    return max(LEAST_STEP, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / SHARE)


def step_bytes(model: Model, batch_size: int, precision: str) -> float:
    """Return about how much memory a training step takes, in bytes.

    It is that of weights, gradients and two averages of them, and of what the backward pass needs of each image, by the
    difference between four images and two. 0 for a model that is not trained by gradients.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        return 0
    modes, state = {m: m.training for m in model.modules()}, {k: v.clone() for k, v in model.named_buffers()}
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16, enabled=precision.startswith("bf16")):
        model.train()
        few, more = (kept_bytes(model, torch.rand(n, *model.shape)) for n in PROBED)
    for module, training in modes.items():
        module.training = training
    for name, buffer in model.named_buffers():
        buffer.copy_(state[name])
    optimised = 4 * sum(parameter.numel() * parameter.element_size() for parameter in trained)
    return optimised + max(0, more - few) * batch_size / (PROBED[1] - PROBED[0])


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


def largest(size: int, fits: Callable[[int], bool]) -> int | None:
    """Return the largest multiple of 8 below a size that fits, or None.

    All are tried from above: a size may fit where a smaller one does not, as backbones halve images from 64 pixels on.
    """
    return next((smaller for smaller in range((size - 1) // STEP * STEP, 0, -STEP) if fits(smaller)), None)
