"""The length of a training on few images, in optimizer steps.

Recipes state epochs and batches for tens of thousands of images. With 225 images in batches of 256, 20 epochs are 20
steps, which teach nothing. Where a data set has `min_steps`, what a recipe states is adapted to its number of
images; what the user states is not.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from unsup.core.commands import option
from unsup.core.errors import UsageError, UserError

BATCH_SIZE, MAX_EPOCHS = ("data", "init_args", "batch_size"), ("trainer", "max_epochs")
PRECISION = ("trainer", "precision")  # adapted in unsup.runs.precision
STEPS_PER_EPOCH = 8  # at least: batches are halved until an epoch has so many
SMALLEST_BATCH = 32  # to which they are halved
MANY_IMAGES = 45_000  # to learn from, as of CIFAR-10: on so many or more, a recipe is not changed


def refuse_endless(trainer: dict[str, Any]) -> None:
    """Raise `UsageError` if the options of a trainer do not say how long to train."""
    epochs, steps = trainer.get("max_epochs"), trainer.get("max_steps")
    if isinstance(epochs, int) and epochs < 0 and not (isinstance(steps, int) and steps > 0):
        example = f"{option('epochs', '20')}, or trainer.max_steps"
        raise UsageError(f"trainer.max_epochs is {epochs}: say how long to train, such as {example}")


def adaptable(layers: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return the options that may be adapted, those that no layer of the user sets."""
    keys = (BATCH_SIZE, MAX_EPOCHS, PRECISION)
    return [key for key in keys if not any(_has(layer, key) for layer in layers)]


def adapt_length(config: dict[str, Any], data_class: type) -> None:
    """Adapt batch size and epochs of a resolved configuration to its number of images.

    Where the images cannot be found, nothing changes: the error comes when they are read.
    """
    options, trainer, keys = config["data"]["init_args"], config["trainer"], config.get("adaptable", [])
    if not (options.get("min_steps") and keys):
        return
    images = 0
    with suppress(UserError):
        images = data_class(**options).learning_images()
    if not images:
        return
    recipe_batch_size = options["batch_size"]
    if BATCH_SIZE in keys:
        options["batch_size"] = adapted_batch_size(images, recipe_batch_size)
    if MAX_EPOCHS in keys and (trainer.get("max_epochs") or 0) > 0:
        steps = min(options["min_steps"], trainer["max_epochs"] * math.ceil(MANY_IMAGES / recipe_batch_size))
        needed = math.ceil(steps / math.ceil(images / options["batch_size"]))
        trainer["max_epochs"] = max(trainer["max_epochs"], needed)


def adapted_batch_size(images: int, batch_size: int) -> int:
    """Return a batch size, halved where an epoch would have few steps."""
    while math.ceil(images / batch_size) < STEPS_PER_EPOCH and batch_size >= 2 * SMALLEST_BATCH:
        batch_size //= 2
    return batch_size


def _has(layer: dict[str, Any], key: tuple[str, ...]) -> bool:
    for name in key:
        if name not in layer:
            return False
        layer = layer[name]
    return True
