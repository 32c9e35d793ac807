"""Axes of vector drawings, with round numbers on them."""

import math
from collections.abc import Callable
from typing import NamedTuple

MOST = 6  # numbers on an axis
INTERVALS = 4  # between those of a linear axis


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
    """Return at most six round numbers within a range, without loading Matplotlib."""
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            inside = [value for k in powers for digit in digits if low <= (value := digit * 10.0**k) <= high]
            if 1 < len(inside) <= MOST:
                return inside
        if len(inside) > MOST:
            return inside[:: math.ceil(len(inside) / MOST)]
    power = 10.0 ** math.floor(math.log10((high - low) / INTERVALS))
    step = next(step for digit in (1, 2, 5, 10) if (step := digit * power) * INTERVALS >= (high - low) * (1 - 1e-9))
    step = max(step, 1.0) if whole else step
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def labelled(values: list[float], place: Callable[[float], float]) -> list[Tick]:
    """Label ticks as in 20,000, 0.5 and 1e-06, with enough digits to be distinct."""
    for digits in range(4, 18):
        texts = [f"{v:,.0f}" if 1000 <= abs(v) < 1e6 and v == round(v) else f"{v:.{digits}g}" for v in values]
        if len(set(texts)) == len(texts):
            break
    return [Tick(place(value), text) for value, text in zip(values, texts, strict=True)]
