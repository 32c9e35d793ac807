"""Axes of vector drawings, with round numbers on them."""

import math
from collections.abc import Callable
from typing import NamedTuple


class Tick(NamedTuple):
    at: float  # position on the drawing
    text: str


def padded(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    """Widen a range a little, so that no line runs along the border."""
    if logarithmic:
        factor = (high / low) ** 0.05
        return low / factor, high * factor
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def ticks(low: float, high: float, logarithmic: bool, whole: bool = False) -> list[float]:
    """Return at most six round numbers within a range."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    if logarithmic:
        for digits in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            values = LogLocator(subs=digits, numticks=100).tick_values(low, high)
            inside = [float(value) for value in values if low <= value <= high]
            if len(inside) <= 6:
                return inside
        return inside[:: math.ceil(len(inside) / 6)]
    values = MaxNLocator(4, steps=[1, 2, 5, 10], integer=whole).tick_values(low, high)
    return [float(value) for value in values if low <= value <= high]


def labelled(values: list[float], place: Callable[[float], float]) -> list[Tick]:
    """Label ticks as in 20,000, 0.5 and 1e-06, with enough digits to be distinct."""
    for digits in range(4, 18):
        texts = [f"{v:,.0f}" if 1000 <= abs(v) < 1e6 and v == round(v) else f"{v:.{digits}g}" for v in values]
        if len(set(texts)) == len(texts):
            break
    return [Tick(place(value), text) for value, text in zip(values, texts, strict=True)]
