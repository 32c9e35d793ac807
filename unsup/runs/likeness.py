"""The named data set whose recipes a user's images follow.

Recipes have variants for named data sets (`M@D.yaml`). A folder or a file of images has no such name: what it is like
is told by its preset of views, its channels and its size.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unsup.core.array_files import array_shape

TINY = 16  # pixels of an edge below which images are like the digits of 8 x 8
MNIST_SIZE = 28


def variant_names(data: str | None, options: dict[str, Any]) -> tuple[str, ...]:
    """Return the names for which variants of a recipe apply.

    The last one has precedence.

    Args:
        data: the name in configs/data, if any.
        options: `data.init_args` of the configuration.
    """
    preset, shape = options.get("augmentation"), image_shape(options)
    like = similar(preset, *shape) if isinstance(preset, str) and shape else None
    return tuple(name for name in (like, data) if name)


def similar(preset: str, channels: int, size: int) -> str | None:
    """Return the most similar named data set, or None where the base of a recipe fits."""
    if preset == "digits" and size < TINY:
        return "digits"
    if channels == 1 and size == MNIST_SIZE:
        return "mnist" if preset == "digits" else "fashion_mnist"
    return None if preset == "digits" else "cifar10"


def image_shape(options: dict[str, Any]) -> tuple[int, int] | None:
    """Return channels and shorter edge, if options or a file's header say them."""
    channels, size, file = (options.get(key) for key in ("channels", "size", "file"))
    if isinstance(channels, int) and isinstance(size, int):
        return channels, size
    shape = array_shape(Path(file).expanduser(), "train_images") if isinstance(file, str) else ()
    if len(shape) not in (3, 4):
        return None
    return shape[3] if len(shape) == 4 else 1, min(shape[1:3])


def data_options(layers: Sequence[Any]) -> dict[str, Any]:
    """Return the options of the data set in unchecked layers."""
    options: dict[str, Any] = {}
    for layer in layers:
        section = layer.get("data") if isinstance(layer, dict) else None
        arguments = section.get("init_args") if isinstance(section, dict) else None
        options |= arguments if isinstance(arguments, dict) else {}
    return options
