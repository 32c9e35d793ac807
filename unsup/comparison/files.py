"""A comparison, and its forms as JSON, CSV, Markdown and HTML."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from unsup.comparison.chart import chart
from unsup.comparison.comparable import Comparable
from unsup.comparison.groups import Version
from unsup.comparison.pairs import Statement
from unsup.comparison.table import ORIGIN, SEEDS, TABLE, Row
from unsup.comparison.variance import choice_note, choice_rows, variance_rows
from unsup.core.commands import suggest
from unsup.core.files import unless_default
from unsup.core.tables import table
from unsup.reports.format import Cells, markdown_table
from unsup.reports.page import render

STATISTICS = ("mean", "sd", "low", "high", "n")
SEEDS_NOTE = (
    "mean ± standard deviation over training seeds; brackets: 95 % interval of the mean over all seeds, on these test "
    "images, from three seeds on, with the variance over seeds pooled over the models of the table"
)
PAIRED_NOTE = (
    "In points of accuracy on the same test images. Brackets: 95 % interval, which holds for all statements on models "
    "and their own baselines together, and for all on the best row together; that of a planned contrast is its own. "
    "method: over test images and training seeds, the variance over seeds pooled over the models of the table; this "
    "run: over test images alone, because no model has enough seeds. The spread over an untrained network's "
    "initialisations and over draws of few labels counts, except in older reports. McNemar: pairs of seeds in which "
    "its exact test finds p < .05 in the same direction, each for itself."
)
VARIANCE_NOTE = (
    "Standard deviations in points of accuracy: over training seeds; over test images, draws of the probe's training "
    "images, draws of the few labels and restarts of k-means within one run. Blank: not measured."
)


@dataclass(frozen=True)
class Comparison:
    """The reports of a data set side by side.

    Attributes:
        folder: runs/<data>, which holds the files of the comparison.
        parts: one for each set of reports that are comparable.
        notes: on reports.
    """

    folder: Path
    parts: list[Comparable]
    notes: list[str]

    @property
    def differences(self) -> str:
        """The reason for several tables, empty for a single one."""
        if len(self.parts) < 2:
            return ""
        kinds = {
            "report schema": "schema",
            "protocol": "protocol",
            "draft of the protocol": "draft",
            "version of the data": "data_sha256",
        }
        differing = [kind for kind, field in kinds.items() if len({getattr(p.version, field) for p in self.parts}) > 1]
        reason = f"the reports differ in {' and '.join(differing)}"
        return f"{len(self.parts)} tables: {reason}, so numbers of two tables do not compare."

    def __str__(self) -> str:
        """Return the tables and sentences that `unsup compare` prints, 100 columns wide."""
        from unsup.comparison.terminal import plain_text

        return plain_text(self.folder.name, self.differences, self.parts)


def comparison_json(comparison: Comparison) -> str:
    """Return all tables, statements, deviations and rank correlations as JSON."""
    tables = [_table_content(part) for part in comparison.parts]
    content = {"data": comparison.folder.name, "tables": tables, "notes": comparison.notes}
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"


def _table_content(part: Comparable) -> dict[str, Any]:
    rows = []
    for row in part.rows:
        for line in row.lines:
            content: dict[str, Any] = {"kind": line.kind, "model": line.name}
            if line is row.untrained:
                content["of"] = row.name
            if line.group:
                content |= {"runs": [str(run.folder) for run in line.group.runs], SEEDS: line.seeds}
                if origin := line.group.runs[0].pretrained_on:
                    content["pretrained_on"] = to_builtins(origin)
            rows.append(content | line.statistics)
    return {
        **part.version._asdict(),
        "sorted_by": part.sort,
        "chosen": {column.name: column.selection for column in part.columns if column.selection},
        "rows": rows,
        "paired_by": part.probe,
        "paired": [_statement_content(pair) for pair in part.statements],
        "best": part.findings.best,
        **({"planned": _statement_content(part.findings.planned)} if part.findings.planned else {}),
        "standard_deviations": part.variance,
        "rank_correlations": part.choice,
    }


def _statement_content(statement: Statement) -> dict[str, Any]:
    content: dict[str, Any] = {"a": statement.a, "text": statement.text}
    if statement.difference:
        content |= {"b": statement.b, "family": statement.family, **statement.difference}
    return content


def comparison_csv(comparison: Comparison) -> bytes:
    """Return one line for each row, with mean, sd, low, high and n of every column."""
    columns = [column for column in TABLE if any(column in part.columns for part in comparison.parts)]
    cells = [(column.name, statistic) for column in columns for statistic in STATISTICS]
    lines: list[list[object]] = []
    for part in comparison.parts:
        for row in part.rows:
            for line in row.lines:
                name = f"{row.name}, {line.name}" if line is row.untrained else line.name
                numbers = [line.statistics.get(column, {}).get(statistic, "") for column, statistic in cells]
                lines.append([*part.version, line.kind, name, line.origin, line.seeds or "", *numbers])
    return table([*Version._fields, "kind", "model", ORIGIN, SEEDS, *(" ".join(cell) for cell in cells)], lines)


def comparison_markdown(comparison: Comparison) -> str:
    """Return the tables and sentences of the page as Markdown."""
    blocks = [f"# {_title(comparison)}", comparison.differences, _bullets(comparison.notes)]
    names = {"model": "{}", "baseline": "*{}*", "untrained": "&nbsp;&nbsp;*{}*"}
    for part in comparison.parts:
        rows = [_markdown_cells(part, line) | {"model": names[line.kind].format(line.name)} for line in part.lines]
        blocks += [f"## {part.title}", f"Sorted by {part.sort}.", markdown_table(rows), _bullets(_table_notes(part))]
        if planned := part.findings.planned:
            blocks += [f"### Planned contrast, by {part.probe}", _bullets([planned.text])]
        if part.statements:
            sentences = [pair.text for pair in part.statements]
            blocks += [f"### Which is better, by {part.probe}", _bullets(sentences), PAIRED_NOTE]
        if variance := variance_rows(part.variance):
            blocks += ["### Variance by source", markdown_table(variance), VARIANCE_NOTE]
        if choice := choice_rows(part.choice):
            blocks += ["### Can I choose a model without labels?", markdown_table(choice, texts=2)]
            blocks += [choice_note(part.choice, part.groups)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _markdown_cells(part: Comparable, line: Row) -> Cells:
    """Return the cells of a row, in bold what is not separable from the best."""
    cells = part.cells(line)
    if part.is_best(line):
        cells[part.probe] = f"**{cells[part.probe]}**"
    return cells


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"* {sentence}" for sentence in sentences)


def _table_notes(part: Comparable) -> list[str]:
    bold = [f"bold: not separable from the best by {part.probe}"] if part.findings.best else []
    return [SEEDS_NOTE, *bold, *part.notes([*part.cells(part.rows[0])])]


def _title(comparison: Comparison) -> str:
    models = sum(len(part.groups) for part in comparison.parts)
    return f"{comparison.folder.name}: {models} model{'s' * (models != 1)} compared"


def comparison_html(comparison: Comparison) -> str:
    """Return one self-contained page whose tables can be sorted by any column."""
    folder = comparison.folder
    return render(
        "compare.html.j2",
        title=_title(comparison),
        again=suggest("compare", data=folder.name, runs=unless_default(folder.parent)),
        comparison=comparison,
        chart_of=chart,
        table_notes=_table_notes,
        variance_rows=variance_rows,
        choice_rows=choice_rows,
        choice_note=choice_note,
        paired_note=PAIRED_NOTE,
        variance_note=VARIANCE_NOTE,
    )
