"""Reproduction cards: which numbers a kept row should give again, here or on another machine, and how nearly."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from scipy.special import stdtrit

from unsup.comparison.recorded.commands import train_words
from unsup.comparison.recorded.means import by_model, minutes, seed_values
from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError, closest
from unsup.metrics.variance import shrunken_variance
from unsup.reports.catalogue import SCORES, OnCard
from unsup.reports.schema import Report

CONFIDENCE = 0.95  # of a whole card
ROUNDING_TOLERANCE = 0.005  # tolerance of a number that no seed changes, relative to its mean if it is no share
TURNED = 3  # test images that rounding alone may turn over


ON_CARDS = {score.name: (score, score.card) for score in SCORES if score.card}


@dataclass(frozen=True)
class Card:
    """What results/cards/<data>-<model>.yaml holds.

    Attributes:
        what: the model, the size of its codes and the images, for readers.
        command: trains it, without a seed and without places.
        data: {name, sha256}: the fingerprint of images, labels and split.
        seeds: those recorded.
        minutes: of training, a mean over seeds, on `hardware`.
        protocol: of the evaluation.
        commits: of the code that trained.
        metrics: {name: {expected, tolerance, seeds: {seed: value}}}.
        threads: {seed: number of PyTorch's threads}, where it was recorded.
    """

    what: str
    command: str
    data: dict[str, str]
    seeds: list[int]
    minutes: float
    hardware: str
    protocol: int
    commits: list[str]
    metrics: dict[str, dict[str, Any]]
    threads: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One metric of a new run beside its card; `recorded`: what the card has for the same seed, if it has that seed."""

    metric: str
    measured: float | None
    expected: float
    tolerance: float
    recorded: float | None

    @property
    def holds(self) -> bool:
        return self.measured is not None and abs(self.measured - self.expected) <= self.tolerance


def tolerance(recorded: Sequence[float], metric: OnCard, images: int, metrics: int) -> float:
    """How far from the mean of the recorded seeds a new run may lie.

    Another machine rounds differently, and a training soon diverges from the recorded one: its result is that of one
    more seed, on the same test images. So this is a prediction interval for one more draw,
    t · s̃ · sqrt(1 + 1/k) for k recorded seeds. Their own deviation s is poorly known (k is 1, 3 or 5, where Student's
    t alone asks for infinity, 5 s or 3 s at 95 %) and may be 0 by luck. So it is `shrunken_variance`:
    s̃² = (d₀ s₀² + (k - 1) s²) / (d₀ + k - 1), t with d₀ + k - 1 degrees of freedom.
    s₀ is the metric's typical deviation, and for shares of n test images at least
    sqrt(p (1 - p) / n): by so much two equally good runs differ when they err on images independently of each other.
    The interval's level is 1 - (1 - CONFIDENCE) / metrics (Bonferroni): a sound reproduction holds in all metrics of
    its card with a probability of about CONFIDENCE (`tests/comparison/test_cards.py` measures it; .84 where all deviate
    twice as usual).

    A number that three or more seeds leave the same to the last digit is not drawn at all (PCA): ROUNDING_TOLERANCE is
    left, or TURNED test images.

    Args:
        recorded: one value a seed.
        metric: which number it is.
        images: how many test images there are.
        metrics: how many numbers the card has.
    """
    mean, k = fmean(recorded), len(recorded)
    if k >= 3 and len(set(recorded)) == 1:
        return max(ROUNDING_TOLERANCE, TURNED / images) if metric.share else ROUNDING_TOLERANCE * abs(mean)
    typical = metric.deviation if metric.share else metric.deviation * abs(mean)
    if metric.share:
        typical = max(typical, math.sqrt(max(0.0, mean * (1 - mean)) / images))
    variance, freedom = shrunken_variance(recorded, typical)
    t = float(stdtrit(freedom, 1 - (1 - CONFIDENCE) / metrics / 2))
    return t * math.sqrt(variance * (1 + 1 / k))


def make_cards(reports: Sequence[Report], about: Mapping[str, str]) -> dict[str, str]:
    """{name: text} of the card of every model on every data set.

    Args:
        reports: the kept ones; the seeds of a model were trained with one command.
        about: {data set: what its images are}.
    """
    cards = {}
    for data in sorted({report.run.data for report in reports}):
        for model, own in by_model([report for report in reports if report.run.data == data]).items():
            name = f"{data}-{model}"
            written, checked = suggest("results", via="make"), suggest("reproduce", via="make", card=name)
            note = f"# Written by `{written}` from results/{data}/{model}/; {checked} checks it\n"
            fields = asdict(_card(model, data, own, about.get(data, "")))
            if not fields["threads"]:
                del fields["threads"]
            cards[name] = note + yaml.safe_dump(
                fields, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
            )
    return cards


def _card(model: str, data: str, reports: Sequence[Report], about: str) -> Card:
    first, seeds = reports[0], [report.run.seed for report in reports]
    scores = [report.scores for report in reports]
    found = {name: several for name, (score, _) in ON_CARDS.items() if (several := seed_values(scores, score))}
    images = first.run.images.test
    return Card(
        what=f"{model}, codes of {first.scores.code_dim:,} dimensions, on {data}" + (about and f": {about}"),
        command=" ".join(train_words(first.run)),
        data={"name": data, "sha256": first.provenance.data_sha256},
        seeds=seeds,
        minutes=float(minutes(reports)),
        hardware="; ".join(sorted({report.provenance.hardware.description for report in reports})),
        protocol=first.protocol,
        commits=sorted({str(report.provenance.commit) for report in reports}),
        metrics={
            name: {
                "expected": digits(fmean(several)),
                "tolerance": digits(tolerance(several, ON_CARDS[name][1], images, len(found)), 3),
                "seeds": dict(zip(seeds, map(digits, several), strict=True)),
            }
            for name, several in found.items()
        },
        threads={
            seed: report.provenance.threads
            for seed, report in zip(seeds, reports, strict=True)
            if report.provenance.threads is not None
        },
    )


def digits(value: float, number: int = 7) -> float:
    """Rounded to so many significant digits."""
    return float(f"{value:.{number}g}")


def read_card(folder: Path, name: str) -> Card:
    """The card of that name.

    Raises:
        UsageError: there is none.
        UserError: it is damaged.
    """
    known = [path.stem for path in folder.glob("*.yaml")]
    if name not in known:
        raise UsageError(f"no card {name!r} in results/cards ({closest(name, known) if known else 'it is empty'})")
    try:
        return Card(**yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8")))
    except (TypeError, ValueError, yaml.YAMLError) as e:
        raise UserError(f"results/cards/{name}.yaml is damaged: {suggest('results')} writes it again") from e


def check_card(card: Card, report: Report) -> list[Check]:
    """Every metric of the card beside what a new run's report says."""
    found = []
    for name, entry in card.metrics.items():
        measured = ON_CARDS[name][0].value(report.scores)
        recorded = entry["seeds"].get(report.run.seed)
        measured = None if measured is None else digits(measured)
        found.append(Check(name, measured, entry["expected"], entry["tolerance"], recorded))
    return found


def check_table(checks: Sequence[Check]) -> str:
    """measured | expected ± tolerance | holds, and what was recorded for the same seed."""
    lines = [("", "measured", "expected", "holds", "recorded")]
    for one in checks:
        measured = "nothing" if one.measured is None else f"{one.measured:.4g}"
        same = " (the same)" if one.recorded == one.measured else ""
        recorded = "other seeds" if one.recorded is None else f"{one.recorded:.4g}{same}"
        expected = f"{one.expected:.4g} ± {one.tolerance:.2g}"
        lines.append((one.metric, measured, expected, "yes" if one.holds else "NO", recorded))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
