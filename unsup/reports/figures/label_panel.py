"""Curves of accuracy against the number of labels as one vector drawing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unsup.reports.figures.axes import Tick, labelled, padded, ticks
from unsup.reports.format import accuracy
from unsup.reports.label_efficiency import Curve, Point

WIDTH, HEIGHT = 640, 360  # in its own units: about pixels
LEFT, RIGHT, TOP, BOTTOM = 48, 14, 12, 40  # margins around the lines
WIDE = 0.5  # range of accuracies from which they are marked in steps of 0.2
APART = 3  # between points of the same number of labels
SIZE = 3.5  # of a point, half
APART_KINDS = ("tuned", "scratch")  # whose points are not joined


@dataclass(frozen=True)
class DrawnCurve:
    kind: str  # names its colour
    name: str
    line: str  # SVG path data, empty if its points are not joined
    bars: str  # of intervals
    points: str


@dataclass(frozen=True)
class LabelPanel:
    """The drawing, with positions in its own units from its upper left corner."""

    description: str  # for screen readers
    curves: list[DrawnCurve]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def label_panel(curves: Sequence[Curve]) -> LabelPanel:
    """Return the drawing of curves with one point or more each."""
    every = [point for curve in curves for point in curve.points]
    low, high = padded(min(p.low for p in every), max(p.high for p in every), False)
    first, last = padded(min(p.labels for p in every), max(p.labels for p in every), True)

    def x(labels: float) -> float:
        return LEFT + math.log(labels / first) / math.log(last / first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    drawn = []
    for i, curve in enumerate(curves):
        shift = APART * (i - (len(curves) - 1) / 2)
        places = [(x(p.labels) + shift, y(p.accuracy)) for p in curve.points]
        line = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
        bars = [f"M{a:.1f} {y(p.low):.1f}V{y(p.high):.1f}" for (a, _), p in zip(places, curve.points, strict=True)]
        points = [_square(a, b) for a, b in places]
        apart = curve.kind in APART_KINDS
        drawn.append(DrawnCurve(curve.kind, curve.name, "" if apart else line, "".join(bars), "".join(points)))
    return LabelPanel(
        description="test accuracy by number of labels: " + "; ".join(map(_in_words, curves)),
        curves=drawn,
        x_ticks=[Tick(x(value), f"{value:,.0f}") for value in ticks(first, last, True)],
        y_ticks=labelled(_accuracies(low, high), y),
    )


def _accuracies(low: float, high: float) -> list[float]:
    fifths = [i / 5 for i in range(6) if low <= i / 5 <= high]
    return fifths if high - low > WIDE else ticks(low, high, False)


def _square(x: float, y: float) -> str:
    return f"M{x - SIZE:.1f} {y - SIZE:.1f}h{2 * SIZE}v{2 * SIZE}h{-2 * SIZE}z"


def _in_words(curve: Curve) -> str:
    def words(point: Point) -> str:
        return f"{accuracy(point.accuracy)} with {point.labels:,}"

    ends = curve.points if len(curve.points) == 1 else [curve.points[0], curve.points[-1]]
    return f"{curve.name} {' to '.join(map(words, ends))}"
