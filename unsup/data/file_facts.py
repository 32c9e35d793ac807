"""Facts about the files of images, apart from their pixels."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from unsup.core.arrays import Floats
from unsup.data.exif import camera_of
from unsup.data.formats import readable_formats

MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")
CAMERAS = 20  # that are told apart, the most frequent ones
COLUMNS = ("width", "height", "bytes", "bytes a pixel", "mode", "format", "JPEG tables", "EXIF", "date")
LENGTHS = ("bytes", "bytes a pixel")  # among these


def file_facts(paths: Sequence[Path]) -> Floats:
    """Return what is known of each file without its pixels, (n, F).

    Sizes, mode, format, quantisation of JPEG files, and date and camera of EXIF data; 0 where there is none.
    """
    formats = list(readable_formats())
    with ThreadPoolExecutor() as pool:
        facts = list(pool.map(partial(_facts_of, formats=formats), paths))
    numbers = np.array([row for row, _ in facts], np.float32).reshape(len(facts), len(COLUMNS))
    cameras, counts = np.unique([camera for _, camera in facts if camera], return_counts=True)
    usual = cameras[np.argsort(-counts, kind="stable")][:CAMERAS]
    return np.concatenate([numbers, *([[camera == name] for _, camera in facts] for name in usual)], axis=1)


def _facts_of(path: Path, formats: list[str]) -> tuple[list[float], str]:
    """Return the numbers and the camera of a file."""
    numbers, camera = dict.fromkeys(COLUMNS, 0.0), ""
    with suppress(Exception):  # damaged files raise anything, and are reported elsewhere
        numbers["bytes"] = path.stat().st_size
        with Image.open(path, formats=formats) as image:
            numbers |= {"width": image.width, "height": image.height}
            numbers["bytes a pixel"] = numbers["bytes"] / (image.width * image.height)
            numbers["mode"] = MODES.index(image.mode) + 1 if image.mode in MODES else 0
            numbers["format"] = formats.index(image.format or "") + 1
            tables: Any = getattr(image, "quantization", None) or {}
            numbers["JPEG tables"] = sum(sum(table) for table in tables.values())
            exif = image.getexif()
            numbers["EXIF"] = len(exif)
            camera = camera_of(exif)
            digits = "".join(filter(str.isdigit, str(exif.get(ExifTags.Base.DateTime, ""))))
            numbers["date"] = float(digits or 0)
    return list(numbers.values()), camera
