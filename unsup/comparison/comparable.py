"""Comparable reports, and everything that is said about them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from unsup.comparison.entries import PROBE_OF_COLUMN
from unsup.comparison.groups import Group, Version
from unsup.comparison.pairs import Findings, Statement, findings
from unsup.comparison.table import DEFAULT, ORIGIN, ORIGIN_NOTE, TABLE, Row, row_cells, selection_notes, sorted_rows
from unsup.comparison.variance import Deviations, label_free_choice, variance_by_source
from unsup.reports import schema_3
from unsup.reports.catalogue import Score
from unsup.reports.format import Cells
from unsup.reports.schema import protocol_name

OLD_NOTE = (
    "protocol {} made these numbers in other ways than protocol 4: kNN goes by the Euclidean distance of raw "
    "codes, C by validation accuracy, few-label probes by standardised codes"
)


@dataclass(frozen=True)
class Comparable:
    """Reports of one schema, protocol and version of the data, and what they show."""

    version: Version
    rows: list[Row]  # sorted
    sort: str  # the column
    probe: str  # of the statements: the column sorted by, if it is a probe
    findings: Findings
    variance: dict[str, Deviations]
    choice: dict[str, Any]

    @cached_property
    def lines(self) -> list[Row]:
        """All rows, with those of untrained networks."""
        return [line for row in self.rows for line in row.lines]

    @property
    def groups(self) -> list[Group]:
        return [row.group for row in self.rows if row.group]

    def is_best(self, row: Row) -> bool:
        """Return whether a row is not separable from the best, and so in bold."""
        return row.name in self.findings.best and row.kind != "untrained"

    @cached_property
    def columns(self) -> list[Score]:
        """The columns that any row has."""
        return [score for score in TABLE if any(score.name in line.statistics for line in self.lines)]

    @cached_property
    def costs(self) -> list[str]:
        """The columns on what a training took, which baselines do not have."""
        return [column.name for column in self.columns if column.path.startswith("run.")]

    @cached_property
    def tells_origin(self) -> bool:
        """Whether any model has learned from more than the training images."""
        return any(row.origin not in ("", "none", "these training images") for row in self.rows)

    def cells(self, row: Row) -> Cells:
        """Return the texts of a row, in the order of the columns."""
        first = {"model": row.name, ORIGIN: row.origin} if self.tells_origin else {}
        return first | row_cells(row, self.columns)

    def notes(self, columns: Collection[str]) -> list[str]:
        """Return what went into the columns of these names."""
        if self.version.schema <= schema_3.LAST:
            return [OLD_NOTE.format(self.version.protocol)]
        notes = selection_notes([column for column in self.columns if column.name in columns])
        return [*notes, ORIGIN_NOTE] if ORIGIN in columns else notes

    @property
    def statements(self) -> list[Statement]:
        return self.findings.statements

    @property
    def title(self) -> str:
        version = self.version
        protocol = protocol_name(version.protocol, version.draft)
        return f"data {version.data_sha256[:12]}, {protocol}, report schema {version.schema}"


def comparable(
    version: Version, groups: Sequence[Group], sort: str | None, planned: tuple[str, str] | None = None
) -> Comparable:
    """Return everything that is said of comparable groups.

    Args:
        version: of their reports.
        groups: of runs.
        sort: a column, as in `sorted_rows`.
        planned: two rows that are compared by a plain interval of their own, if both are here.
    """
    rows, column = sorted_rows(groups, sort)
    ordered = [row.group for row in rows if row.group and not row.group.untrained]
    probe = column if column in PROBE_OF_COLUMN else DEFAULT
    found = findings(ordered, probe, planned)
    return Comparable(version, rows, column, probe, found, variance_by_source(ordered), label_free_choice(ordered))
