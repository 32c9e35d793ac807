"""A table in which the user names a random sample of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unsup.core.files import replace_file
from unsup.core.tables import FileNames, read_table, table

ASKED = 60  # images
COLUMNS = ("file", "name", "asked")


class AskedNames(NamedTuple):
    """The images of a table of names.

    Attributes:
        images: positions by the row of the table, which a header begins.
        named: how many of them have a name.
    """

    images: dict[int, int]
    named: int


def drawn_at_random(files: Sequence[str]) -> list[int]:
    """Return the positions of 60 files, always the same ones of a folder."""
    order = sorted(range(len(files)), key=files.__getitem__)  # of the names alone, whatever the splits
    return [order[i] for i in np.random.default_rng(0).permutation(len(files))[:ASKED]]


def ask_for_names(path: Path, files: Sequence[str]) -> AskedNames:
    """Write a table of 60 images drawn at random, unless there is one with names.

    Images are in random order, so that those named so far are a random sample too.

    Args:
        path: of the table.
        files: names of all images.

    Raises:
        UserError: there is a table that cannot be read.
    """
    rows = read_table(path, COLUMNS[:2]) if path.exists() else []
    if named := sum(bool(row["name"].strip()) for row in rows):
        known = FileNames(files)
        position = {file: i for i, file in enumerate(files)}
        asked = {i: known.find(row["file"]) for i, row in enumerate(rows, 2)}
        return AskedNames({i: position[file] for i, file in asked.items() if file is not None}, named)
    drawn = drawn_at_random(files)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, table(COLUMNS, [(files[i], "", "random") for i in drawn]))
    return AskedNames(dict(enumerate(drawn, 2)), 0)
