"""The rows of a comparison: groups with their untrained twins below them, and the floors among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from unsup.comparison.groups import Group, Numbers
from unsup.core.errors import UsageError, closest
from unsup.metrics.intervals import seeds_interval
from unsup.reports.catalogue import Score, Tables, scores_in
from unsup.reports.format import Cells, accuracy
from unsup.reports.schema import BaselineKey, baseline_name

TABLE = scores_in(Tables.COMPARISON)
SEEDS = "seeds"  # the last column, the number of training seeds
COLUMN_NAMES = ("model", *(score.name for score in TABLE), SEEDS)
DEFAULT, UNLABELLED_DEFAULT = "linear probe", "reconstruction SSE"
WITH_INTERVAL = DEFAULT

Statistics = dict[str, dict[str, float]]  # column -> what `over_seeds` gives


@dataclass(frozen=True)
class Row:
    """One line: a group's means over its seeds, or a floor."""

    kind: str  # "model", "untrained" or "floor"
    name: str
    statistics: Statistics
    seeds: int  # 0: no training, so no seeds

    def value(self, column: str) -> float | None:
        """The mean, None where there is none."""
        if column == SEEDS:
            return self.seeds or None
        return self.statistics[column]["mean"] if column in self.statistics else None


class Entry(NamedTuple):
    """What is sorted: a row, and the twin's that goes with it."""

    row: Row
    twin: Row | None = None
    group: Group | None = None  # None: a floor

    @property
    def rows(self) -> list[Row]:
        return [self.row, self.twin] if self.twin else [self.row]


def column_named(text: str) -> str:
    """The column that a user names, whatever the case.

    Raises:
        UsageError: there is none.
    """
    found = {name.lower(): name for name in COLUMN_NAMES}
    if text.lower() not in found:
        raise UsageError(f"--sort: no column {text!r} ({closest(text, COLUMN_NAMES)})")
    return found[text.lower()]


def entries(groups: Sequence[Group], sort: str | None) -> tuple[list[Entry], str]:
    """All entries, sorted, and the column that they are sorted by.

    Args:
        sort: a name of COLUMN_NAMES; None or a column that no row has: the linear probe, without labels the SSE.
    """
    found = [_entry(group) for group in groups] + [Entry(row) for row in _floor_rows(groups)]

    def known(column: str | None) -> bool:
        return column == "model" or any(one.row.value(column) is not None for one in found if column)

    column = next(name for name in (sort, DEFAULT, UNLABELLED_DEFAULT, "model") if name and known(name))
    lower = any(one.lower for one in TABLE if one.name == column)

    def place(one: Entry) -> tuple[bool, float, str]:
        value = one.row.value(column)
        return value is None, 0 if value is None else value if lower else -value, one.row.name

    return sorted(found, key=place), column


def shown_columns(found: Sequence[Entry]) -> list[Score]:
    """Those that any row has."""
    return [column for column in TABLE if any(column.name in row.statistics for one in found for row in one.rows)]


def row_cells(row: Row, columns: Sequence[Score]) -> Cells:
    """A row as text: mean ± standard deviation over seeds, and the linear probe's 95 % interval; no ± with one seed."""
    texts = {"model": row.name}
    for column in columns:
        texts[column.name] = cell(row, column)
    return texts | {SEEDS: str(row.seeds or "")}


def cell(row: Row, column: Score) -> str:
    found = row.statistics.get(column.name)
    if not found:
        return ""
    text = column.format(found["mean"])
    if column.spread and "sd" in found:
        text += f" ± {column.format(found['sd'])}"
        if column.name == WITH_INTERVAL and "low" in found:
            text += f" [{column.format(found['low'])}, {column.format(found['high'])}]"
    return f"{text} ({found['n']} of {row.seeds})" if found["n"] < row.seeds else text


def how_chosen(columns: Sequence[Score]) -> list[str]:
    """A sentence for each way in which what stands behind a column was chosen."""
    return list(dict.fromkeys(text for column in columns if (text := column_chosen(column))))


def column_chosen(column: Score) -> str:
    """Return how what stands behind a column was chosen; empty where there is nothing to say."""
    return column.selection


def over_seeds(score: Score, values: Sequence[float]) -> dict[str, float]:
    """Return what `seeds_interval` gives, with an interval from three seeds on, and that of a share inside [0, 1].

    Student's t of two seeds has one degree of freedom: the interval would be 18 standard deviations wide.
    """
    statistics = seeds_interval(values)
    if len(values) < 3:
        return {key: value for key, value in statistics.items() if key not in ("low", "high")}
    if score.format is accuracy and not score.name.endswith("ARI"):  # which may be negative
        statistics |= {"low": max(0.0, statistics["low"]), "high": min(1.0, statistics["high"])}
    return statistics


def _entry(group: Group) -> Entry:
    statistics = {one.name: over_seeds(one, values) for one in TABLE if (values := group.values(one.name))}
    twin = group.runs[0].floors.get("untrained")
    beside = _fixed("untrained", "untrained", twin) if twin else None
    return Entry(Row("model", group.name, statistics, len(group.runs)), beside, group)


def _floor_rows(groups: Sequence[Group]) -> list[Row]:
    """Raw pixels, and PCA at each code dimension that there is."""
    found: dict[str, Row] = {}
    for run in (run for group in groups for run in group.runs):
        shared: tuple[BaselineKey, ...] = ("pixels", "pca")
        for key in shared:
            if key in run.floors:
                name = baseline_name(key, run.floors[key].get("dim"))
                found.setdefault(name, _fixed("floor", name, run.floors[key]))
    return list(found.values())


def _fixed(kind: str, name: str, numbers: Numbers) -> Row:
    return Row(kind, name, {one.name: {"n": 1, "mean": numbers[one.name]} for one in TABLE if one.name in numbers}, 0)
