"""Image files of any size and mode as uint8 arrays of one shape."""

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
from unsup.data.formats import readable_formats

DECODER_VERSION = 1  # raise it when `read_image` gives other pixels: cached arrays are then decoded again
IMAGES_PER_TASK = 16  # that a thread decodes at a time
TASKS_AHEAD = 4  # tasks of each thread that may wait to be yielded

Decoded = tuple[NDArray[np.uint8], list[str | None]]  # images (n, C, S, S); for each, None or why it cannot be read


def decode(paths: list[Path], shape: tuple[int, int, int]) -> Iterator[NDArray[np.uint8]]:
    """Yield the images in order, as (n, C, S, S) arrays of a few.

    Raises:
        UserError: after the last one, if any could not be read.
    """
    reasons: list[str | None] = []
    for images, some_reasons in decode_with_reasons(paths, shape):
        reasons += some_reasons
        yield images
    unreadable = {str(path): reason for path, reason in zip(paths, reasons, strict=True) if reason is not None}
    if unreadable:
        raise UserError(f"{unreadable_message(unreadable, len(paths))}: repair them or take them out of the folder")


def decode_with_reasons(paths: list[Path], shape: tuple[int, int, int]) -> Iterator[Decoded]:
    """Yield the images in order, a few at a time, black where they cannot be read.

    Only a few are decoded ahead. A progress bar appears after two seconds.
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

    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # damaged files are reported in one line
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


def unreadable_message(unreadable: dict[str, str], total: int) -> str:
    """Return how many images cannot be read, and why the first five of them."""
    examples = [printable(f"{file} ({reason})") for file, reason in sorted(unreadable.items())[:5]]
    more = f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    return f"{len(unreadable)} of {total} images cannot be read: {', '.join(examples)}{more}"


def read_image(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return one image (C, S, S), its shorter side scaled to S, cropped to the middle.

    It is turned as its EXIF data say and laid over white; 16-bit grey is divided by 257. Raises what Pillow raises,
    also for decompression bombs.
    """
    channels, size, _ = shape
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")  # reading a pipe may never end
    with Image.open(path, formats=tuple(readable_formats())) as file:
        file.draft(None, (2 * size, 2 * size))  # decodes a large JPEG at a half, quarter or eighth of its size
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
