"""The columns of a comparison, and the numbers that it takes from a report."""

from unsup.reports.catalogue import SCORES, Tables, number, scores_in
from unsup.reports.schema import RunFacts
from unsup.reports.score_schema import Scores

Numbers = dict[str, float]

TABLE = scores_in(Tables.COMPARISON)
SEEDS = "seeds"  # the last column: how many there are
NAMES = ("model", *(score.name for score in TABLE), SEEDS)


def numbers(scores: Scores, run: RunFacts | None = None) -> Numbers:
    """Return what a comparison shows of a model or a floor: scores, and standard deviations by chance within a run."""
    found = {score.name: score.value(scores, run) for score in SCORES}
    for score in SCORES:
        found |= {source: number(path, scores) for source, path in score.deviations.items()}
    return {name: value for name, value in found.items() if value is not None}
