"""Image files of any size and mode -> uint8 arrays of one shape."""

import logging
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from unsup.core.errors import UserError, printable

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pbm", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # whatever the suffix says, nothing else is opened
IMAGES_PER_TASK = 16  # images a thread decodes at a time
TASKS_AHEAD = 4  # chunks for each thread that may wait to be asked for

Decoded = tuple[NDArray[np.uint8], list[str | None]]  # images (n, C, S, S); for each None or why it cannot be read


def decode(paths: list[Path], shape: tuple[int, int, int]) -> Iterator[NDArray[np.uint8]]:
    """The images in order, as (n, C, S, S) arrays of a few; a progress bar after two seconds.

    Raises:
        UserError: after the last one, if any could not be read; names the first five.
    """
    reasons: list[str | None] = []
    for images, found in decode_with_reasons(paths, shape):
        reasons += found
        yield images
    unreadable = {str(path): why for path, why in zip(paths, reasons, strict=True) if why is not None}
    if unreadable:
        raise UserError(f"{unreadable_message(unreadable, len(paths))}: mend them or take them out of the folder")


def decode_with_reasons(paths: list[Path], shape: tuple[int, int, int]) -> Iterator[Decoded]:
    """The images in order, a few at a time, black where they cannot be read; a progress bar after two seconds.

    Little is decoded ahead of what is asked for.
    """

    def chunk(start: int) -> Decoded:
        images = np.zeros((len(paths[start : start + IMAGES_PER_TASK]), *shape), np.uint8)
        reasons: list[str | None] = [None] * len(images)
        for i in range(len(images)):
            try:
                images[i] = read_image(paths[start + i], shape)
            except Exception as error:  # damaged files raise anything: OSError, SyntaxError, struct.error, …
                reasons[i] = _reason(error)
        return images, reasons

    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it says of a damaged file is told in one line
    Image.init()  # all formats, before threads race for it
    threads = os.cpu_count() or 1
    progress = tqdm(
        total=len(paths), desc="decoding", unit=" images", delay=2, mininterval=0.5, leave=False, disable=None
    )
    with ThreadPoolExecutor(threads) as pool, progress as bar:
        starts = iter(range(0, len(paths), IMAGES_PER_TASK))
        ahead = deque(pool.submit(chunk, start) for start in islice(starts, TASKS_AHEAD * threads))
        while ahead:
            images, reasons = ahead.popleft().result()
            ahead.extend(pool.submit(chunk, start) for start in islice(starts, 1))
            bar.update(len(images))
            yield images, reasons


def unreadable_message(unreadable: dict[str, str], of: int) -> str:
    """Of how many images some cannot be read, and why the first five: {file: reason}."""
    named = [printable(f"{file} ({reason})") for file, reason in sorted(unreadable.items())[:5]]
    more = f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    return f"{len(unreadable)} of {of} images cannot be read: {', '.join(named)}{more}"


def read_image(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """One image, (C, S, S): turned as its EXIF data says, over white, shorter side scaled to S, the middle cut out.

    Grey of 16 bits is divided by 257. Raises whatever Pillow does, and its refusal of decompression bombs.
    """
    channels, size, _ = shape
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")  # to read a pipe may take for ever
    with Image.open(path, formats=FORMATS) as file:
        file.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a half, quarter or eighth of its size
        image = ImageOps.exif_transpose(file)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.mode.startswith("I"):  # "I;16", "I;16B", and "I" for files of 16 bits as well
        image = Image.fromarray(np.rint(np.asarray(image) / 257).clip(0, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)  # Pillow's resizing is antialiased
    return np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0]
