"""report.json, report.md and report.html made from it, and the summary for the terminal."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.core.files import replace
from unsup.reports.format import cells, heading, named
from unsup.reports.html import Pictures, to_html
from unsup.reports.markdown import to_markdown
from unsup.reports.verdict import verdict

if TYPE_CHECKING:
    from rich.table import Table

Report = dict[str, Any]
ORDER = ("schema", "run", "selfcheck", "frozen", "test_reads", "scores", "comparisons", "floors", "figures")


def write_report(folder: Path, report: Report, pictures: Pictures | None = None) -> None:
    """Write report.json, report.md and report.html, each whole or not at all.

    Args:
        folder: of the run; the figures that the report names lie there already.
        report: what is written.
        pictures: test images for report.html, which report.json does not hold.

    Raises:
        UserError: a value is not finite, is null or has no JSON form; the message says which.
    """
    check_values("report.json", report)
    ordered = {key: report[key] for key in ORDER if key in report} | report
    text = json.dumps(ordered, indent=1, ensure_ascii=False) + "\n"
    replace(folder / "report.json", text)
    written = json.loads(text)
    replace(folder / "report.md", to_markdown(written))
    replace(folder / "report.html", to_html(written, folder, pictures))


def read_report(path: Path) -> Report:
    """The content of a report.json.

    Raises:
        UserError: it is missing, damaged, or holds a value that a report cannot have; the message names the file.
    """
    try:
        report: Report = json.loads(path.read_text(encoding="utf-8"))
        check_values(str(path), report)
    except OSError as e:
        raise UserError(f"cannot read {path}: {e.strerror}") from e
    except (ValueError, RecursionError) as e:
        raise UserError(
            f"{path} is not valid JSON ({e}): write it again with {suggest('evaluate', run=path.parent)}"
        ) from e
    return report


def check_values(file: str, report: Report) -> None:
    """Refuse NaN, infinity, null and whatever else a report must not hold."""
    if not isinstance(report, dict):
        raise UserError(f"{file} is not a report: write it again with {suggest('evaluate', run='…')}")
    for key, value in _leaves("", report):
        finite = not isinstance(value, float) or math.isfinite(value)
        if not isinstance(value, str | int | float) or not finite:
            raise UserError(
                f"{file}: {key} is {value!r}; every number must be finite, and what does not apply left out"
            )


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of everything that is neither a dictionary nor a list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}".lstrip("."), inner)
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            yield from _leaves(f"{key}[{i}]", inner)
    else:
        yield key, value


def summary_table(report: Report) -> "Table":
    """The summary for the terminal, at most 100 columns wide: one column for this model and one for each floor."""
    from rich import box
    from rich.table import Table

    rows = {name: cells(scores) for name, scores in named(report)}
    table = Table(
        title=heading(report),
        caption="\n" + verdict(report).replace("**", ""),
        title_style="bold",
        caption_style="",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    table.add_column()
    for i, name in enumerate(rows):
        table.add_column(name, justify="right", style="bold" if i == 0 else "", overflow="fold")
    for column in dict.fromkeys(column for row in rows.values() for column in row):
        table.add_row(column, *(row.get(column, "") for row in rows.values()))
    return table
