"""How each number of a report was made, and what part labels had in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from unsup.reports.score_schema import Scores

Explanation = tuple[str, str, str]  # the number, how it was made, what part labels had
CLUSTERINGS = {"own": "own clusters"}  # the model's own; other clusterings go by their keys in a report
FITTED = "train, validation"
SCORED = "none; they only score the result"
NATS = "nats a test image, binarised or a density as the model's likelihood has it: compare like with like"
FEATURES = "features learned for this from training images, never shown to the model"


@dataclass(frozen=True)
class ScoringMethod:
    """How some scores were made.

    Attributes:
        name: of the method under the table of a comparison.
        selection: how what is behind the scores was chosen, there.
        rows: what a report says of it, nothing where the report has no such score.
    """

    name: str
    selection: str = ""
    rows: Callable[[Scores], Iterable[Explanation]] = lambda _: ()


def _linear_probe(scores: Scores) -> Iterable[Explanation]:
    if scores.linear_probe:
        how = "logistic regression on standardised codes; C chosen on validation, then fitted on train + validation"
        yield "linear probe", f"{how}; interval: bootstrap over test images", FITTED


def _few_label(scores: Scores) -> Iterable[Explanation]:
    for n, probe in scores.few_label.items():
        how = f"the same with {n} labelled image{'s' if n != '1' else ''} a class and a fixed C"
        yield f"few-label {n}", f"{how}; mean and standard deviation of {probe.draws} draws", f"{n} a class"


def _probe_draws(scores: Scores) -> Iterable[Explanation]:
    if draws := scores.probe_draws:
        how = f"the linear probe, its C, fitted on {draws.images:,} training images; {draws.draws} draws of them"
        yield "draws of the linear probe", how, FITTED


def _imbalance(scores: Scores) -> Iterable[Explanation]:
    for ratio, draws in scores.imbalance.items():
        how = f"the linear probe, its C, with {ratio} images of the most frequent class to 1 of the least frequent one"
        how = "the linear probe, its C, with as many images of every class" if ratio == "1" else how
        how += f", {draws.images:,} in all" if draws.images is not None else ""
        yield "balanced" if ratio == "1" else f"imbalance {ratio}:1", f"{how}; {draws.draws} draws", FITTED


def _robustness(scores: Scores) -> Iterable[Explanation]:
    if scores.robustness:
        yield "robustness", "the fitted linear probe on corrupted test images", FITTED


def _ridge_probe(scores: Scores) -> Iterable[Explanation]:
    if scores.ridge_probe and scores.ridge_probe.validation is not None:
        how = "least squares on standardised codes; the strength of the regularisation chosen on validation"
        yield "ridge probe", how, FITTED


def _knn(scores: Scores) -> Iterable[Explanation]:
    if scores.knn:
        yield "kNN", f"vote of the {scores.knn.k} nearest training codes; k is fixed", "train"


def _number_and_labels(scores: Scores) -> tuple[str, str]:
    """Return what k is, and what part labels had in the clusterings."""
    if scores.clusters is None or scores.clusters.by in (None, "classes"):
        return "number of classes", "the number of classes; else none, they only score the result"
    return "the number with the largest silhouette", SCORED


def _kmeans(scores: Scores) -> Iterable[Explanation]:
    if scores.kmeans:
        k, labels = _number_and_labels(scores)
        yield "k-means", f"fitted on train, applied to test (inductive); restart chosen by inertia; k = {k}", labels


def _clusterings(scores: Scores) -> Iterable[Explanation]:
    k, labels = _number_and_labels(scores)
    for key, clustering in scores.clusterings.items():
        if clustering.test is None:
            continue
        on = "train" if clustering.fitted_on is None else f"{clustering.fitted_on:,} training images"
        how, seen = f"fitted on {on}, applied to test (inductive); k = {k}", labels
        if key == "own":
            how = f"by the model itself as it was trained on {on}; k = {clustering.k}, an option"
            seen = "none beyond that number; they only score the result"
        yield CLUSTERINGS.get(key, key), how, seen


def _cluster_count(scores: Scores) -> Iterable[Explanation]:
    if scores.clusters and (scores.clusters.silhouette is not None or scores.clusters.bic is not None):
        how = "k-means by its silhouette, Gaussian mixtures by their BIC, over a range of k; on training codes"
        yield "number of clusters", how, "none"


def _reconstruction(scores: Scores) -> Iterable[Explanation]:
    if scores.reconstruction:
        yield "reconstruction SSE", "summed squared error of a test image, pixels in [0, 1]; lower is better", "none"


def _rankme(scores: Scores) -> Iterable[Explanation]:
    if scores.rankme is not None:
        yield "RankMe", "effective rank of the training codes; at most their dimension", "none"


def _alignment(scores: Scores) -> Iterable[Explanation]:
    if scores.alignment is not None:
        yield "alignment", "of two random views of an image", "none"


def _uniformity(scores: Scores) -> Iterable[Explanation]:
    if scores.uniformity is not None:
        yield "uniformity", "of pairs of images, their codes scaled to length 1", "none"


def _generation(scores: Scores) -> Iterable[Explanation]:
    if scores.generation:
        labels = "train, for the features alone" if scores.linear_probe else "none"
        yield "Fréchet, kernel", f"distances between new and test images, by {FEATURES}", labels
        yield "precision, recall", "the same features; among others: within reach of the third neighbour of one", labels


def _likelihood(scores: Scores) -> Iterable[Explanation]:
    likelihood = scores.likelihood
    if likelihood and likelihood.elbo is not None:
        yield "-ELBO", f"{NATS}, one posterior sample each; an active unit has a mean KL above 0.01", "none"
    if likelihood and likelihood.log_likelihood is not None:
        how = f"{NATS}; an upper bound, importance-weighted over {likelihood.samples} posterior samples"
        yield "NLL", how, "none"


LINEAR_PROBE = ScoringMethod("linear probe", "labelled training images; C chosen with validation labels", _linear_probe)
FEW_LABEL = ScoringMethod("few-label", "so many labelled training images a class; C fixed, nothing chosen", _few_label)
PROBE_DRAWS = ScoringMethod("draws of the linear probe", rows=_probe_draws)
IMBALANCE = ScoringMethod("imbalance", rows=_imbalance)
ROBUSTNESS = ScoringMethod(
    "robustness",
    "the linear probe on corrupted test images, mean over corruptions and severities; its C with validation labels of "
    "clean images",
    _robustness,
)
RIDGE_PROBE = ScoringMethod(
    "ridge probe", "labelled training images; regularisation chosen with validation labels", _ridge_probe
)
KNN = ScoringMethod("kNN", "labelled training images; nothing chosen", _knn)
KMEANS = ScoringMethod(
    "k-means",
    "inductive (fitted on training codes, assigned to test images); restart by inertia, without any labels; k is the "
    "number of classes; for ACC clusters are matched to classes with test labels",
    _kmeans,
)
OWN_CLUSTERS = ScoringMethod(
    "own clusters", "of methods that cluster, as they were trained, without any labels", _clusterings
)
MIXTURE = ScoringMethod("mixture", "Gaussian mixture, inductive and without any labels like k-means, the same k")
CLUSTER_COUNT = ScoringMethod("number of clusters", rows=_cluster_count)
RECONSTRUCTION = ScoringMethod("reconstruction SSE", "without any labels; lower is better", _reconstruction)
RANKME = ScoringMethod("RankMe", "without any labels, on training codes", _rankme)
ALIGNMENT = ScoringMethod("alignment", rows=_alignment)
UNIFORMITY = ScoringMethod("uniformity", rows=_uniformity)
GENERATION = ScoringMethod("Fréchet", "nothing chosen; lower is better", _generation)
LIKELIHOOD = ScoringMethod("likelihood", rows=_likelihood)
MINUTES = ScoringMethod("minutes", "wall time of training")
AUGMENTATION = ScoringMethod(
    "augmentation", "yes where training saw random views, which takes knowledge about the images"
)
METHODS = (  # in the order of a report's table
    LINEAR_PROBE,
    FEW_LABEL,
    PROBE_DRAWS,
    IMBALANCE,
    ROBUSTNESS,
    RIDGE_PROBE,
    KNN,
    KMEANS,
    OWN_CLUSTERS,
    CLUSTER_COUNT,
    RECONSTRUCTION,
    RANKME,
    ALIGNMENT,
    UNIFORMITY,
    GENERATION,
    LIKELIHOOD,
)
