"""A comparison in the terminal: the columns that fit, and the first sentences; the files hold the rest."""

import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from unsup.comparison.comparable import Comparable
from unsup.comparison.table import DEFAULT, SEEDS, how_chosen, row_cells
from unsup.comparison.variance import choice_note, choice_rows, variance_rows
from unsup.reports.catalogue import Score
from unsup.reports.format import Cells, enumeration

MOST_MODELS = 10  # in what follows the table
NAME_WIDTH = 30
PREFERRED = (DEFAULT, "dim", SEEDS, "few-label 10", "k-means ACC", "own clusters ACC", "reconstruction SSE", "minutes")
STYLES = {"model": ("{}", "bold"), "floor": ("{}", "italic"), "untrained": ("  untrained", "dim")}
GAP = 3  # blanks from a column to the next


def plain_text(name: str, parts: Sequence[Comparable], differences: str, width: int = 100) -> str:
    """Return what a terminal of this width shows of a data set's parts, without colours.

    Args:
        name: of the data set.
        parts: of its comparison.
        differences: why there are several of them, or nothing.
        width: in characters.
    """
    console = Console(file=io.StringIO(), width=width, color_system=None, force_jupyter=False)
    shown: list[RenderableType] = [Text(f"{name}: {differences}")] if differences else []
    for part in parts:
        title, *rest = renderables(part, width)
        shown += [Text(f"{name}, {title}"), *rest, Text()]
    text = "".join(segment.text for segment in console.render(Group(*shown)))
    return "\n".join(line.rstrip() for line in text.splitlines())


def renderables(part: Comparable, width: int) -> Iterator[RenderableType]:
    """Yield what a terminal of this width shows of a part, one piece below the other."""
    rows = [row for one in part.entries for row in one.rows]
    texts = [row_cells(row, part.columns) | {"model": STYLES[row.kind][0].format(row.name)} for row in rows]
    columns, rest = _fitting(texts, part.columns, part.sort, width)
    table = _table({name: [one.get(name, "") for one in texts] for name in ("model", *columns)})
    for row, one in zip(rows, texts, strict=True):
        table.add_row(*(Text(one.get(name, ""), STYLES[row.kind][1]) for name in ("model", *columns)))
    yield Text(f"{part.title}; sorted by {part.sort}", style="bold")
    yield table
    for line in how_chosen([column for column in part.columns if column.name in columns]):
        yield _text(width, line, "dim")
    if rest:
        yield _text(width, f"Further columns in the files: {enumeration(rest)}.")
    models = {group.name for group in part.groups[:MOST_MODELS]}
    sentences = [one.text for one in part.statements if one.a in models]
    if sentences:
        yield Text(f"\nWhich is better, by {part.probe}", style="bold")
        yield _text(width, "[…]: 95 % interval over test images and training seeds; more on it in the files", "dim")
    for sentence in sentences:
        yield _text(width, sentence)
    if variance := variance_rows({name: found for name, found in part.variance.items() if name in models}):
        yield Text("\nStandard deviations in points, by source", style="bold")
        yield _plain_table(variance)
    if choice := choice_rows(part.choice):
        yield Text("\nCan I choose a model without labels? Rank correlations", style="bold")
        yield _plain_table(choice)
        yield _text(width, choice_note(part.choice, part.groups))
    if len(part.groups) > MOST_MODELS:
        yield _text(width, f"\nOf the other {len(part.groups) - MOST_MODELS} models the files tell more.")


def _text(width: int, text: str, style: str = "") -> Text:
    lines = textwrap.fill(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return Text(lines, style)


def _fitting(texts: Sequence[Cells], columns: Sequence[Score], sort: str, width: int) -> tuple[list[str], list[str]]:
    """The columns that fit beside the names, in the order of the table, and the others."""
    there = [column.name for column in columns] + [SEEDS]
    order = dict.fromkeys([sort, *PREFERRED, *there])
    left = width - GAP - min(NAME_WIDTH, _width("model", [one["model"] for one in texts]))
    fitting = set()
    for name in (name for name in order if name in there):
        need = _width(name, [one.get(name, "") for one in texts]) + GAP
        if need <= left:
            fitting.add(name)
            left -= need
    return [name for name in there if name in fitting], [name for name in there if name not in fitting]


def _plain_table(rows: Sequence[Cells]) -> Table:
    table = _table({name: [row[name] for row in rows] for name in rows[0]})
    for row in rows:
        table.add_row(*(Text(text) for text in row.values()))
    return table


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    """An empty table for these texts: heads are broken to the width of what stands below them."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))  # the box has one
    for i, (name, texts) in enumerate(columns.items()):
        head = "\n".join(textwrap.wrap(name, _width(name, texts)))
        if i == 0 or name == "better":
            table.add_column(Text(head), overflow="fold", max_width=NAME_WIDTH)
        else:
            table.add_column(Text(head), justify="right", no_wrap=True)
    return table


def _width(name: str, texts: Sequence[str]) -> int:
    """Of a column: its widest text, or the longest word of its head."""
    return max(len(text) for text in (*name.split(), *texts))
