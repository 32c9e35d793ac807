"""What a report says, before it has a format: sections of paragraphs, tables, pictures, lists and listings.

Texts may hold `**bold**` and `` `code` ``, and nothing else that has a meaning.
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
    """Rows of named cells, columns in the order in which they first appear; the first `texts` columns are text."""

    title: str
    rows: list[Cells]
    texts: int = 1


@dataclass(frozen=True)
class Picture:
    """A file beside the report, and what it shows."""

    path: str
    alt: str


@dataclass(frozen=True)
class Items:
    """A list of named facts: (name, what is known)."""

    pairs: list[tuple[str, str]]


@dataclass(frozen=True)
class FoldedYaml:
    """YAML that is folded away at first."""

    title: str
    text: str


Block = Note | Table | Picture | Items | FoldedYaml


@dataclass(frozen=True)
class Section:
    title: str
    blocks: list[Block]


def in_order(rows: list[Cells], columns: Iterable[str]) -> list[Cells]:
    """The rows with those of `columns` that any of them has, in this order, blank where a row has none."""
    some = [column for column in dict.fromkeys(columns) if any(column in row for row in rows)]
    return [{column: row.get(column, "") for column in some} for row in rows]
