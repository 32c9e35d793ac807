"""Reproduction cards with the scores of recorded rows and tolerances for new runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import yaml
from scipy.special import expit, logit, stdtrit

from unsup.comparison.recorded.commands import recorded_words
from unsup.comparison.recorded.means import by_model, mean_cost, seed_values
from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError, closest
from unsup.metrics.variance import shrunken_variance
from unsup.reports.catalogue import SCORES, OnCard, find_score
from unsup.reports.schema import Report

CONFIDENCE = 0.95  # of a whole card
ROUNDING_TOLERANCE = 0.005  # of a number that no seed changes, relative to its mean unless it is a share
ROUNDED_IMAGES = 3  # test images that rounding alone may turn over
ON_CARDS = {score.name: (score, score.card) for score in SCORES if score.card}


class Card(msgspec.Struct, omit_defaults=True):
    """The content of results/cards/<data>-<model>.yaml."""

    what: str  # the model, the size of its codes and the images, for readers
    command: str  # trains it, without a seed and without paths
    data: dict[str, str]  # name, and the SHA-256 of images, labels and split
    seeds: list[int]
    cpu_seconds: float | None  # of training, all stages, a mean over seeds, on `hardware`
    hardware: str
    protocol: int
    commits: list[str]  # of the code that trained
    metrics: dict[str, dict[str, Any]]  # {name: {expected, tolerance, seeds: {seed: value}}}
    draft: int = 0  # of the protocol
    threads: dict[int, int] = {}  # {seed: number of PyTorch's threads}, where it was recorded


@dataclass(frozen=True)
class CardCheck:
    """One metric of a new run and of its card."""

    metric: str
    measured: float | None
    expected: float
    tolerance: float
    recorded: float | None  # of the same seed, if the card has it

    @property
    def holds(self) -> bool:
        return self.measured is not None and abs(self.measured - self.expected) <= self.tolerance


def tolerance(recorded: Sequence[float], metric: OnCard, images: int, metrics: int) -> float:
    """Return how far from the mean of the recorded seeds a new run may be.

    Another machine rounds differently, and a training soon diverges from the recorded one: its result is that of one
    more seed, on the same test images. So this is a prediction interval for one more draw,
    t · s̃ · sqrt(1 + 1/k) for k recorded seeds. Their own deviation s is poorly known (k is 1, 3 or 5, where Student's
    t alone asks for infinity, 5 s or 3 s at 95 %) and may be 0 by luck, so `shrunken_variance` gives
    s̃² = (d₀ s₀² + (k - 1) s²) / (d₀ + k - 1), t with d₀ + k - 1 degrees of freedom. s₀ is the metric's typical
    deviation, times p (1 - p) for a share p; there it is at least sqrt(p (1 - p) / n) of n test images, by which two
    equally good runs differ if they err on images independently. d₀ is `OnCard.prior`.
    The interval of a share is symmetric on the logit scale; of its two sides the wider one counts, towards one half.
    The interval's level is 1 - (1 - CONFIDENCE) / metrics (Bonferroni): a sound reproduction holds in all metrics of
    its card with a probability of about CONFIDENCE (`tests/comparison/test_cards.py`).

    A number that three or more seeds leave the same to the last digit is not drawn at all (PCA). It may deviate by
    ROUNDING_TOLERANCE, or by ROUNDED_IMAGES.

    Args:
        recorded: one value for each seed.
        metric: which number it is.
        images: the number of test images.
        metrics: the number of metrics on the card.
    """
    mean, k = fmean(recorded), len(recorded)
    if k >= 3 and len(set(recorded)) == 1:
        return max(ROUNDING_TOLERANCE, ROUNDED_IMAGES / images) if metric.share else ROUNDING_TOLERANCE * abs(mean)
    p, binomial, typical = mean, 1.0, metric.deviation * abs(mean)
    if metric.share:
        p = (mean * images + 0.5) / (images + 1)  # 1 has a spread too
        binomial = p * (1 - p)
        typical = max(metric.deviation * binomial, math.sqrt(binomial / images))
    variance, df = shrunken_variance(recorded, typical, metric.prior)
    t = float(stdtrit(df, 1 - (1 - CONFIDENCE) / metrics / 2))
    half = t * math.sqrt(variance * (1 + 1 / k))
    if not metric.share:
        return half
    on_logit_scale = 2 * math.asinh(half / (2 * binomial))  # Newcombe 2001
    return float(abs(p - expit(logit(p) + math.copysign(on_logit_scale, 0.5 - p))))


def make_cards(reports: Sequence[Report], about: Mapping[str, str]) -> dict[str, str]:
    """Return the text of the card of each model on each data set, by name.

    Args:
        reports: the recorded ones; the seeds of a model were trained with one command.
        about: {data set: what its images are}.
    """
    cards = {}
    for data in sorted({report.run.data for report in reports}):
        for model, own in by_model([report for report in reports if report.run.data == data]).items():
            name = f"{data}-{model}"
            written, checked = suggest("results", via="make"), suggest("reproduce", via="make", card=name)
            note = f"# Written by `{written}` from results/{data}/{model}/; {checked} checks it\n"
            fields = msgspec.to_builtins(_card(model, data, own, about.get(data, "")))
            cards[name] = note + yaml.safe_dump(
                fields, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
            )
    return cards


def _card(model: str, data: str, reports: Sequence[Report], about: str) -> Card:
    first, seeds = reports[0], [report.run.seed for report in reports]
    scores = [report.scores for report in reports]
    metrics = {name: values for name, (score, _) in ON_CARDS.items() if (values := seed_values(scores, score))}
    images = first.run.images.test
    return Card(
        what=f"{model}, codes of {first.scores.code_dim:,} dimensions, on {data}" + (about and f": {about}"),
        command=" ".join(recorded_words(first.run)),
        data={"name": data, "sha256": first.provenance.data_sha256},
        seeds=seeds,
        cpu_seconds=None if (cost := mean_cost(reports, find_score("CPU-s"))) is None else digits(cost, 4),
        hardware="; ".join(sorted({report.provenance.hardware.description for report in reports})),
        protocol=first.protocol,
        draft=first.draft,
        commits=sorted({str(report.provenance.commit) for report in reports}),
        metrics={
            name: {
                "expected": digits(fmean(values)),
                "tolerance": digits(tolerance(values, ON_CARDS[name][1], images, len(metrics)), 3),
                "seeds": dict(zip(seeds, map(digits, values), strict=True)),
            }
            for name, values in metrics.items()
        },
        threads={report.run.seed: threads for report in reports if (threads := report.provenance.threads) is not None},
    )


def digits(value: float, number: int = 7) -> float:
    """Round to a number of significant digits."""
    return float(f"{value:.{number}g}")


def read_card(folder: Path, name: str) -> Card:
    """Return the card of this name.

    Raises:
        UsageError: there is none.
        UserError: it is damaged.
    """
    known = [path.stem for path in folder.glob("*.yaml")]
    if name not in known:
        raise UsageError(f"no card {name!r} in results/cards ({closest(name, known) if known else 'it is empty'})")
    try:
        return msgspec.convert(yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8")), Card)
    except (ValueError, msgspec.ValidationError, yaml.YAMLError) as e:
        raise UserError(f"results/cards/{name}.yaml is damaged: {suggest('results')} writes it again") from e


def check_card(card: Card, report: Report) -> list[CardCheck]:
    """Return a check of every metric of the card against the report of a new run."""
    checks = []
    for name, entry in card.metrics.items():
        measured = ON_CARDS[name][0].value(report.scores)
        measured = None if measured is None else digits(measured)
        checks.append(
            CardCheck(name, measured, entry["expected"], entry["tolerance"], entry["seeds"].get(report.run.seed))
        )
    return checks


def check_table(checks: Sequence[CardCheck]) -> str:
    """Return a table of checks as text."""
    lines = [("", "measured", "expected", "holds", "recorded")]
    for check in checks:
        measured = "nothing" if check.measured is None else f"{check.measured:.4g}"
        same = " (the same)" if check.recorded == check.measured else ""
        recorded = "other seeds" if check.recorded is None else f"{check.recorded:.4g}{same}"
        expected = f"{check.expected:.4g} ± {check.tolerance:.2g}"
        lines.append((check.metric, measured, expected, "yes" if check.holds else "NO", recorded))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
