"""The validation scores of a sweep's runs, and the best configuration.

They are those of the online probe, which is fitted on one half of the validation images and scored on the other, or the
validation loss where there are no labels. No test image has a part in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from unsup.core.errors import UserError
from unsup.core.words import counted
from unsup.evaluation.tensorboard import curves_of
from unsup.reports.format import accuracy, enumeration
from unsup.runs.run import Run
from unsup.training.plan import Job, option_texts

PROBE, LOSS = "online/linear_probe", "val/loss"  # curves
NAMES = {PROBE: "validation probe", LOSS: "validation loss"}
LOSS_NOTE = "losses compare only within a method, and only if the grid does not change the loss itself"


@dataclass(frozen=True)
class Score:
    """The last value of a curve."""

    curve: str
    value: float

    def __str__(self) -> str:
        return f"{NAMES[self.curve]} {accuracy(self.value) if self.curve == PROBE else f'{self.value:.4g}'}"

    @property
    def cost(self) -> float:
        """A number that is lower for a better score."""
        return -self.value if self.curve == PROBE else self.value


def validation_score(run: Run) -> Score | None:
    """Return the last validation score of a run, None if it has none.

    A method that takes no training steps, such as PCA, has none.
    """
    try:
        curves = run.report.curves
    except UserError:
        curves = None
    curves = curves_of(run.folder) if curves is None else curves
    return next((Score(curve, curves[curve][-1][1]) for curve in (PROBE, LOSS) if curves.get(curve)), None)


class Standings:
    """Validation scores of jobs."""

    def __init__(self) -> None:
        self._scores: dict[str, tuple[Job, Score]] = {}  # by the name of a job
        self._without: dict[str, None] = {}  # models of runs without a score, in order

    def add(self, job: Job, run: Run | None) -> str:
        """Add a run, and return its score with its place among those of its kind."""
        score = validation_score(run) if run else None
        if score is None:
            self._without[job.model] = None
            return "no validation score"
        self._scores[job.name] = job, score
        rivals = [
            other
            for rival, other in self._scores.values()
            if other.curve == score.curve and (score.curve == PROBE or rival.model == job.model)
        ]
        place = 1 + sum(other.cost < score.cost for other in rivals)
        return f"{score}, place {place} of {len(rivals)}"

    def best(self) -> str:
        """Return the best configuration by the mean over its seeds."""
        scores = list(self._scores.values())
        rest = f"; without a validation score: {enumeration(list(self._without))}" if self._without else ""
        if probed := [(job, score) for job, score in scores if score.curve == PROBE]:
            return f"best by validation: {_best(probed)}{rest}"
        if not scores:
            return "best by validation: nothing can be said, no run has a validation score"
        models = dict.fromkeys(job.model for job, _ in scores)
        lines = [_best([(job, score) for job, score in scores if job.model == model]) for model in models]
        return f"best by validation, without labels: {'; '.join(lines)}; {LOSS_NOTE}{rest}"


def _best(scores: Sequence[tuple[Job, Score]]) -> str:
    """Return the configurations with the best mean, with that mean."""
    configurations: dict[str, list[Score]] = {}
    for job, score in scores:
        configurations.setdefault(" ".join([job.model, *option_texts(job.point)]), []).append(score)
    means = {name: Score(own[0].curve, fmean(s.value for s in own)) for name, own in configurations.items()}
    lowest = min(mean.cost for mean in means.values())
    winners = [name for name, mean in means.items() if mean.cost == lowest]
    seeds = len(configurations[winners[0]])
    over_seeds = f", mean of {counted(seeds, 'seed')}" if seeds > 1 else ""
    among = f", of {counted(len(means), 'configuration')}" if len(means) > 1 else ""
    return f"{enumeration(winners)} ({means[winners[0]]}{over_seeds}{among})"
