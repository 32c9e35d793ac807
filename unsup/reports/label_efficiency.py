"""Curves of accuracy against the number of labels, and what they say in words."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import NamedTuple

from unsup.reports.curve_schema import CurvePoint
from unsup.reports.finetuned import FineTuned
from unsup.reports.format import accuracy, enumeration
from unsup.reports.schema import BaselineKey, Report, baseline_name
from unsup.reports.score_schema import Scores

CURVED: tuple[BaselineKey, ...] = ("untrained", "pca", "pixels")  # baselines with a curve, in the order of tables
PER_CLASS = 10  # labels of a class, about, at which the curves are put into words
CHOSEN = "†"  # its recipe was chosen with labels
LEARNED = "‡"  # labels, or texts, trained the encoder before


class Point(NamedTuple):
    """An accuracy with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


class Curve(NamedTuple):
    """Points by number of labels, fewest first."""

    kind: str  # own, balanced, a baseline's key, tuned or scratch
    name: str
    points: list[Point]


def label_curves(report: Report) -> list[Curve]:
    """Return the curves of a report, none if the codes have none.

    That of the codes comes first, then that of balanced draws and those of baselines. All but the second end with the
    linear probe of all labels. The last ones are of networks that labels trained, whose points are apart.
    """
    own, all_labels = report.scores.label_curve, report.run.images.train + report.run.images.val
    if own is None:
        return []
    name = f"{report.run.model} {''.join(symbol for symbol, _ in marks(report))}".rstrip()
    curves = [Curve("own", name, _points(own.random, report.scores, all_labels))]
    if own.balanced:
        curves.append(Curve("balanced", f"{name}, balanced draws", _points(own.balanced)))
    for key in CURVED:
        if (baseline := report.baselines.get(key)) and baseline.label_curve:
            points = _points(baseline.label_curve.random, baseline, all_labels)
            curves.append(Curve(key, baseline_name(key, baseline.code_dim), points))
    for kind, words in (("tuned", "fine-tuned from the run"), ("scratch", "the same network from scratch")):
        if results := [one for one in report.finetuned if one.scratch == (kind == "scratch")]:
            curves.append(Curve(kind, words, _trained(results)))
    return curves


def _points(drawn: Sequence[CurvePoint], scores: Scores | None = None, all_labels: int = 0) -> list[Point]:
    points = [Point(one.labels, one.accuracy, one.low, one.high) for one in drawn]
    probe = scores and scores.linear_probe
    if probe and probe.low is not None and probe.high is not None:
        points.append(Point(all_labels, probe.accuracy, probe.low, probe.high))
    return points


def _trained(results: Sequence[FineTuned]) -> list[Point]:
    """Return a point for each number of labels, the mean over seeds."""
    points = []
    for labels in sorted({one.labelled for one in results}):
        same = [one for one in results if one.labelled == labels]
        points.append(Point(labels, *(fmean(getattr(one, name) for one in same) for name in Point._fields[1:])))
    return points


def marks(report: Report) -> list[tuple[str, str]]:
    """Return symbols at the name of the codes, with what labels had decided before."""
    found = []
    if report.run.chosen == "validation":
        found.append((CHOSEN, "its recipe was chosen with the labels of validation images, which are not counted"))
    supervision = report.pretrained_on.supervision if report.pretrained_on else []
    if words := [word for word in supervision if word != "none"]:
        known = {"labels": "labels of other images", "text": "texts", "unknown": "something unknown, perhaps labels,"}
        found.append((LEARNED, f"{enumeration([known[word] for word in words])} trained the encoder before"))
    return found


def labels_needed(points: Sequence[Point], value: float) -> float | None:
    """Return how many labels reach an accuracy, None if all do not.

    Between two points the accuracy is linear in the logarithm of the number of labels.
    """
    for i, point in enumerate(points):
        if point.accuracy >= value:
            if i == 0:
                return float(point.labels)
            before = points[i - 1]
            share = (value - before.accuracy) / (point.accuracy - before.accuracy)
            return float(before.labels * (point.labels / before.labels) ** share)
    return None


def between(points: Sequence[Point], labels: int) -> Point | None:
    """Return the accuracy at a number of labels, None outside of the points."""
    for left, right in pairwise(points):
        if left.labels <= labels <= right.labels:
            share = math.log(labels / left.labels) / math.log(right.labels / left.labels)
            return Point(labels, *(a + share * (b - a) for a, b in zip(left[1:], right[1:], strict=True)))
    return None


def savings(report: Report) -> list[str]:
    """Say in sentences (Markdown) how many labels the codes save or cost.

    Two accuracies differ if their distance is beyond the half widths of both intervals, added as if they were
    independent, although the draws and the test images are the same.
    """
    curves = {curve.kind: curve for curve in label_curves(report)}
    if not curves or not (classes := len(report.run.class_names)):
        return []
    own = curves["own"].points
    at = min(own, key=lambda point: abs(math.log(point.labels / (PER_CLASS * classes))))
    by_standing: dict[str, list[Curve]] = {"more": [], "fewer": [], "same": []}
    for key in CURVED:
        if (curve := curves.get(key)) and (other := between(curve.points, at.labels)):
            by_standing[_standing(at, other)].append(curve)
    sentences = []
    better, worse = ([_needs(curve, at) for curve in by_standing[word]] for word in ("more", "fewer"))
    if phrases := [*better, *(f"**{text}**" for text in worse)]:
        read = f"With {at.labels:,} labels a probe on these codes reaches {accuracy(at.accuracy)}"
        sentences.append(f"{read}; for the same it takes {enumeration(phrases)}.")
    if same := [curve.name for curve in by_standing["same"]]:
        sentences.append(
            f"With {at.labels:,} labels there is **no difference beyond the spread from {enumeration(same)}**."
        )
    if scratch := curves.get("scratch"):
        sentences += [text for point in scratch.points if (text := _against_scratch(own, point))]
    return sentences


def _standing(one: Point, other: Point) -> str:
    """Return whether the other needs more, fewer or the same number of labels."""
    difference = one.accuracy - other.accuracy
    if abs(difference) <= math.hypot(one.half_width, other.half_width):
        return "same"
    return "more" if difference > 0 else "fewer"


def _needs(curve: Curve, at: Point) -> str:
    needed = labels_needed(curve.points, at.accuracy)
    if needed is None:
        return f"more than all {curve.points[-1].labels:,} with {curve.name}"
    if needed <= curve.points[0].labels:
        return f"{curve.points[0].labels:,} or fewer with {curve.name}"
    return f"{'only ' if needed < at.labels else ''}about {_rounded(needed)} with {curve.name}"


def _against_scratch(own: Sequence[Point], point: Point) -> str:
    """Compare the codes with the same network trained on labels alone.

    Empty outside of the points of the codes.
    """
    read = f"The same network trained from scratch on {point.labels:,} labels reads {accuracy(point.accuracy)}"
    if (here := between(own, point.labels)) is None:
        return ""
    if (standing := _standing(here, point)) == "same":
        return f"{read}, within the spread of a linear probe of these codes on as many."
    needed = labels_needed(own, point.accuracy)
    if needed is None:
        return f"{read}; **these codes do not reach it with all {own[-1].labels:,}**."
    if standing == "more":
        return f"{read}; these codes read that with about {_rounded(needed)}."
    return f"{read}; **these codes need about {_rounded(needed)} for it**."


def _rounded(value: float) -> str:
    """Format with two digits, as in 1,100 and 62."""
    return f"{float(f'{value:.2g}'):,.0f}"
