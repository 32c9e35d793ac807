"""Means over seeds of the scores of recorded reports."""

from collections.abc import Sequence

import numpy as np

from unsup.reports.catalogue import Score
from unsup.reports.format import Cells
from unsup.reports.schema import Report
from unsup.reports.score_schema import Layer, Scores

EFFORT = ("seeds", "minutes")


def values(several: Sequence[Scores | Layer], score: Score) -> list[float]:
    """Return one number for each seed; none unless every seed has it."""
    found = [value for scores in several if (value := score.value(scores)) is not None]
    return found if len(found) == len(several) else []


def average(several: Sequence[Scores], score: Score, missing: float) -> float:
    """Return the mean of what there is."""
    found = [value for scores in several if (value := score.value(scores)) is not None]
    return float(np.mean(found)) if found else missing


def means(several: Sequence[Scores], columns: Sequence[Score]) -> Cells:
    """Return means over seeds, ± standard deviation (ddof 1) from two seeds on, of the scores that all of them have."""
    row = {}
    for score in columns:
        if found := values(several, score):
            row[score.name] = score.format(float(np.mean(found)))
            row[score.name] += f" ± {score.format(float(np.std(found, ddof=1)))}" if len(found) > 1 else ""
    return row


def effort(reports: Sequence[Report]) -> Cells:
    """Return the number of seeds, and mean minutes of training."""
    minutes = float(np.mean([report.run.minutes for report in reports]))
    return dict(zip(EFFORT, (str(len(reports)), f"{minutes:.1f}"), strict=True))


def by_model(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """{model: its reports, by seed}, models by name."""
    ordered = sorted(reports, key=lambda report: (report.run.model, report.run.seed))
    groups: dict[str, list[Report]] = {}
    for report in ordered:
        groups.setdefault(report.run.model, []).append(report)
    return groups
