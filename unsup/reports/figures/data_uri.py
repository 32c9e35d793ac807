"""Pictures as data URIs, so that a page needs no other file."""

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unsup.core.arrays import Array
from unsup.reports.figures.canvas import rgb

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 40  # pixels of the longer side of an image in a sprite at most
JPEG_QUALITY = 85


@dataclass(frozen=True)
class Sprite:
    """Many images of one size in one picture, row by row."""

    uri: str
    columns: int
    width: int  # of one image, in pixels
    height: int
    size: tuple[int, int]  # width and height of the picture


def encoded_picture(png: bytes) -> tuple[str, int, int]:
    """Return a PNG file as a data URI without loss, with its width and height."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        return _uri(min(png, _png(picture) or png, key=len), "png"), *picture.size


def image(pixels: Array) -> str:
    """Return one image (C, H, W), uint8 or in [0, 1], as a data URI."""
    picture = _picture(pixels)
    return _uri(_png(picture) or _encoded(picture, "PNG"), "png")


def sprite(images: Array, side: int = SIDE, quality: int = JPEG_QUALITY) -> Sprite:
    """Return images (n, C, H, W), uint8 or in [0, 1], in one picture.

    It is a PNG if they are grey and otherwise a JPEG. Images larger than `side` pixels are downscaled.
    """
    from PIL import Image

    n, channels, height, width = images.shape
    scale = min(1.0, side / max(height, width))
    width, height = max(1, round(scale * width)), max(1, round(scale * height))
    columns = math.ceil(math.sqrt(n))
    size = (columns * width, math.ceil(n / columns) * height)
    sheet = Image.new("RGB", size)
    for i in range(n):
        picture = _picture(images[i])
        if scale < 1:
            picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(picture, (i % columns * width, i // columns * height))
    if channels == 1:
        uri = _uri(_encoded(sheet.convert("L"), "PNG"), "png")
    else:  # photographs as PNG would take five times as much; no subsampling, so that colours stay inside their image
        uri = _uri(_encoded(sheet, "JPEG", quality=quality, subsampling=0), "jpeg")
    return Sprite(uri, columns, width, height, size)


def _picture(pixels: Array) -> "Image":
    from PIL import Image

    return Image.fromarray((rgb(pixels) * 255).round().astype(np.uint8))


def _png(picture: "Image") -> bytes | None:
    """Return a PNG with a palette, or None if that would change the picture."""
    if picture.getcolors() is None:  # more than 256
        return None
    numbered = picture.convert("RGB").quantize()
    same = numbered.convert(picture.mode).tobytes() == picture.tobytes()
    return _encoded(numbered, "PNG") if same else None


def _encoded(picture: "Image", form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    # Pillow cannot optimize a JPEG of more bytes than it has pixels, such as one of noise
    picture.save(buffer, form, optimize=form == "PNG", **options)
    return buffer.getvalue()


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
