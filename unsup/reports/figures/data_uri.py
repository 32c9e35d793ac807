"""Pictures as text inside a page: data URIs, so that the page needs no other file."""

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

PALETTE = 256  # colours that a PNG can number: with no more, a pixel takes one byte instead of three
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
    """A PNG file as a data URI, each pixel's colour kept, smaller where it can be; its width and height."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        width, height = opened.size
        lighter = _numbered(opened.convert("RGB")) if _opaque(opened) else None
    if lighter is not None:
        png = min(png, _encoded(lighter, "PNG"), key=len)
    return _uri(png, "png"), width, height


def image(pixels: Array) -> str:
    """One image (C, H, W), uint8 or in [0, 1], as a data URI."""
    return _uri(_encoded(_numbered(_drawn(pixels)) or _drawn(pixels), "PNG"), "png")


def sprite(images: Array) -> Sprite:
    """Images (n, C, H, W), uint8 or in [0, 1], in one picture: PNG if they are grey, otherwise JPEG.

    Images larger than 40 pixels are made smaller.
    """
    from PIL import Image

    n, channels, height, width = images.shape
    shrink = min(1.0, SIDE / max(height, width))
    width, height = max(1, round(shrink * width)), max(1, round(shrink * height))
    columns = math.ceil(math.sqrt(n))
    size = (columns * width, math.ceil(n / columns) * height)
    sheet = Image.new("RGB", size)
    for i in range(n):
        drawn = _drawn(images[i])
        if shrink < 1:
            drawn = drawn.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(drawn, (i % columns * width, i // columns * height))
    if channels == 1:
        return Sprite(_uri(_encoded(sheet.convert("L"), "PNG"), "png"), columns, width, height, size)
    # photographs as PNG would take five times as much; no subsampling, so that colours stay inside their image
    jpeg = _encoded(sheet, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return Sprite(_uri(jpeg, "jpeg"), columns, width, height, size)


def _drawn(pixels: Array) -> "Image":
    from PIL import Image

    return Image.fromarray((rgb(pixels) * 255).round().astype(np.uint8))


def _opaque(picture: "Image") -> bool:
    low, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return low == 255


def _numbered(picture: "Image") -> "Image | None":
    """The same picture with its colours in a palette; None where it has too many."""
    from PIL import Image

    found = picture.getcolors(PALETTE)
    if found is None:
        return None
    colours = np.array(sorted(colour for _, colour in found))  # (k, 3)
    weights = np.array([65536, 256, 1])
    at = np.searchsorted(colours @ weights, np.asarray(picture, dtype=np.int64) @ weights)
    numbered = Image.fromarray(at.astype(np.uint8), mode="P")
    numbered.putpalette(colours.astype(np.uint8).tobytes())
    return numbered


def _encoded(picture: "Image", form: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, optimize=True, **options)
    return buffer.getvalue()


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
