"""The images of a data set as they were before they became its arrays.

Encoders that were trained elsewhere make pictures of their own of them: of the file if there is one, at its full size,
otherwise of the pixels.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unsup.core.area_averages import area_averages
from unsup.core.errors import UserError, printable
from unsup.data.base import ImageData, Split
from unsup.data.folder import Folder
from unsup.data.pixels import Cut, Reading, read_picture

AT_A_TIME = 64
COLOUR = (3, 1, 1)  # all files are read as
DIGEST_BYTES = 16


@dataclass(frozen=True)
class FileImage:
    """An image in a file, read as the data set reads it."""

    path: Path
    reading: Reading

    def digest(self) -> bytes:
        """Return a hash of the file and of how it is read."""
        digest = hashlib.blake2b(self.path.read_bytes(), digest_size=DIGEST_BYTES)
        digest.update(repr(self.reading).encode())
        return digest.digest()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the file."""
        return read_picture(self.path, COLOUR, self.reading).file_size

    def picture(self, cut: Cut) -> NDArray[Any]:
        """Return what a function makes of the image. UserError if it cannot be read."""
        try:
            return read_picture(self.path, COLOUR, self.reading, cut).pixels
        except Exception as e:  # damaged files raise anything
            raise UserError(printable(f"{self.path} cannot be read any more: {e}")) from e


@dataclass(frozen=True)
class ArrayImage:
    """An image (C, H, W), uint8."""

    pixels: NDArray[np.uint8]

    def digest(self) -> bytes:
        """Return a hash of the pixels."""
        key = repr(self.pixels.shape).encode()
        return hashlib.blake2b(self.pixels.tobytes(), digest_size=DIGEST_BYTES, key=key).digest()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[2], self.pixels.shape[1]

    def picture(self, cut: Cut) -> NDArray[Any]:
        """Return what a function makes of the image."""
        pixels = self.pixels.transpose(1, 2, 0)
        return cut(Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)))


Original = FileImage | ArrayImage


def originals(
    data: ImageData, split: Split, positions: NDArray[np.int64] | None = None, side: int | None = None
) -> Iterator[list[Original]]:
    """Yield the images of a split in order, 64 at a time.

    A call for test images counts as a pass over them, whether or not the iterator is used.

    Args:
        data: the data set.
        split: of it.
        positions: in the split; None for all.
        side: the longest side of area averages in place of the files.
    """
    paths = None if side or corrupted(data, split) else data.paths(split)
    if paths is None:
        batches = data.batches(split, batch_size=AT_A_TIME, positions=positions)
        return ([ArrayImage(shrunk(image, side)) for image in (255 * x).round().byte().numpy()] for x in batches)
    data.test_reads += split == "test"
    chosen = [paths[i] for i in positions.tolist()] if positions is not None else paths
    reading = data.reading if isinstance(data, Folder) else Reading()
    files: list[Original] = [FileImage(path, reading) for path in chosen]
    return (files[start : start + AT_A_TIME] for start in range(0, len(files), AT_A_TIME))


def corrupted(data: ImageData, split: Split) -> bool:
    """Return whether the pixels of a split are not those of the files."""
    options = data.corruption
    return split in ("learn", "train") and bool(options.missing or options.noise or options.outliers)


def shrunk(image: NDArray[np.uint8], side: int | None) -> NDArray[np.uint8]:
    """Return area averages of an image (C, H, W), at most so many pixels a side."""
    height, width = image.shape[1:]
    if side is None or max(height, width) <= side:
        return image
    scale = side / max(height, width)
    rows, columns = (area_averages(size, max(1, round(size * scale))) for size in (height, width))
    return np.asarray(rows @ image.astype(np.float32) @ columns.T).round().clip(0, 255).astype(np.uint8)
