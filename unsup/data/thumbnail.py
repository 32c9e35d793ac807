"""One image file as a small picture inside a page."""

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image

from unsup.data.pixels import Reading, read_picture

BLOCKY_BELOW = 64  # pixels: smaller originals are not compressed, and shown in blocks


def thumbnail(path: Path, most: int, reading: Reading | None = None) -> dict[str, Any]:
    """Return the data URI and the side in pixels of an image, cropped to a square.

    Args:
        path: its file.
        most: the side; images that are smaller keep theirs.
        reading: how pixels are read.
    """
    picture = read_picture(path, (3, most, most), reading)
    if (side := min(most, *picture.file_size)) < most:
        picture = read_picture(path, (3, side, side), reading)
    image = Image.fromarray(picture.pixels.transpose(1, 2, 0))
    buffer = io.BytesIO()
    kind = "png" if side < BLOCKY_BELOW else "jpeg"
    # Pillow cannot optimize a JPEG of more bytes than it has pixels; PNG has no quality
    image.save(buffer, kind, optimize=kind == "png", quality=82)
    return {"source": f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}", "side": side}
