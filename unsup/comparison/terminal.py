"""A comparison in the terminal, with the columns that fit and the first sentences."""

import io
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from unsup.comparison.comparable import Comparable
from unsup.comparison.table import DEFAULT, ORIGIN, SEEDS
from unsup.comparison.variance import choice_note, choice_rows, variance_rows
from unsup.reports.format import Cells, enumeration

MAX_MODELS = 10  # below the table
NAME_WIDTH = 30
PREFERRED = (
    DEFAULT,
    ORIGIN,
    "dim",
    SEEDS,
    "few-label 10",
    "k-means ACC",
    "own clusters ACC",
    "reconstruction SSE",
    "CPU-s",
)
STYLES = {"model": ("{}", ""), "baseline": ("{}", "italic"), "untrained": ("  untrained", "dim")}
GAP = 3  # blanks between columns


def plain_text(name: str, differences: str, parts: Sequence[Comparable], width: int = 100) -> str:
    """Return what a terminal shows of a data set's comparison, without colours."""
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_jupyter=False)
    if differences:
        console.print(Text(f"{name}: {differences}"))
    for part in parts:
        title, *rest = renderables(part, width)
        console.print(Text(f"{name}, {title}"), *rest, Text(), sep="\n")
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def renderables(part: Comparable, width: int) -> Iterator[RenderableType]:
    """Yield what a terminal of this width shows of a part, one piece below the other."""
    rows = [part.cells(line) | {"model": STYLES[line.kind][0].format(line.name)} for line in part.lines]
    available = [name for name in rows[0] if name != "model"]
    fitting = _fitting(rows, available, part.sort, width)
    yield Text(f"{part.title}; sorted by {part.sort}", style="bold")
    cells = [{name: row[name] for name in ("model", *available) if name == "model" or name in fitting} for row in rows]
    bold = {(i, part.probe) for i, line in enumerate(part.lines) if part.is_best(line)}
    yield _table(cells, [STYLES[line.kind][1] for line in part.lines], bold)
    for note in part.notes(fitting):
        yield _text(width, note, "dim")
    if rest := [name for name in available if name not in fitting]:
        yield _text(width, f"Further columns in the files: {enumeration(rest)}.")
    models = {group.name for group in part.groups[:MAX_MODELS]}
    sentences = [pair.text for pair in part.statements if pair.a in models or pair.a in part.findings.best[:1]]
    if planned := part.findings.planned:
        yield Text(f"\nPlanned contrast, by {part.probe}", style="bold")
        yield _text(width, planned.text)
    if sentences:
        yield Text(f"\nWhich is better, by {part.probe}", style="bold")
        yield _text(width, "[…]: 95 % interval, of all statements of a kind together; more on it in the files", "dim")
    for sentence in sentences:
        yield _text(width, sentence)
    if variance := variance_rows({name: deviations for name, deviations in part.variance.items() if name in models}):
        yield Text("\nStandard deviations in points, by source", style="bold")
        yield _table(variance)
    if choice := choice_rows(part.choice):
        yield Text("\nCan I choose a model without labels? Rank correlations", style="bold")
        yield _table(choice)
        yield _text(width, choice_note(part.choice, part.groups))
    if len(part.groups) > MAX_MODELS:
        yield _text(width, f"\nThe files have the same on the other {len(part.groups) - MAX_MODELS} models.")


def _text(width: int, text: str, style: str = "") -> Text:
    lines = textwrap.fill(text, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    return Text(lines, style)


def _fitting(rows: Sequence[Cells], available: Sequence[str], sort: str, width: int) -> set[str]:
    """Return the columns that fit next to the names, by order of preference."""
    left = width - GAP - min(NAME_WIDTH, _width("model", rows))
    fitting = set()
    for name in dict.fromkeys([sort, *PREFERRED, *available]):
        need = _width(name, rows) + GAP
        if name in available and need <= left:
            fitting.add(name)
            left -= need
    return fitting


def _table(rows: Sequence[Cells], styles: Sequence[str] = (), bold: Collection[tuple[int, str]] = ()) -> Table:
    """Return a table whose heads are broken to the width of their columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))  # the box has one
    for i, name in enumerate(rows[0]):
        head = Text("\n".join(textwrap.wrap(name, _width(name, rows))))
        if i == 0 or name == "better":
            table.add_column(head, overflow="fold", max_width=NAME_WIDTH)
        else:
            table.add_column(head, justify="right", no_wrap=True)
    for i, row in enumerate(rows):
        style = styles[i] if styles else ""
        table.add_row(*(Text(text, f"{style} bold" if (i, name) in bold else style) for name, text in row.items()))
    return table


def _width(name: str, rows: Sequence[Mapping[str, str]]) -> int:
    """Return the width of a column's widest text or the longest word of its head."""
    return max(map(len, [*name.split(), *(row.get(name, "") for row in rows)]))
