"""Every score that tables, cards and dashboards show, once, in the order of the tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Any

from msgspec.structs import asdict

from unsup.reports import methods
from unsup.reports.format import Cells, accuracy, distance, error, with_interval, with_spread, yes_or_no
from unsup.reports.methods import ScoringMethod
from unsup.reports.schema import RunFacts
from unsup.reports.score_schema import DrawScores, Layer, ProbeScores, Scores


class Tables(Flag):
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
    MAIN = SUMMARY | START | COMPARISON


@dataclass(frozen=True)
class OnCard:
    """How a reproduction card treats a score.

    Attributes:
        deviation: standard deviation over seeds in the first recorded rows (MNIST, seven models, three to five seeds,
            pooled), relative to the mean unless it is a share.
        share: whether it is a share of the test images.
    """

    deviation: float
    share: bool = True


@dataclass(frozen=True)
class Score:
    """A number of a report.

    Attributes:
        name: of the column.
        path: where it is in a report, below `scores` or `run`.
        format: from the number to its text.
        tables: the tables that it is in.
        method: how it was made; None if that needs no explanation.
        lower: smaller is better, or costs less.
        spread: its deviation over seeds is meaningful.
        title: its name in a report if that differs; names of fields of the scores are filled in.
        negated: the file has its negative.
        card: None if it is not on reproduction cards.
        correct: the name in correct.npz of the share of draws in which each test image was classified correctly.
        deviations: {source of chance within a run: path of the standard deviation}.
    """

    name: str
    path: str
    format: Callable[[float], str]
    tables: Tables
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
        value = number(self.path, scores, run)
        return -value if value is not None and self.negated else value

    def text(self, scores: Scores | Layer) -> str:
        """Return the number as a report shows it, with its interval or deviation; empty where it does not apply."""
        match _at(self.path.rpartition(".")[0], scores):
            case ProbeScores() as probe if self.path.endswith(".accuracy"):
                return with_interval(probe)
            case DrawScores() as draws:
                return with_spread(draws)
        value = self.value(scores)
        return "" if value is None else self.format(value)


def number(path: str, scores: Scores | Layer, run: RunFacts | None = None) -> float | None:
    """Return the number at a path of a report, None where there is none."""
    value = _at(path, scores, run)
    return None if value is None else float(value)


def _at(path: str, scores: Scores | Layer, run: RunFacts | None = None) -> Any:
    section, *keys = path.split(".")
    value: Any = scores if section == "scores" else run
    for key in keys:
        if value is None:
            return None
        value = value.get(key) if isinstance(value, dict) else getattr(value, key)
    return value


T = Tables
SCORES = (
    Score("dim", "scores.code_dim", "{:,.0f}".format, T.MAIN, lower=True, spread=False),
    Score(
        "linear probe",
        "scores.linear_probe.accuracy",
        accuracy,
        T.MAIN | T.LAYER | T.RESULTS,
        methods.LINEAR_PROBE,
        card=OnCard(0.0023),
        correct="linear_probe",
        deviations={
            "test sampling": "scores.linear_probe.sampling_deviation",
            "probe draws": "scores.probe_draws.std",
        },
    ),
    Score(
        "few-label 10",
        "scores.few_label.10.mean",
        accuracy,
        T.MAIN | T.LAYER | T.RESULTS,
        methods.FEW_LABEL,
        card=OnCard(0.0055),
        correct="few_label_10",
        deviations={"few-label draws": "scores.few_label.10.std"},
    ),
    Score(
        "few-label 1", "scores.few_label.1.mean", accuracy, T.MAIN | T.LAYER, methods.FEW_LABEL, correct="few_label_1"
    ),
    Score("kNN", "scores.knn.accuracy", accuracy, T.MAIN | T.RESULTS, methods.KNN),
    Score(
        "k-means ACC",
        "scores.kmeans.test.acc",
        accuracy,
        T.MAIN | T.RESULTS,
        methods.KMEANS,
        card=OnCard(0.02),
        deviations={"k-means restarts": "scores.kmeans.restarts.acc_std"},
    ),
    Score(
        "own clusters ACC",
        "scores.clusterings.own.test.acc",
        accuracy,
        T.SUMMARY | T.COMPARISON | T.RESULTS,
        methods.OWN_CLUSTERS,
        card=OnCard(0.02),
    ),
    Score("k-means NMI", "scores.kmeans.test.nmi", accuracy, T.MAIN, methods.KMEANS),
    Score("own clusters NMI", "scores.clusterings.own.test.nmi", accuracy, T.SUMMARY, methods.OWN_CLUSTERS),
    Score("k-means ARI", "scores.kmeans.test.ari", accuracy, T.MAIN, methods.KMEANS),
    Score("own clusters ARI", "scores.clusterings.own.test.ari", accuracy, T.SUMMARY, methods.OWN_CLUSTERS),
    Score("mixture ACC", "scores.clusterings.gaussian mixture.test.acc", accuracy, T.COMPARISON, methods.MIXTURE),
    Score(
        "reconstruction SSE",
        "scores.reconstruction.sse_per_image",
        error,
        T.MAIN | T.RESULTS | T.DIAGNOSTIC,
        methods.RECONSTRUCTION,
        lower=True,
        card=OnCard(0.018, share=False),
    ),
    Score("RankMe", "scores.rankme", error, T.MAIN | T.DIAGNOSTIC, methods.RANKME),
    Score(
        "Fréchet",
        "scores.generation.frechet",
        distance,
        T.SUMMARY | T.GENERATION | T.COMPARISON,
        methods.GENERATION,
        lower=True,
        card=OnCard(0.048, share=False),
    ),
    Score("kernel", "scores.generation.kernel", distance, T.GENERATION, methods.GENERATION, lower=True),
    Score("precision", "scores.generation.precision", accuracy, T.SUMMARY | T.GENERATION, methods.GENERATION),
    Score("recall", "scores.generation.recall", accuracy, T.SUMMARY | T.GENERATION, methods.GENERATION),
    Score("FID", "scores.generation.fid", distance, T.SUMMARY | T.GENERATION, methods.GENERATION, lower=True),
    Score(
        "-ELBO", "scores.likelihood.elbo", error, T.SUMMARY | T.LIKELIHOOD, methods.LIKELIHOOD, lower=True, negated=True
    ),
    Score(
        "NLL",
        "scores.likelihood.log_likelihood",
        error,
        T.SUMMARY | T.LIKELIHOOD,
        methods.LIKELIHOOD,
        lower=True,
        negated=True,
        title="NLL, k = {likelihood.samples}",
    ),
    Score("robustness", "scores.mean_corrupted", accuracy, T.COMPARISON, methods.ROBUSTNESS),
    Score("ridge probe", "scores.ridge_probe.accuracy", accuracy, T.OTHERS, methods.RIDGE_PROBE),
    Score("kNN, unit length", "scores.knn.l2.accuracy", accuracy, T.OTHERS, methods.KNN),
    Score("C", "scores.linear_probe.C", "{:g}".format, T.OTHERS, methods.LINEAR_PROBE, spread=False),
    Score("MSE a pixel", "scores.reconstruction.mse_per_pixel", "{:.5f}".format, T.OTHERS, methods.RECONSTRUCTION),
    Score("dead units", "scores.dead_units", "{:g}".format, T.OTHERS | T.DIAGNOSTIC, lower=True),
    Score("KL, nats", "scores.likelihood.kl", error, T.OTHERS, methods.LIKELIHOOD),
    Score("active units", "scores.likelihood.active_units", "{:g}".format, T.OTHERS, methods.LIKELIHOOD),
    Score("silhouette", "scores.silhouette.raw", accuracy, T.OTHERS | T.DIAGNOSTIC, title="silhouette raw"),
    Score("silhouette l2", "scores.silhouette.l2", accuracy, T.OTHERS),
    Score("alignment", "scores.alignment", "{:.3f}".format, T.SPREAD | T.DIAGNOSTIC, methods.ALIGNMENT, lower=True),
    Score("uniformity", "scores.uniformity", "{:.3f}".format, T.SPREAD | T.DIAGNOSTIC, methods.UNIFORMITY, lower=True),
    Score("parameters", "run.parameters", "{:,.0f}".format, T.COMPARISON, lower=True, spread=False),
    Score("minutes", "run.minutes", "{:.1f}".format, T.COMPARISON, methods.MINUTES, lower=True, spread=False),
    Score("augmentation", "run.augmentation", yes_or_no, T.COMPARISON, methods.AUGMENTATION, lower=True, spread=False),
)


def scores_in(tables: Tables) -> tuple[Score, ...]:
    """Return the scores of these tables."""
    return tuple(score for score in SCORES if score.tables & tables)


def find_score(name: str) -> Score:
    """Return the score of this name."""
    return next(score for score in SCORES if score.name == name)


def row_of(scores: Scores | Layer, tables: Tables) -> Cells:
    """Return the row of a report's table; scores that do not apply are left out."""
    row = {}
    for score in scores_in(tables):
        if text := score.text(scores):
            row[score.title.format(**asdict(scores)) or score.name] = text
    return row


def start_scores(scores: Scores) -> Scores:
    """Return the scores that a report shows of the run that a run was initialised from."""
    sections = {score.path.split(".")[1] for score in scores_in(Tables.START)}
    return Scores(**{section: getattr(scores, section) for section in sections})
