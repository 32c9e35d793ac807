"""The pictures of a folder with their codes."""

from dataclasses import dataclass
from pathlib import Path

from unsup.core.arrays import Floats
from unsup.data.pixels import Reading


@dataclass(frozen=True)
class EncodedPictures:
    """The n readable pictures of a folder.

    Attributes:
        images: the folder.
        files: (n,) names relative to it.
        reading: how files are read.
        codes: (n, D).
        encoder: its name.
        identity: a hash of its weights.
    """

    images: Path
    files: list[str]
    reading: Reading
    codes: Floats
    encoder: str
    identity: str
