"""CIFAR-10 as a folder of JPEG files, as the rows `folder-cifar` have it: python docs/cifar_folder.py cifar."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from PIL import Image


def write(images: Iterable[tuple[Image.Image, int]], classes: list[str], folder: Path) -> None:
    """<folder>/<class>/0000.jpg, 0001.jpg, …: (picture, class number) pairs in their order, quality 75, 4:2:0."""
    written: Counter[int] = Counter()
    for picture, label in images:
        path = folder / classes[label] / f"{written[label]:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=75, subsampling="4:2:0")
        written[label] += 1


if __name__ == "__main__":
    from torchvision.datasets import CIFAR10

    top = Path(sys.argv[1])
    for split in ("train", "test"):
        found = CIFAR10("data", train=split == "train", download=True)  # 170 MB, once
        write(found, found.classes, top / split)
