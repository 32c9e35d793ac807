"""The content of a report before it has a format.

Texts may hold `**bold**` and `` `code` ``, but no other markup.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from unsup.reports.format import Cells


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of named cells, with columns in the order in which they first appear."""

    title: str
    rows: list[Cells]
    texts: int = 1  # the first columns that are text; the others are numbers


@dataclass(frozen=True)
class Picture:
    path: str  # relative to the folder of the report
    alt: str


@dataclass(frozen=True)
class Items:
    """A list of named facts."""

    pairs: list[tuple[str, str]]  # (name, fact)


@dataclass(frozen=True)
class Folded:
    """Text in a formal language, shown when its title is pressed."""

    title: str
    text: str
    language: str


Block = Note | Table | Picture | Items | Folded


@dataclass(frozen=True)
class Section:
    title: str
    blocks: list[Block]


def in_order(rows: list[Cells], columns: Iterable[str]) -> list[Cells]:
    """Return the rows with those of `columns` that any row has, in this order."""
    present = [column for column in dict.fromkeys(columns) if any(column in row for row in rows)]
    return [{column: row.get(column, "") for column in present} for row in rows]
