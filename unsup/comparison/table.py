"""The rows of a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unsup.comparison.entries import column_spread
from unsup.comparison.groups import Group, Interval, Numbers
from unsup.core.errors import UsageError, closest
from unsup.metrics.intervals import accuracy_over_seeds, seeds_interval
from unsup.metrics.variance import SeedSpread
from unsup.reports.catalogue import Score, Tables, scores_in
from unsup.reports.format import Cells, accuracy
from unsup.reports.schema import BASELINES, baseline_name

TABLE = scores_in(Tables.COMPARISON)
SEEDS = "seeds"  # the last column, the number of training seeds
ORIGIN = "pretrained on"  # a column of words, only where models differ in it
ORIGIN_NOTE = (
    f"{ORIGIN}: the images that the weights come from, in all stages together; in brackets the supervision, if there "
    "was any; rows of other images, or with supervision, had more to learn from than this data set offers"
)
COLUMN_NAMES = ("model", *(score.name for score in TABLE), SEEDS)
DEFAULT, UNLABELLED_DEFAULT = "linear probe", "reconstruction SSE"

Statistics = dict[str, dict[str, float]]  # column -> what `over_seeds` gives


@dataclass(frozen=True)
class Row:
    """The means of a group over its seeds, or the scores of a baseline."""

    kind: str  # "model", "untrained" or "baseline"
    name: str
    statistics: Statistics
    group: Group | None = None  # of a model
    untrained: "Row | None" = None  # the same network, of a model
    interval: Interval | None = None  # of the linear probe over test images, for a single run or a baseline

    @property
    def lines(self) -> list["Row"]:
        """This row and that of the untrained network below it."""
        return [self, self.untrained] if self.untrained else [self]

    @property
    def seeds(self) -> int:
        """The number of training seeds, 0 for a baseline."""
        return len(self.group.runs) if self.group else 0

    @property
    def origin(self) -> str:
        """The images that the weights of a model come from, empty if not recorded."""
        runs = self.group.runs if self.group else []
        return " / ".join(dict.fromkeys(run.pretrained_on.summary for run in runs if run.pretrained_on))

    def value(self, column: str) -> float | None:
        """Return the mean in a column, if there is one."""
        if column == SEEDS:
            return self.seeds or None
        return self.statistics[column]["mean"] if column in self.statistics else None


def column_named(text: str) -> str:
    """Return the column of this name in any case.

    Raises:
        UsageError: there is none.
    """
    names = {name.lower(): name for name in COLUMN_NAMES}
    if text.lower() not in names:
        raise UsageError(f"--sort: no column {text!r} ({closest(text, COLUMN_NAMES)})")
    return names[text.lower()]


def sorted_rows(groups: Sequence[Group], sort: str | None) -> tuple[list[Row], str]:
    """Return the sorted rows of groups and baselines, and the column of their order.

    Args:
        groups: the models.
        sort: a name of COLUMN_NAMES. If it is None, or no row has it: the linear probe, or the reconstruction error.
    """
    spreads = {score.name: column_spread(groups, score.name) for score in TABLE if is_share(score)}
    rows = [_model_row(group, spreads) for group in groups] + _baseline_rows(groups)

    def known(name: str) -> bool:
        return name == "model" or any(row.value(name) is not None for row in rows)

    column = next(name for name in (sort, DEFAULT, UNLABELLED_DEFAULT, "model") if name and known(name))
    sign = 1 if any(score.lower for score in TABLE if score.name == column) else -1

    def position(row: Row) -> tuple[bool, float, str]:
        value = row.value(column)
        return value is None, sign * (value or 0), row.name

    return sorted(rows, key=position), column


def row_cells(row: Row, columns: Sequence[Score]) -> Cells:
    """Return means ± standard deviations as text, and the linear probe's interval."""
    cells = {column.name: _cell(row, column) for column in columns}
    return {"model": row.name} | cells | {SEEDS: str(row.seeds or "")}


def _cell(row: Row, column: Score) -> str:
    statistics = row.statistics.get(column.name)
    if not statistics:
        return ""
    text = column.format(statistics["mean"])
    if column.spread and "sd" in statistics:
        text += f" ± {column.format(statistics['sd'])}"
    if column.name == DEFAULT and "low" in statistics:
        text += f" [{column.format(statistics['low'])}, {column.format(statistics['high'])}]"
    return f"{text} ({statistics['n']} of {row.seeds})" if statistics["n"] < row.seeds else text


def selection_notes(columns: Sequence[Score]) -> list[str]:
    """Return each different note on the labels and choices behind the columns."""
    return list(dict.fromkeys(column.selection for column in columns if column.selection))


def is_share(score: Score) -> bool:
    """Return whether a score lies in [0, 1]."""
    return score.format is accuracy and not score.name.endswith("ARI")  # which may be negative


def over_seeds(score: Score, values: Sequence[float], spread: SeedSpread | None) -> dict[str, float]:
    """Return mean, deviation and interval over seeds, of a share on the logit scale.

    Args:
        score: the column.
        values: one for each seed.
        spread: of a share over seeds, pooled over the models of the table.
    """
    return accuracy_over_seeds(values, spread) if is_share(score) else seeds_interval(values)


def _model_row(group: Group, spreads: Mapping[str, SeedSpread | None]) -> Row:
    statistics = {
        score.name: over_seeds(score, values, spreads.get(score.name) if group.learned else None)
        for score in TABLE
        if (values := group.values(score.name))
    }
    numbers = group.runs[0].baselines.get("untrained")
    untrained = _baseline_row("untrained", "untrained", numbers) if numbers else None
    interval = group.runs[0].intervals.get("") if len(group.runs) == 1 else None
    return Row("model", group.name, statistics, group, untrained, interval)


def _baseline_rows(groups: Sequence[Group]) -> list[Row]:
    """Return the baselines of all runs, PCA at each dimension of the codes."""
    rows: dict[str, Row] = {}
    keys = [key for key in BASELINES if key != "untrained"]  # which has a row below each model
    for run in (run for group in groups for run in group.runs):
        for key in keys:
            if key in run.baselines:
                name = baseline_name(key, run.baselines[key].get("dim"))
                rows.setdefault(name, _baseline_row("baseline", name, run.baselines[key], run.intervals.get(key)))
    return list(rows.values())


def _baseline_row(kind: str, name: str, numbers: Numbers, interval: Interval | None = None) -> Row:
    statistics = {score.name: {"n": 1, "mean": numbers[score.name]} for score in TABLE if score.name in numbers}
    return Row(kind, name, statistics, interval=interval)
