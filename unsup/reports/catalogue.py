"""Every score that tables, cards and dashboards show, once, in the order of the tables."""

from msgspec.structs import asdict

from unsup.reports import methods
from unsup.reports.format import (
    Cells,
    accuracy,
    distance,
    error,
    five_decimals,
    general,
    one_decimal,
    three_decimals,
    whole,
    yes_or_no,
)
from unsup.reports.score import OnCard, Score, Shown
from unsup.reports.score_schema import Layer, Scores

S = Shown
JUDGED = S.SUMMARY | S.START | S.COMPARISON
SCORES = (
    Score("dim", "scores.code_dim", whole, JUDGED, lower=True, spread=False),
    Score(
        "linear probe",
        "scores.linear_probe.accuracy",
        accuracy,
        JUDGED | S.LAYER | S.RESULTS,
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
        JUDGED | S.LAYER | S.RESULTS,
        methods.FEW_LABEL,
        card=OnCard(0.0055),
        correct="few_label_10",
        deviations={"few-label draws": "scores.few_label.10.std"},
    ),
    Score(
        "few-label 1",
        "scores.few_label.1.mean",
        accuracy,
        JUDGED | S.LAYER,
        methods.FEW_LABEL,
        correct="few_label_1",
    ),
    Score("kNN", "scores.knn.accuracy", accuracy, JUDGED | S.RESULTS, methods.KNN),
    Score(
        "k-means ACC",
        "scores.kmeans.test.acc",
        accuracy,
        JUDGED | S.RESULTS,
        methods.KMEANS,
        card=OnCard(0.02),
        deviations={"k-means restarts": "scores.kmeans.restarts.acc_std"},
    ),
    Score(
        "own clusters ACC",
        "scores.clusterings.own.test.acc",
        accuracy,
        S.SUMMARY | S.COMPARISON | S.RESULTS,
        methods.OWN_CLUSTERS,
        card=OnCard(0.02),
    ),
    Score("k-means NMI", "scores.kmeans.test.nmi", accuracy, JUDGED, methods.KMEANS),
    Score("own clusters NMI", "scores.clusterings.own.test.nmi", accuracy, S.SUMMARY, methods.OWN_CLUSTERS),
    Score("k-means ARI", "scores.kmeans.test.ari", accuracy, JUDGED, methods.KMEANS),
    Score("own clusters ARI", "scores.clusterings.own.test.ari", accuracy, S.SUMMARY, methods.OWN_CLUSTERS),
    Score("mixture ACC", "scores.clusterings.gaussian mixture.test.acc", accuracy, S.COMPARISON, methods.MIXTURE),
    Score(
        "reconstruction SSE",
        "scores.reconstruction.sse_per_image",
        error,
        JUDGED | S.RESULTS | S.DIAGNOSTIC,
        methods.RECONSTRUCTION,
        lower=True,
        card=OnCard(0.018, share=False),
    ),
    Score("RankMe", "scores.rankme", error, JUDGED | S.DIAGNOSTIC, methods.RANKME),
    Score(
        "Fréchet",
        "scores.generation.frechet",
        distance,
        S.SUMMARY | S.GENERATION | S.COMPARISON,
        methods.GENERATION,
        lower=True,
        card=OnCard(0.048, share=False),
    ),
    Score("kernel", "scores.generation.kernel", distance, S.GENERATION, methods.GENERATION, lower=True),
    Score("precision", "scores.generation.precision", accuracy, S.SUMMARY | S.GENERATION, methods.GENERATION),
    Score("recall", "scores.generation.recall", accuracy, S.SUMMARY | S.GENERATION, methods.GENERATION),
    Score("FID", "scores.generation.fid", distance, S.SUMMARY | S.GENERATION, methods.GENERATION, lower=True),
    Score(
        "-ELBO",
        "scores.likelihood.elbo",
        error,
        S.SUMMARY | S.LIKELIHOOD,
        methods.LIKELIHOOD,
        lower=True,
        negated=True,
    ),
    Score(
        "NLL",
        "scores.likelihood.log_likelihood",
        error,
        S.SUMMARY | S.LIKELIHOOD,
        methods.LIKELIHOOD,
        lower=True,
        negated=True,
        title="NLL, k = {likelihood.samples}",
    ),
    Score("robustness", "scores.mean_corrupted", accuracy, S.COMPARISON, methods.ROBUSTNESS),
    Score("ridge probe", "scores.ridge_probe.accuracy", accuracy, S.OTHERS, methods.RIDGE_PROBE),
    Score("kNN, unit length", "scores.knn.l2.accuracy", accuracy, S.OTHERS, methods.KNN),
    Score("C", "scores.linear_probe.C", general, S.OTHERS, methods.LINEAR_PROBE, spread=False),
    Score("MSE a pixel", "scores.reconstruction.mse_per_pixel", five_decimals, S.OTHERS, methods.RECONSTRUCTION),
    Score("dead units", "scores.dead_units", general, S.OTHERS | S.DIAGNOSTIC, lower=True),
    Score("KL, nats", "scores.likelihood.kl", error, S.OTHERS, methods.LIKELIHOOD),
    Score("active units", "scores.likelihood.active_units", general, S.OTHERS, methods.LIKELIHOOD),
    Score("silhouette", "scores.silhouette.raw", accuracy, S.OTHERS | S.DIAGNOSTIC, title="silhouette raw"),
    Score("silhouette l2", "scores.silhouette.l2", accuracy, S.OTHERS),
    Score("alignment", "scores.alignment", three_decimals, S.SPREAD | S.DIAGNOSTIC, methods.ALIGNMENT, lower=True),
    Score("uniformity", "scores.uniformity", three_decimals, S.SPREAD | S.DIAGNOSTIC, methods.UNIFORMITY, lower=True),
    Score("parameters", "run.parameters", whole, S.COMPARISON, lower=True, spread=False),
    Score("minutes", "run.minutes", one_decimal, S.COMPARISON, methods.MINUTES, lower=True, spread=False),
    Score("augmentation", "run.augmentation", yes_or_no, S.COMPARISON, methods.AUGMENTATION, lower=True, spread=False),
)


def listed(shown: Shown) -> tuple[Score, ...]:
    """Return the scores of these tables."""
    return tuple(score for score in SCORES if score.shown & shown)


def named_score(name: str) -> Score:
    """Return the score of this name."""
    return next(score for score in SCORES if score.name == name)


def row_of(scores: Scores | Layer, shown: Shown) -> Cells:
    """Return the row of a report's table; scores that do not apply are left out."""
    row = {}
    for score in listed(shown):
        if text := score.text(scores):
            row[score.title.format(**asdict(scores)) or score.name] = text
    return row


def scores_of_start(scores: Scores) -> Scores:
    """Return what a report tells of the run that a run was initialised from."""
    sections = {score.path.split(".")[1] for score in listed(Shown.START)}
    return Scores(**{section: getattr(scores, section) for section in sections})
