"""Cameras and times of photographs, from their EXIF data."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from unsup.data.formats import readable_formats


def camera_of(exif: Image.Exif) -> str:
    """Return make and model, empty if unknown."""
    return f"{exif.get(ExifTags.Base.Make, '')} {exif.get(ExifTags.Base.Model, '')}".strip()


def bursts(paths: Sequence[Path], seconds: float) -> NDArray[np.int64]:
    """Return the burst (n,) that each file belongs to.

    Shots of a camera that follow within so many seconds are one. A file without a time is a group of its own.

    Raises:
        ValueError: no file has a time.
    """
    formats = tuple(readable_formats())
    with ThreadPoolExecutor() as pool:
        shots = list(pool.map(lambda path: _camera_and_time(path, formats), paths))
    if not any(shots):
        raise ValueError("no photograph has an EXIF time")
    groups, last = np.arange(len(paths)), dict[str, tuple[float, int]]()
    dated = [(*shot, i) for i, shot in enumerate(shots) if shot]
    for camera, time, i in sorted(dated):
        before, group = last.get(camera, (-np.inf, i))
        group = group if time - before <= seconds else i
        last[camera], groups[i] = (time, group), group
    return groups


def _camera_and_time(path: Path, formats: tuple[str, ...]) -> tuple[str, float] | None:
    """Return the camera and its clock in seconds, None if the time is unknown."""
    with suppress(Exception):  # damaged files raise anything, and are reported elsewhere
        with Image.open(path, formats=formats) as image:
            exif = image.getexif()
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        texts = inner.get(ExifTags.Base.DateTimeOriginal), exif.get(ExifTags.Base.DateTime)
        for text in texts:
            with suppress(ValueError, TypeError):
                time = datetime.strptime(str(text)[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
                return camera_of(exif), time.timestamp()
    return None
