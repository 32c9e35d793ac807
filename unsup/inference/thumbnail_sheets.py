"""Thumbnails of many pictures on sheets, within a given number of bytes."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from unsup.core.errors import UserError
from unsup.data.pixels import Reading, read_image, read_picture
from unsup.reports.figures.data_uri import Sprite, sprite

SIDES = (96, 80, 64, 56, 48, 40, 32, 24, 16)  # pixels; multiples of a JPEG's block, so that neighbours do not mix
PER_SHEET = 100
QUALITY = 78
LOOKED_AT = 100  # pictures from which the number of bytes is estimated
MARGIN = 0.95  # of the bytes, as it is an estimate


def thumbnail_sheets(paths: Sequence[Path], reading: Reading, budget: int) -> list[Sprite]:
    """Return sheets of 100 thumbnails each, as large ones as a number of bytes allows.

    Those of 16 pixels, the smallest, are taken in any case. Small pictures are not enlarged.

    Raises:
        UserError: a file cannot be read any more.
    """
    some = paths[:: max(1, len(paths) // LOOKED_AT)][:LOOKED_AT]
    sample = read(some, SIDES[0], reading)
    largest = max(min(read_picture(path, (3, 1, 1), reading).file_size) for path in some)
    sides = [side for i, side in enumerate(SIDES) if i + 1 == len(SIDES) or SIDES[i + 1] < largest]
    for side in sides:
        estimate = len(sprite(sample, side, QUALITY).uri) / len(some) * len(paths)
        if estimate > MARGIN * budget and side != sides[-1]:
            continue
        starts = tqdm(range(0, len(paths), PER_SHEET), "thumbnails", unit=" sheets", delay=2, leave=False, disable=None)
        sheets = [sprite(read(paths[i : i + PER_SHEET], side, reading), side, QUALITY) for i in starts]
        if sum(len(sheet.uri) for sheet in sheets) <= budget or side == sides[-1]:
            return sheets
    raise AssertionError("the last side is always taken")


def read(paths: Sequence[Path], side: int, reading: Reading) -> NDArray[np.uint8]:
    """Return pictures (n, 3, side, side)."""

    def pixels(path: Path) -> NDArray[np.uint8]:
        try:
            return read_image(path, (3, side, side), reading)
        except Exception as e:  # damaged files raise anything
            raise UserError(f"{path} cannot be read any more: {e}") from e

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack(list(pool.map(pixels, paths)))
