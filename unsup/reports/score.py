"""What the catalogue says of a score, and how a score is read from a report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Any

from unsup.reports.format import with_interval, with_spread
from unsup.reports.methods import ScoringMethod
from unsup.reports.schema import RunFacts
from unsup.reports.score_schema import DrawScores, Layer, ProbeScores, Scores


class Shown(Flag):
    """The tables that a score is in."""

    SUMMARY = auto()  # of a report, in the terminal and in the files; and TensorBoard's HPARAMS tab
    LAYER = auto()  # the report's table of layers; with RESULTS also those of untrained networks and layers there
    START = auto()  # the summary's row of the run that a run was initialised from
    GENERATION = auto()  # the report's and the recorded results' tables of generated images
    LIKELIHOOD = auto()  # the latter
    OTHERS = auto()  # the report's other measures
    SPREAD = auto()  # the report's alignment and uniformity
    COMPARISON = auto()
    DIAGNOSTIC = auto()  # of a comparison: can it choose a model without labels?
    RESULTS = auto()  # recorded results


@dataclass(frozen=True)
class OnCard:
    """What a reproduction card needs to know about a score.

    Attributes:
        deviation: over seeds, as the first recorded rows had it (MNIST, seven models with three to five seeds, pooled);
            of a number that is no share relative to its mean.
        share: whether it is a share of the test images.
    """

    deviation: float
    share: bool = True


@dataclass(frozen=True)
class Score:
    """A number of a report.

    Attributes:
        name: of the column.
        path: where it is, below `scores` or `run` of a report.
        written: how it is written.
        shown: the tables that it is in.
        method: how it was made; None for what needs no explanation.
        lower: smaller is better, or costs less.
        spread: its deviation over seeds is meaningful.
        title: its name in a report where that is another one; names of fields of the scores are filled in.
        negated: the file has its negative.
        card: None where reproduction cards leave it out.
        correct: the name in correct.npz of the share of draws in which each test image was classified correctly.
        deviations: paths of standard deviations by chance within a run.
    """

    name: str
    path: str
    written: Callable[[float], str]
    shown: Shown
    method: ScoringMethod | None = None
    lower: bool = False
    spread: bool = True
    title: str = ""
    negated: bool = False
    card: OnCard | None = None
    correct: str = ""
    deviations: Mapping[str, str] = field(default_factory=dict)

    def value(self, scores: Scores | Layer, run: RunFacts | None = None) -> float | None:
        """Return the number as tables show it, None where it does not apply."""
        found = number(self.path, scores, run)
        return -found if found is not None and self.negated else found

    def text(self, scores: Scores | Layer) -> str:
        """Return the number as a report shows it, with its interval or deviation; empty where it does not apply."""
        match _at(self.path.rpartition(".")[0], scores):
            case ProbeScores() as probe if self.path.endswith(".accuracy"):
                return with_interval(probe)
            case DrawScores() as draws:
                return with_spread(draws)
        value = self.value(scores)
        return "" if value is None else self.written(value)


def number(path: str, scores: Scores | Layer, run: RunFacts | None = None) -> float | None:
    """Return the number at a path of a report, None where there is none."""
    found = _at(path, scores, run)
    return None if found is None else float(found)


def _at(path: str, scores: Scores | Layer, run: RunFacts | None = None) -> Any:
    section, *keys = path.split(".")
    found: Any = {"scores": scores, "run": run}[section]
    for key in keys:
        if found is None:
            return None
        found = found.get(key) if isinstance(found, dict) else getattr(found, key)
    return found
