"""Folders of pictures in three colours, and their pages."""

from pathlib import Path

import numpy as np
from PIL import Image

from unsup.core.arrays import Floats, Ids
from unsup.data.asked_names import drawn_at_random
from unsup.data.encoded_pictures import EncodedPictures
from unsup.data.pixels import Reading
from unsup.inference.label_page import AskList

COLOURS = ("red", "green", "blue")
HOSTILE = (
    "<img src=x onerror=alert(1)>.png",
    "=1+1.png",
    '"quoted", and more.png',
    "two\nlines.png",
    "'apostrophe.png",
    "café \u202egnp.png",
    b"no utf-8 \xff.png".decode(errors="surrogateescape"),
)


def pictures(top: Path, count: int = 300, different: int = 300) -> tuple[EncodedPictures, Ids]:
    """Pictures of which every third has the same colour and a code near the others of it, and their colours.

    Those after some different ones are links to these. The first ones have hostile names.
    """
    top.mkdir(parents=True)
    draw = np.random.default_rng(0)
    of = np.arange(count) % 3
    files = [HOSTILE[i] if i < len(HOSTILE) else f"{i:05}.png" for i in range(count)]
    for i, file in enumerate(files):
        if i >= different:
            (top / file).symlink_to(top / files[i % different // 3 * 3 + i % 3])
            continue
        pixels = draw.integers(0, 90, (72, 72, 3), np.uint8)
        pixels[..., of[i]] += 160
        with (top / file).open("wb") as opened:
            Image.fromarray(pixels).save(opened, "PNG")
    codes: Floats = (draw.normal(size=(count, 16)) + 8 * np.eye(16)[of]).astype(np.float32)
    return EncodedPictures(top, files, Reading(), codes, "colours", "0" * 64), of


def at_random(encoded: EncodedPictures) -> AskList:
    return AskList("Drawn at random", "random", drawn_at_random(encoded.files))
