"""Means over seeds of the scores of recorded reports."""

from collections.abc import Sequence
from statistics import fmean, stdev

from unsup.reports.catalogue import Score
from unsup.reports.format import Cells
from unsup.reports.schema import Report
from unsup.reports.score_schema import Layer, Scores


def seed_values(several: Sequence[Scores | Layer], score: Score) -> list[float]:
    """Return one number for each seed, or none unless every seed has it."""
    values = [value for scores in several if (value := score.value(scores)) is not None]
    return values if len(values) == len(several) else []


def means(several: Sequence[Scores | Layer], columns: Sequence[Score], prefix: str = "") -> Cells:
    """Return means over seeds ± standard deviations (ddof 1) of scores that all have."""
    cells = {}
    for score in columns:
        if values := seed_values(several, score):
            spread = f" ± {score.format(stdev(values))}" if len(values) > 1 else ""
            cells[prefix + score.name] = score.format(fmean(values)) + spread
    return cells


def mean_cost(reports: Sequence[Report], score: Score) -> float | None:
    """Return the mean of a cost of training over the reports that have it."""
    values = [value for report in reports if (value := score.value(report.scores, report.run)) is not None]
    return fmean(values) if values else None


def by_model(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """Return the reports of each model by seed, models by name."""
    groups: dict[str, list[Report]] = {}
    for report in sorted(reports, key=lambda report: (report.run.model, report.run.seed)):
        groups.setdefault(report.run.model, []).append(report)
    return groups
