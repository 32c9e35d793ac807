"""Measure images per second of each way to get batches and to augment them."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augmentation import ONE_BY_ONE
from timing import alternating, per, rates, ratios, shown, table
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchvision import transforms
from torchvision.datasets import MNIST

from unsup.data import mnist
from unsup.data.batches import ResidentBatches, as_tensor
from unsup.models.parts.augment import augment

BATCH = 256
USUAL = "torchvision, ToTensor, DataLoader"
ONE = "torchvision v2, image by image"
CPU = torch.device("cpu")


def measure(options: Any) -> dict[str, Any]:
    """Return images per second of each path, and the ratio to the usual path."""
    rounds = 2 if options.quick else options.pairs
    with tempfile.TemporaryDirectory() as folder:
        return {
            "paths": against(USUAL, paths(options, Path(folder)), rounds),
            "augmentation": against(ONE, augmentations(16 if options.quick else 64), rounds),
        }


def against(usual: str, sides: dict[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, Any]:
    """Time `sides`, {name: (what to run, number of images)}, in turn."""
    seconds = alternating({name: act for name, (act, _) in sides.items()}, rounds)
    of_image = {name: [per(s, sides[name][1]) for s in found] for name, found in seconds.items()}
    return {
        name: {"images_per_second": rates(found), f"over {usual}": ratios(of_image[usual], found)}
        for name, found in of_image.items()
    }


# ---- batches --------------------------------------------------------------------------------------------------------


def paths(options: Any, folder: Path) -> dict[str, tuple[Callable[[], Any], int]]:
    """Return the paths; the fast ones run an epoch, the slow ones some batches."""
    data = mnist.MNIST(options.data_root)
    images = data.load(train=True)[0]  # (60000, 1, 28, 28) uint8
    np.save(folder / "images.npy", images)
    mapped = np.load(folder / "images.npy", mmap_mode="r")
    floats = TensorDataset(torch.from_numpy(images).float() / 255)
    usual = MNIST(options.data_root, train=True, transform=transforms.ToTensor())
    few = 4 if options.quick else 20
    n = len(images)

    def cut(loader: Any, batches: int | None = None) -> Callable[[], Any]:
        return lambda: [None for _ in islice(loader, batches)]

    return {
        USUAL: (cut(DataLoader(usual, BATCH, shuffle=True), few), few * BATCH),
        "TensorDataset of floats, DataLoader": (cut(DataLoader(floats, BATCH, shuffle=True), 4 * few), 4 * few * BATCH),
        "index_select by hand": (lambda: [None for _ in by_hand(torch.from_numpy(images))], n),
        "unsup, resident": (cut(resident(as_tensor(images))), n),
        "unsup, memory map": (cut(resident(as_tensor(mapped))), n),
    }


def by_hand(images: Tensor) -> Iterator[Tensor]:
    for part in torch.randperm(len(images)).split(BATCH):
        yield images.index_select(0, part).float().mul_(1 / 255)


def resident(images: Tensor) -> ResidentBatches:
    """Cut batches from resident images, as training does."""
    return ResidentBatches(1, CPU, False, images, torch.arange(len(images)), BATCH, shuffle=True, seed=0)


# ---- augmentation ---------------------------------------------------------------------------------------------------


def augmentations(few: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """Return SimCLR's views of 32 × 32 photographs, drawn for each image; no blur."""
    x = torch.rand(BATCH, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    sides: dict[str, tuple[Callable[[], Any], int]] = {
        ONE: (lambda: [ONE_BY_ONE(image) for image in x[:few]], few),
        "unsup, batched": (lambda: augment(x, "natural"), BATCH),
    }
    try:
        from kornia import augmentation as K
    except ImportError:
        return sides
    batched = K.AugmentationSequential(
        K.RandomResizedCrop((32, 32), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
    )
    return sides | {"kornia, batched": (lambda: batched(x), BATCH)}


def told(found: dict[str, Any]) -> str:
    text = []
    for title, of in found.items():
        usual = next(iter(of))
        rows = [
            [name, f"{row['images_per_second']['wall']:,}", *(shown(row[f"over {usual}"][k]) for k in ("cpu", "wall"))]
            for name, row in of.items()
        ]
        text.append(table([title, "images/s", "x, processor", "x, wall"], rows))
    if "kornia, batched" not in found["augmentation"]:
        text.append("kornia is not installed: skipped")
    return "\n\n".join(text)
