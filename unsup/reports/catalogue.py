"""All scores that tables, cards and dashboards show, in the order of the tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Any

from unsup.reports import methods
from unsup.reports.format import Cells, accuracy, distance, error, with_interval, with_spread, yes_or_no
from unsup.reports.schema import RunFacts
from unsup.reports.score_schema import DrawScores, Layer, ProbeScores, Scores


class Tables(Flag):
    """The tables that a score is in."""

    SUMMARY = auto()  # of a report, in the terminal and in the files; and TensorBoard's HPARAMS tab
    LAYER = auto()  # the report's table of layers; with RESULTS also those of untrained networks and layers there
    START = auto()  # the summary's row of the run that a run was initialised from
    GENERATION = auto()  # the report's and the recorded results' tables of generated images
    LIKELIHOOD = auto()  # the recorded results' table of generated images
    CLASSES = auto()  # the report's other scores of the linear probe
    OTHER_VOTES = auto()  # the report's few-label probes and neighbours with other scalings
    OTHER_MEASURES = auto()  # the report's other measures
    GEOMETRY = auto()  # the report's alignment and uniformity
    COMPARISON = auto()
    DIAGNOSTIC = auto()  # of a comparison: can it choose a model without labels?
    RESULTS = auto()  # recorded results
    MAIN = SUMMARY | START | COMPARISON


@dataclass(frozen=True)
class OnCard:
    """How a reproduction card treats a score.

    Attributes:
        deviation: typical standard deviation over seeds, in units of p (1 - p) for a share p of the test images and
            relative to the mean otherwise. Pooled as `SeedSpread.of` does over recorded models of several seeds, the
            linear probe's over those of MNIST: on digits it is due to 500 test images, which `tolerance` has.
        prior: the degrees of freedom that it is worth for one model, from the same rows.
        share: whether it is a share of the test images.
    """

    deviation: float
    prior: float
    share: bool = True


@dataclass(frozen=True)
class Score:
    """A number of a report.

    Attributes:
        name: of the column.
        path: where it is in a report, below `scores` or `run`.
        tables: the tables that it is in.
        format: from the number to its text.
        selection: note on which labels and choices went into it, below a comparison.
        lower: smaller is better, or costs less.
        spread: its deviation over seeds is meaningful.
        title: its name in a report if that differs.
        negated: report.json stores -value.
        card: None if it is not on reproduction cards.
        correct: the name in correct.npz of the share of draws in which each test image was classified correctly.
        deviations: {source of chance within a run: path of the standard deviation}.
    """

    name: str
    path: str
    tables: Tables
    format: Callable[[float], str] = accuracy
    selection: str = ""
    lower: bool = False
    spread: bool = True
    title: str = ""
    negated: bool = False
    card: OnCard | None = None
    correct: str = ""
    deviations: Mapping[str, str] = field(default_factory=dict)

    def value(self, scores: Scores | Layer, run: RunFacts | None = None) -> float | None:
        """Return the number as tables show it, or None if it does not apply."""
        value = number(self.path, scores, run)
        return -value if value is not None and self.negated else value

    def text(self, scores: Scores | Layer) -> str:
        """Return the number with its interval or deviation, or an empty string."""
        match _at(self.path.rpartition(".")[0], scores):
            case ProbeScores() as probe if self.path.endswith(".accuracy"):
                return with_interval(probe)
            case DrawScores() as draws:
                return with_spread(draws)
        value = self.value(scores)
        return "" if value is None else self.format(value)


def number(path: str, scores: Scores | Layer, run: RunFacts | None = None) -> float | None:
    """Return the number at a path of a report, or None if there is none."""
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
    Score("dim", "scores.code_dim", T.MAIN, "{:,.0f}".format, lower=True, spread=False),
    Score(
        "linear probe",
        "scores.linear_probe.accuracy",
        T.MAIN | T.LAYER | T.RESULTS,
        selection=methods.LINEAR_PROBE,
        card=OnCard(0.08, 6),
        correct="linear_probe",
        deviations={"test sampling": "scores.linear_probe.sampling_deviation", "probe draws": "scores.probe_draws.std"},
    ),
    Score(
        "few-label 10",
        "scores.few_label.10.mean",
        T.MAIN | T.LAYER | T.RESULTS,
        selection=methods.FEW_LABEL,
        card=OnCard(0.09, 4),
        correct="few_label_10",
        deviations={"few-label draws": "scores.few_label.10.std"},
    ),
    Score(
        "few-label 1", "scores.few_label.1.mean", T.MAIN | T.LAYER, selection=methods.FEW_LABEL, correct="few_label_1"
    ),
    Score("kNN", "scores.knn.accuracy", T.MAIN | T.RESULTS, selection=methods.KNN),
    Score(
        "k-means ACC",
        "scores.kmeans.test.acc",
        T.MAIN | T.RESULTS,
        selection=methods.KMEANS,
        card=OnCard(0.17, 2.4),
        deviations={"k-means restarts": "scores.kmeans.restarts.acc_std"},
    ),
    Score(
        "own clusters ACC",
        "scores.clusterings.own.test.acc",
        T.SUMMARY | T.COMPARISON | T.RESULTS,
        selection=methods.OWN_CLUSTERS,
        card=OnCard(0.19, 2),
    ),
    Score("k-means NMI", "scores.kmeans.test.nmi", T.MAIN, selection=methods.KMEANS),
    Score("own clusters NMI", "scores.clusterings.own.test.nmi", T.SUMMARY),
    Score("k-means ARI", "scores.kmeans.test.ari", T.MAIN, selection=methods.KMEANS),
    Score("own clusters ARI", "scores.clusterings.own.test.ari", T.SUMMARY),
    Score("mixture ACC", "scores.clusterings.gaussian mixture.test.acc", T.COMPARISON, selection=methods.MIXTURE),
    Score(
        "reconstruction SSE",
        "scores.reconstruction.sse_per_image",
        T.MAIN | T.RESULTS | T.DIAGNOSTIC,
        error,
        methods.RECONSTRUCTION,
        lower=True,
        card=OnCard(0.022, 4, share=False),
    ),
    Score("RankMe", "scores.rankme", T.MAIN | T.DIAGNOSTIC, error, methods.RANKME),
    Score(
        "Fréchet",
        "scores.generation.frechet",
        T.SUMMARY | T.GENERATION | T.COMPARISON,
        distance,
        methods.GENERATION,
        lower=True,
        card=OnCard(0.18, 3, share=False),
    ),
    Score("kernel", "scores.generation.kernel", T.GENERATION, distance, lower=True),
    Score("precision", "scores.generation.precision", T.SUMMARY | T.GENERATION),
    Score("recall", "scores.generation.recall", T.SUMMARY | T.GENERATION),
    Score("FID", "scores.generation.fid", T.SUMMARY | T.GENERATION, distance, lower=True),
    Score("-ELBO", "scores.likelihood.elbo", T.SUMMARY | T.LIKELIHOOD, error, lower=True, negated=True),
    Score("NLL", "scores.likelihood.log_likelihood", T.SUMMARY | T.LIKELIHOOD, error, lower=True, negated=True),
    Score(
        "bits per dimension",
        "scores.likelihood.bits_per_dimension",
        T.SUMMARY | T.LIKELIHOOD,
        "{:.3f}".format,
        lower=True,
    ),
    Score("robustness", "scores.mean_corrupted", T.COMPARISON, selection=methods.ROBUSTNESS),
    Score("balanced accuracy", "scores.linear_probe.balanced_accuracy", T.CLASSES),
    Score("macro F1", "scores.linear_probe.macro_f1", T.CLASSES),
    Score("chance", "scores.linear_probe.chance", T.CLASSES, spread=False),
    Score("NLL of the probe", "scores.linear_probe.nll", T.CLASSES, "{:.3f}".format, lower=True),
    Score("Brier", "scores.linear_probe.brier", T.CLASSES, "{:.3f}".format, lower=True),
    Score("calibration error", "scores.linear_probe.calibration_error", T.CLASSES, lower=True),
    Score("if calibrated", "scores.linear_probe.calibrated", T.CLASSES, spread=False),
    Score("C", "scores.linear_probe.C", T.CLASSES, "{:.3g}".format, spread=False),
    Score("few-label 10, standardised", "scores.few_label_standardised.10.mean", T.OTHER_VOTES),
    Score("few-label 1, standardised", "scores.few_label_standardised.1.mean", T.OTHER_VOTES),
    Score("kNN, raw", "scores.knn.raw.accuracy", T.OTHER_VOTES),
    Score("kNN, unit length", "scores.knn.l2.accuracy", T.OTHER_VOTES),
    Score("kNN, weighted", "scores.knn.weighted.accuracy", T.OTHER_VOTES),
    Score("MSE per pixel", "scores.reconstruction.mse_per_pixel", T.OTHER_MEASURES, "{:.5f}".format),
    Score("dead units", "scores.dead_units", T.OTHER_MEASURES | T.DIAGNOSTIC, "{:.3g}".format, lower=True),
    Score("KL, nats", "scores.likelihood.kl", T.OTHER_MEASURES, error),
    Score("active units", "scores.likelihood.active_units", T.OTHER_MEASURES, "{:.3g}".format),
    Score("silhouette", "scores.silhouette.raw", T.OTHER_MEASURES | T.DIAGNOSTIC, title="silhouette raw"),
    Score("silhouette l2", "scores.silhouette.l2", T.OTHER_MEASURES),
    Score("alignment", "scores.alignment", T.GEOMETRY | T.DIAGNOSTIC, "{:.3f}".format, lower=True),
    Score("uniformity", "scores.uniformity", T.GEOMETRY | T.DIAGNOSTIC, "{:.3f}".format, lower=True),
    Score("parameters", "run.parameters", T.COMPARISON, "{:,.0f}".format, lower=True, spread=False),
    Score("CPU-s", "run.stages_cpu_seconds", T.COMPARISON, "{:,.0f}".format, methods.CPU, lower=True, spread=False),
    Score("GPU-s", "run.stages_gpu_seconds", T.COMPARISON, "{:,.0f}".format, methods.GPU, lower=True, spread=False),
    Score("budget", "run.budget", T.COMPARISON, "{:,.0f}".format, methods.BUDGET, lower=True, spread=False),
    Score("images seen", "run.images_seen", T.COMPARISON, "{:,.0f}".format, methods.SEEN, lower=True, spread=False),
    Score("views seen", "run.views_seen", T.COMPARISON, "{:,.0f}".format, methods.SEEN, lower=True, spread=False),
    Score("reference s", "run.reference.seconds", T.COMPARISON, "{:.2f}".format, methods.REFERENCE, spread=False),
    Score("augmentation", "run.augmentation", T.COMPARISON, yes_or_no, methods.AUGMENTATION, lower=True, spread=False),
)


def scores_in(tables: Tables) -> tuple[Score, ...]:
    """Return the scores of these tables."""
    return tuple(score for score in SCORES if score.tables & tables)


def find_score(name: str) -> Score:
    """Return the score of this name."""
    return next(score for score in SCORES if score.name == name)


def row_of(scores: Scores | Layer, tables: Tables) -> Cells:
    """Return the row of a report's table, without scores that do not apply."""
    row = {}
    for score in scores_in(tables):
        if text := score.text(scores):
            samples = f", k = {_at('scores.likelihood.samples', scores)}" if score.name == "NLL" else ""
            row[(score.title or score.name) + samples] = text
    return row


def start_scores(scores: Scores) -> Scores:
    """Return the scores that a report shows of the run it was initialised from."""
    sections = {score.path.split(".")[1] for score in scores_in(Tables.START)}
    return Scores(**{section: getattr(scores, section) for section in sections})
