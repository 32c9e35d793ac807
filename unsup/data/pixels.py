"""One image file of any size and mode as a uint8 array."""

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from unsup.data.formats import HEIF_BRANDS, readable_formats
from unsup.data.metadata import without_metadata

MAX_MEGAPIXELS = 250.0
ORIENTATION, SAMPLE_FORMAT = 0x0112, 339  # tags of EXIF and TIFF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


Cut = Callable[[Image.Image], NDArray[Any]]  # an upright image without transparency -> its pixels


@dataclass(frozen=True)
class Reading:
    """How files are read, options of `Folder`."""

    value_range: tuple[float, float] | None = None
    max_megapixels: float = MAX_MEGAPIXELS


class Picture(NamedTuple):
    """An image, and what a user may want to know about its file."""

    pixels: NDArray[Any]  # (C, S, S) uint8, or what `cut` returned
    file_size: tuple[int, int]  # width and height of the file, before it is turned
    is_first_frame: bool  # of an animation or of several pages
    highest: int | None  # value in an image of 16 bits whose range is not stated


def read_image(path: Path, shape: tuple[int, int, int], reading: Reading | None = None) -> NDArray[np.uint8]:
    """Return the pixels of `read_picture`."""
    return read_picture(path, shape, reading).pixels


def read_picture(
    source: Path | BinaryIO, shape: tuple[int, int, int], reading: Reading | None = None, cut: Cut | None = None
) -> Picture:
    """Return an image (C, S, S), its shorter side scaled to S, cropped to the middle.

    It is turned as its EXIF data say and laid over white; 16-bit grey is divided by 257. Metadata that cannot be read
    count as none. With `cut` the pixels are what it makes of the whole image, decoded at its full size.

    Raises:
        Exception: the image cannot be read, by Pillow or by `reading`.
    """
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise ValueError("not a regular file")  # reading a pipe may never end
    reading = reading or Reading()
    with source.open("rb") if isinstance(source, Path) else source as file:
        try:
            return _picture(file, shape, reading, cut)
        except RefusedError:
            raise
        except Exception as error:
            file.seek(0)
            with suppress(Exception):  # of pixels that are damaged too
                if content := without_metadata(file.read()):
                    return _picture(io.BytesIO(content), shape, reading, cut)
            raise error


class RefusedError(ValueError):
    """A readable image that the options do not allow."""


def _picture(file: BinaryIO, shape: tuple[int, int, int], reading: Reading, cut: Cut | None) -> Picture:
    channels, size, _ = shape
    image = open_image(file)
    file_size = image.size
    megapixels = image.width * image.height / 1e6
    if megapixels > reading.max_megapixels:
        raise RefusedError(f"{megapixels:,.0f} megapixels, more than data.max_megapixels {reading.max_megapixels:g}")
    if cut is None:
        image.draft(None, (2 * size, 2 * size))  # decodes a large JPEG at a half, quarter or eighth of its size
    is_deep_colour = _is_deep_colour(image)
    image.load()
    is_first_frame = image.format != "MPO" and _readable(lambda: image.is_animated)  # phones make MPO of one picture
    turn = TURNS.get(_readable(lambda: image.getexif().get(ORIENTATION)) or 1)
    highest = None
    if image.mode == "F" or image.mode.startswith("I"):
        image, highest = _to_8_bits(image, reading.value_range)
    elif is_deep_colour:
        if reading.value_range is not None:
            raise RefusedError("of 16-bit colour only 8 bits are read, so that data.value_range cannot be kept")
        highest = 256 * max(high for _, high in _extrema(image)) + 255
    image = image if turn is None else image.transpose(turn)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB") if image.mode == "LAB" else image  # which has no way to grey
    image = image.convert("L" if channels == 1 else "RGB")
    if cut is not None:
        return Picture(cut(image), file_size, bool(is_first_frame), highest)
    image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)  # Pillow's resizing is antialiased
    pixels = np.ascontiguousarray(np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1))
    return Picture(pixels, file_size, bool(is_first_frame), highest)


def open_image(file: BinaryIO) -> Any:
    """Return the image that Pillow opens, without Pillow's own limit of its size.

    Raises:
        UnidentifiedImageError: none of the formats that are read here.
    """
    prefix, failure = file.read(16).ljust(16, b"\0"), "not an image"
    for name in readable_formats():
        factory, accepts = Image.OPEN[name]
        if accepts is None or accepts(prefix) is True:
            file.seek(0)
            try:
                return factory(file, "")
            except (SyntaxError, IndexError, TypeError, struct.error) as error:
                failure = f"damaged {name}: {error}"
    if failure == "not an image" and prefix[4:8] == b"ftyp":
        failure = HEIF_BRANDS.get(prefix[8:12], failure)
    raise UnidentifiedImageError(failure)


def _is_deep_colour(image: Any) -> bool:
    """Return whether Pillow is going to drop the lower 8 of 16 bits of a colour."""
    rawmodes = [str(tile[3]) for tile in image.tile]
    return not image.mode.startswith("I") and any(";16" in rawmode for rawmode in rawmodes)


def _to_8_bits(image: Any, value_range: tuple[float, float] | None) -> tuple[Image.Image, int | None]:
    """Return integers or floats in 8 bits, and the highest value if 16 are assumed."""
    values = np.asarray(image)
    if image.mode == "I" and getattr(image, "tag_v2", {}).get(SAMPLE_FORMAT, (1,))[0] == 1:
        values = values.view(np.uint32)  # Pillow has no mode for it
    highest = None
    if value_range is None:
        low, high = 0.0, 65535.0
        if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
            kind = "floats" if image.mode == "F" else "signed or 32-bit integers"
            raise RefusedError(
                f"{kind} from {values.min():g} to {values.max():g}: data.value_range must say which are black and white"
            )
        highest = int(values.max())
    else:
        low, high = value_range
        if not np.isfinite(values).all():
            raise RefusedError("pixels that are not finite")
    scaled = (values - np.float64(low)) * 255 / (high - low)
    return Image.fromarray(np.rint(scaled).clip(0, 255).astype(np.uint8)), highest


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    extrema: Any = image.getextrema()
    return [extrema] if isinstance(extrema[0], int) else list(extrema)


def _readable(attribute: Callable[[], Any]) -> Any:
    """Return a value that metadata hold, None if they cannot be read."""
    try:
        return attribute()
    except Exception:  # damaged ones raise anything
        return None
