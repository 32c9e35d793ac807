"""The chart of a comparison, with intervals and against costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from unsup.comparison.comparable import Comparable
from unsup.comparison.table import DEFAULT, TABLE, Row
from unsup.reports.catalogue import Score
from unsup.reports.figures.axes import Tick, labelled, padded, ticks

MOST = 40  # rows on the chart, the best ones
WIDTH, HEIGHT = 420, 260  # of a panel, in its own units: about pixels
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 14, 40  # margins around the points
COSTS = {
    "dim": "dimensions of the code",
    "CPU-s": "CPU-seconds of training",
    "GPU-s": "GPU-seconds of training",
}
ROOM = 11  # between the middles of a number and of another mark, at least
AROUND = ((13, 0), (-13, 0), (0, -12), (0, 12), (13, -12), (13, 12), (-13, -12), (-13, 12), (26, 0), (-26, 0), (0, -24))


class Mark(NamedTuple):
    """A row of the table, at positions in percent from left to right."""

    number: int
    name: str
    kind: str  # model or baseline
    text: str
    at: float
    whisker: tuple[float, float] | None  # ends of the interval
    over_seeds: bool  # it is one over training seeds, not over test images
    untrained: float | None  # of the same network
    beyond: bool  # a baseline that is much worse than all models, off the axis


class Point(NamedTuple):
    number: int
    kind: str
    x: float
    y: float
    label: tuple[float, float]
    description: str


@dataclass(frozen=True)
class CostPanel:
    """Scores against a cost on a logarithmic axis."""

    title: str
    points: list[Point]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True)
class Chart:
    """The rows of a table, the best one first.

    Attributes:
        column: the score.
        marks: of at most 40 rows.
        axis: positions in percent.
        panels: the same rows against dimension and compute, where they differ in these.
        left_out: rows without a mark.
    """

    column: str
    marks: list[Mark]
    axis: list[Tick]
    panels: list[CostPanel]
    left_out: int

    @property
    def note(self) -> str:
        """An explanation of the marks."""
        kinds = {mark.over_seeds for mark in self.marks if mark.whisker}
        notes = ["dots: means over training seeds"]
        notes += ["thick lines: 95 % intervals of these means, from three seeds on"] if True in kinds else []
        notes += ["thin lines: 95 % intervals over test images, of one run or baseline"] if False in kinds else []
        notes += ["circles: the same network untrained"] if any(m.untrained is not None for m in self.marks) else []
        notes += ["triangles: baselines off the axis"] if any(mark.beyond for mark in self.marks) else []
        notes += [f"without the {self.left_out} last rows"] if self.left_out else []
        caution = "Rows may be separable although their lines overlap: the paired differences below decide."
        return f"{'; '.join(notes).capitalize()}. {caution}"


def chart(part: Comparable) -> Chart | None:
    """Return the chart of a table, or None if fewer than two rows have the score."""
    names = dict.fromkeys((part.probe, part.sort, DEFAULT))
    for score in (score for name in names for score in TABLE if score.name == name):
        rows = [row for row in part.rows if row.value(score.name) is not None]
        if len(rows) > 1:
            return _chart(sorted(rows, key=lambda row: (1 if score.lower else -1) * _value(row, score)), score)
    return None


def _value(row: Row, score: Score) -> float:
    return row.statistics[score.name]["mean"]


def _interval(row: Row, score: Score) -> tuple[float, float] | None:
    """Return the interval over seeds, or that over test images."""
    statistics = row.statistics[score.name]
    if "low" in statistics:
        return statistics["low"], statistics["high"]
    return row.interval if score.name == DEFAULT else None


def _chart(rows: list[Row], score: Score) -> Chart:
    drawn = rows[:MOST]
    low, high = _range(drawn, score)

    def at(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    marks = []
    for number, row in enumerate(drawn, 1):
        value, interval = _value(row, score), _interval(row, score)
        before = row.untrained.value(score.name) if row.untrained else None
        beyond = not low <= value <= high
        marks.append(
            Mark(
                number=number,
                name=row.name,
                kind=row.kind,
                text=score.format(value),
                at=min(max(at(value), 0), 100),
                whisker=(at(interval[0]), at(interval[1])) if interval and not beyond else None,
                over_seeds="low" in row.statistics[score.name],
                untrained=None if before is None else at(before),
                beyond=beyond,
            )
        )
    inside = [row for row, mark in zip(drawn, marks, strict=True) if not mark.beyond]
    panels = [panel for cost in _costs(inside) if (panel := _panel(inside, score, cost))]
    return Chart(score.name, marks, labelled(ticks(low, high, logarithmic=False), at), panels, len(rows) - len(drawn))


def _range(rows: Sequence[Row], score: Score) -> tuple[float, float]:
    """Return the ends of the axis, not stretched by baselines worse than all models."""
    values: list[float] = []
    for row in sorted(rows, key=lambda row: row.kind == "baseline"):
        value, interval = _value(row, score), _interval(row, score)
        if row.kind == "baseline" and values and (value > max(values) if score.lower else value < min(values)):
            continue
        before = row.untrained.value(score.name) if row.untrained else None
        values += [value, *(interval or ()), *([] if before is None else [before])]
    return padded(min(values), max(values), logarithmic=False)


def _costs(rows: Sequence[Row]) -> list[str]:
    """Return the dimension, and the seconds of whichever device all models used."""
    models = [row for row in rows if row.kind == "model"]
    on_gpu = bool(models) and all(row.value("GPU-s") for row in models)
    return ["dim", "GPU-s" if on_gpu else "CPU-s"]


def _panel(rows: Sequence[Row], score: Score, cost: str) -> CostPanel | None:
    """Return the scores against a cost, None if all rows that have it cost the same."""
    costs = {i: value for i, row in enumerate(rows) if (value := row.value(cost))}  # without 0, which has no logarithm
    if len(set(costs.values())) < 2:
        return None
    low, high = padded(min(costs.values()), max(costs.values()), logarithmic=True)
    values = [_value(rows[i], score) for i in costs]
    lowest, highest = padded(min(values), max(values), logarithmic=False)

    def x(value: float) -> float:
        return LEFT + math.log(value / low) / math.log(high / low) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - lowest) / (highest - lowest) * (HEIGHT - TOP - BOTTOM)

    places = [(x(value), y(_value(rows[i], score))) for i, value in costs.items()]
    cost_format = next(column.format for column in TABLE if column.name == cost)
    points = [
        Point(
            i + 1,
            rows[i].kind,
            *place,
            label,
            f"{rows[i].name}: {score.format(_value(rows[i], score))}, {cost} {cost_format(value)}",
        )
        for (i, value), place, label in zip(costs.items(), places, _labels(places), strict=True)
    ]
    return CostPanel(
        title=COSTS[cost],
        points=points,
        x_ticks=labelled(ticks(low, high, logarithmic=True), x),
        y_ticks=labelled(ticks(lowest, highest, logarithmic=False), y),
    )


def _labels(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return where the numbers of points are drawn, off all other marks."""
    taken: list[tuple[float, float]] = []
    for x, y in places:
        around = [(x + dx, y + dy) for dx, dy in AROUND]
        free = (place for place in around if not any(_overlap(place, other) for other in (*taken, *places)))
        taken.append(next(free, around[0]))
    return taken


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Return whether a number at a covers a number or a point at b."""
    return abs(a[0] - b[0]) < ROOM and abs(a[1] - b[1]) < ROOM
