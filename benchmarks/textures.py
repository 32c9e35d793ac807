"""Draw grey textures in eight classes: python benchmarks/textures.py textures.

2,000 images of 64 x 64 pixels, as class folders of PNG files and as one file of arrays beside the folder. A class is
noise in a band around one frequency and one orientation. Turns by 90 degrees and mirror images, as in views of the
preset `texture`, do not lead from one class to another. Every image is drawn anew, so no two are near-duplicates.
"""

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE, IMAGES = 64, 250  # pixels of an edge, images of a class
CYCLES = (4, 7, 12, 20)  # in an image
DEGREES = (0, 45)  # of the waves' direction
OCTAVES, SPREAD = 0.2, 8.0  # standard deviations of the band, in octaves and in degrees
GREY, CONTRAST = (96, 160), (25, 45)  # mean and standard deviation of the pixels, drawn for each image


def main(folder: Path) -> None:
    """Write the class folders and the arrays."""
    images, labels = [], []
    for label, (name, texture) in enumerate(textures()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(texture):
            Image.fromarray(image).save(folder / name / f"{i:03}.png")
            images.append(image)
            labels.append(label)
    np.savez_compressed(folder.with_suffix(".npz"), train_images=np.stack(images), train_labels=np.array(labels))


def textures() -> Iterator[tuple[str, Iterator[NDArray[np.uint8]]]]:
    """Yield the name and the images (64, 64) of each class."""
    for seed, (cycles, degrees) in enumerate(product(CYCLES, DEGREES)):
        yield f"cycles{cycles:02}_degrees{degrees:02}", drawn(cycles, degrees, np.random.default_rng(seed))


def drawn(cycles: int, degrees: int, rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yield images of one class."""
    weights = band(cycles, degrees)
    for _ in range(IMAGES):
        noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * weights).real
        pixels = rng.uniform(*GREY) + rng.uniform(*CONTRAST) * noise / noise.std()
        yield np.rint(pixels).clip(0, 255).astype(np.uint8)


def band(cycles: int, degrees: int) -> NDArray[np.float64]:
    """Return the weight of each wave (64, 64), as `fft2` orders them."""
    rows, columns = np.meshgrid(*2 * [np.fft.fftfreq(SIZE, 1 / SIZE)], indexing="ij")
    octaves = np.log2(np.maximum(np.hypot(rows, columns), 1e-9) / cycles)
    turn = (np.degrees(np.arctan2(rows, columns)) - degrees + 90) % 180 - 90  # a wave has no sign
    return np.asarray(np.exp(-((octaves / OCTAVES) ** 2 + (turn / SPREAD) ** 2) / 2))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/textures.py <folder>")
    main(Path(sys.argv[1]))
