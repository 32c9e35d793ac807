"""A comparison as files: raw numbers as JSON and CSV, tables and sentences as Markdown and as one HTML page."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unsup.comparison.comparable import PAIRED, VARIANCE, Comparable, differences
from unsup.comparison.table import SEEDS, TABLE, Row, column_chosen, how_chosen, row_cells
from unsup.comparison.variance import choice_note, choice_rows, variance_rows
from unsup.core.commands import suggest
from unsup.core.files import unless_default
from unsup.reports.format import Cells, markdown_table
from unsup.reports.page import render

STATISTICS = ("mean", "sd", "low", "high", "n")
Notes = Sequence[str]


def comparison_json(data: str, parts: Sequence[Comparable], notes: Notes) -> str:
    """Tables with their rows, paired statements, deviations and rank correlations; what does not apply is absent."""
    content = {"data": data, "tables": [_plain(one) for one in parts], "notes": list(notes)}
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(part: Comparable) -> dict[str, Any]:
    return {
        **part.version._asdict(),
        "sorted_by": part.sort,
        "chosen": {column.name: text for column in part.columns if (text := column_chosen(column))},
        "rows": [
            {"kind": row.kind, "model": row.name}
            | ({"of": one.row.name} if row is one.twin else {})
            | ({"runs": [str(run.folder) for run in one.group.runs]} if one.group and row is one.row else {})
            | ({SEEDS: row.seeds} if row.seeds else {})
            | {column.name: row.statistics[column.name] for column in part.columns if column.name in row.statistics}
            for one in part.entries
            for row in one.rows
        ],
        "paired_by": part.probe,
        "paired": [
            {"a": one.a, "text": one.text} | ({"b": one.b, **one.found} if one.found else {}) for one in part.statements
        ],
        "standard_deviations": part.variance,
        "rank_correlations": part.choice,
    }


def comparison_csv(parts: Sequence[Comparable]) -> str:
    """One line a row of the tables: mean, sd, low, high and n of every column, empty where there is none."""
    shown = [column for column in TABLE if any(column in one.columns for one in parts)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    statistics = [f"{column.name} {statistic}" for column in shown for statistic in STATISTICS]
    writer.writerow(["schema", "protocol", "data_sha256", "kind", "model", SEEDS, *statistics])
    for part in parts:
        for one in part.entries:
            for row in one.rows:
                name = row.name if row is one.row else f"{one.row.name}, {row.name}"
                numbers = [row.statistics.get(column.name, {}).get(key, "") for column in shown for key in STATISTICS]
                writer.writerow([*part.version, row.kind, name, row.seeds or "", *numbers])
    return out.getvalue()


def comparison_markdown(data: str, parts: Sequence[Comparable], notes: Notes) -> str:
    """The same tables and sentences as on the page."""
    blocks = [f"# {title(data, parts)}", differences([one.version for one in parts]), bullets(notes)]
    for one in parts:
        blocks += [
            f"## {one.title}",
            f"Sorted by {one.sort}.",
            markdown_table(_marked_rows(one)),
            bullets(footnotes(one)),
        ]
        if one.statements:
            blocks += [f"### Which is better, by {one.probe}", bullets([s.text for s in one.statements]), PAIRED]
        if rows := variance_rows(one.variance):
            blocks += ["### Variance by source", markdown_table(rows), VARIANCE]
        if rows := choice_rows(one.choice):
            blocks += ["### Can I choose a model without labels?", markdown_table(rows, texts=2)]
            blocks += [choice_note(one.choice, one.groups)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _marked_rows(part: Comparable) -> list[Cells]:
    """Floors and twins in italics, the latter indented."""
    names = {"model": "{}", "floor": "*{}*", "untrained": "&nbsp;&nbsp;*{}*"}
    rows = [row for one in part.entries for row in one.rows]
    return [row_cells(row, part.columns) | {"model": names[row.kind].format(row.name)} for row in rows]


def bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"* {sentence}" for sentence in sentences)


def footnotes(part: Comparable) -> list[str]:
    """What stands under a table."""
    lead = (
        "mean ± standard deviation over training seeds; brackets, from three seeds on: 95 % interval over them "
        "(Student's t)"
    )
    return [lead, *how_chosen(part.columns)]


def title(data: str, parts: Sequence[Comparable]) -> str:
    models = sum(len(one.groups) for one in parts)
    return f"{data}: {models} model{'s' * (models != 1)} compared"


def comparison_html(data: str, parts: Sequence[Comparable], notes: Notes, runs: Path) -> str:
    """One self-contained page whose tables can be sorted by any column.

    Args:
        data: the data set.
        parts: of its comparison.
        notes: on the reports.
        runs: the folder that holds the runs.
    """
    tables = [
        {
            "title": one.title,
            "sort": one.sort,
            "columns": ["model", *(column.name for column in one.columns), SEEDS],
            "ascending": ["model", *(column.name for column in one.columns if column.lower)],
            "entries": [[_html_row(row, one) for row in entry.rows] for entry in one.entries],
            "chosen": footnotes(one),
            "probe": one.probe,
            "statements": _by_model(one),
            "variance": variance_rows(one.variance),
            "choice": choice_rows(one.choice),
            "choice_note": choice_note(one.choice, one.groups) if one.choice else "",
        }
        for one in parts
    ]
    return render(
        "compare.html.j2",
        title=title(data, parts),
        again=suggest("compare", data=data, runs=unless_default(runs)),
        differences=differences([one.version for one in parts]),
        notes=notes,
        tables=tables,
        paired_note=PAIRED,
        variance_note=VARIANCE,
    )


def _html_row(row: Row, part: Comparable) -> dict[str, Any]:
    columns = [column.name for column in part.columns] + [SEEDS]
    return {
        "kind": row.kind,
        "texts": row_cells(row, part.columns),
        "values": {name: row.value(name) for name in columns},
    }


def _by_model(part: Comparable) -> list[tuple[str, list[str]]]:
    """Statements below the model that they are about."""
    found: dict[str, list[str]] = {}
    for one in part.statements:
        found.setdefault(one.a, []).append(one.text.removeprefix(one.a).removeprefix(": "))
    return list(found.items())
