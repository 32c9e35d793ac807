"""Image files of any size and mode -> uint8 arrays of one shape."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from unsup.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pbm", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")  # whatever the suffix says, nothing else is opened
CHUNK = 16  # images a thread decodes at a time


def decode(paths: list[Path], shape: tuple[int, int, int]) -> Iterator[NDArray[np.uint8]]:
    """The images in order, as (n, C, S, S) arrays of a few; a progress bar after two seconds.

    Raises:
        UserError: after the last one, if any could not be read; names the first five.
    """
    unreadable: list[str] = []

    def chunk(start: int) -> NDArray[np.uint8]:
        images = np.zeros((len(paths[start : start + CHUNK]), *shape), np.uint8)
        for i in range(len(images)):
            try:
                images[i] = picture(paths[start + i], shape)
            except Exception as error:  # damaged files raise anything: OSError, SyntaxError, struct.error, …
                unreadable.append(f"{paths[start + i]} ({_reason(error)})")
        return images

    Image.init()  # all formats, before threads race for it
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(
            total=len(paths), desc="decoding", unit=" images", delay=2, mininterval=0.5, leave=False, disable=None
        ) as bar,
    ):
        for images in pool.map(chunk, range(0, len(paths), CHUNK)):
            bar.update(len(images))
            yield images
    if unreadable:
        more = f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
        raise UserError(
            f"{len(unreadable)} of {len(paths)} images cannot be read: {', '.join(sorted(unreadable)[:5])}{more}: "
            "mend them or take them out of the folder"
        )


def picture(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """One image, (C, S, S): turned as its EXIF data says, over white, shorter side scaled to S, the middle cut out.

    Grey of 16 bits is divided by 257. Raises whatever Pillow does, and its refusal of decompression bombs.
    """
    channels, size, _ = shape
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
