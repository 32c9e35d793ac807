"""How each number of a report was made, and what part labels had in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from unsup.reports.score_schema import Scores

Row = tuple[str, str, str]  # the number, how it was made, what part labels had
CLUSTERINGS = {"own": "own clusters"}  # the model's own; other clusterings go by their keys in a report
FITTED = "train, validation"
SCORED = "none; they only score the result"
NATS = "nats a test image, binarised or a density as the model's likelihood has it: compare like with like"
FEATURES = "features learned for this from training images, never shown to the model"


@dataclass(frozen=True)
class Method:
    """How some scores were made.

    Attributes:
        name: of the method under the table of a comparison.
        chosen: how what stands behind the scores was chosen, there.
        rows: what a report says of it, nothing where the report has no such score.
    """

    name: str
    chosen: str = ""
    rows: Callable[[Scores], Iterable[Row]] = lambda _: ()


def _linear_probe(scores: Scores) -> Iterable[Row]:
    if scores.linear_probe:
        how = "logistic regression on standardised codes; C chosen on validation, then fitted on train + validation"
        yield "linear probe", f"{how}; interval: bootstrap over test images", FITTED


def _few_label(scores: Scores) -> Iterable[Row]:
    for n, probe in scores.few_label.items():
        how = f"the same with {n} labelled image{'s' if n != '1' else ''} a class and a fixed C"
        yield f"few-label {n}", f"{how}; mean and standard deviation of {probe.draws} draws", f"{n} a class"


def _probe_draws(scores: Scores) -> Iterable[Row]:
    if draws := scores.probe_draws:
        how = f"the linear probe, its C, fitted on {draws.images:,} training images; {draws.draws} draws of them"
        yield "draws of the linear probe", how, FITTED


def _imbalance(scores: Scores) -> Iterable[Row]:
    for ratio, draws in scores.imbalance.items():
        how = f"the linear probe, its C, with {ratio} images of the most frequent class to 1 of the least frequent one"
        how = "the linear probe, its C, with as many images of every class" if ratio == "1" else how
        how += f", {draws.images:,} in all" if draws.images is not None else ""
        yield "balanced" if ratio == "1" else f"imbalance {ratio}:1", f"{how}; {draws.draws} draws", FITTED


def _robustness(scores: Scores) -> Iterable[Row]:
    if scores.robustness:
        yield "robustness", "the fitted linear probe on corrupted test images", FITTED


def _ridge_probe(scores: Scores) -> Iterable[Row]:
    if scores.ridge_probe and scores.ridge_probe.validation is not None:
        how = "least squares on standardised codes; the strength of the regularisation chosen on validation"
        yield "ridge probe", how, FITTED


def _knn(scores: Scores) -> Iterable[Row]:
    if scores.knn:
        yield "kNN", f"vote of the {scores.knn.k} nearest training codes; k is fixed", "train"


def _number_and_labels(scores: Scores) -> tuple[str, str]:
    """Return what k is, and what part labels had in the clusterings."""
    if scores.clusters is None or scores.clusters.by in (None, "classes"):
        return "number of classes", "the number of classes; else none, they only score the result"
    return "the number with the largest silhouette", SCORED


def _kmeans(scores: Scores) -> Iterable[Row]:
    if scores.kmeans:
        k, labels = _number_and_labels(scores)
        yield "k-means", f"fitted on train, applied to test (inductive); restart chosen by inertia; k = {k}", labels


def _clusterings(scores: Scores) -> Iterable[Row]:
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


def _cluster_count(scores: Scores) -> Iterable[Row]:
    if scores.clusters and (scores.clusters.silhouette is not None or scores.clusters.bic is not None):
        how = "k-means by its silhouette, Gaussian mixtures by their BIC, over a range of k; on training codes"
        yield "number of clusters", how, "none"


def _reconstruction(scores: Scores) -> Iterable[Row]:
    if scores.reconstruction:
        yield "reconstruction SSE", "summed squared error of a test image, pixels in [0, 1]; lower is better", "none"


def _rankme(scores: Scores) -> Iterable[Row]:
    if scores.rankme is not None:
        yield "RankMe", "effective rank of the training codes; at most their dimension", "none"


def _alignment(scores: Scores) -> Iterable[Row]:
    if scores.alignment is not None:
        yield "alignment", "of two random views of an image", "none"


def _uniformity(scores: Scores) -> Iterable[Row]:
    if scores.uniformity is not None:
        yield "uniformity", "of pairs of images, their codes scaled to length 1", "none"


def _generation(scores: Scores) -> Iterable[Row]:
    if scores.generation:
        labels = "train, for the features alone" if scores.linear_probe else "none"
        yield "Fréchet, kernel", f"distances between new and test images, by {FEATURES}", labels
        yield "precision, recall", "the same features; among others: within reach of the third neighbour of one", labels


def _likelihood(scores: Scores) -> Iterable[Row]:
    likelihood = scores.likelihood
    if likelihood and likelihood.elbo is not None:
        yield "-ELBO", f"{NATS}, one posterior sample each; an active unit has a mean KL above 0.01", "none"
    if likelihood and likelihood.log_likelihood is not None:
        how = f"{NATS}; an upper bound, importance-weighted over {likelihood.samples} posterior samples"
        yield "NLL", how, "none"


LINEAR_PROBE = Method("linear probe", "labelled training images; C chosen with validation labels", _linear_probe)
FEW_LABEL = Method("few-label", "so many labelled training images a class; C fixed, nothing chosen", _few_label)
PROBE_DRAWS = Method("draws of the linear probe", rows=_probe_draws)
IMBALANCE = Method("imbalance", rows=_imbalance)
ROBUSTNESS = Method(
    "robustness",
    "the linear probe on corrupted test images, mean over corruptions and severities; its C with validation labels of "
    "clean images",
    _robustness,
)
RIDGE_PROBE = Method(
    "ridge probe", "labelled training images; regularisation chosen with validation labels", _ridge_probe
)
KNN = Method("kNN", "labelled training images; nothing chosen", _knn)
KMEANS = Method(
    "k-means",
    "inductive (fitted on training codes, assigned to test images); restart by inertia, without any labels; k is the "
    "number of classes; for ACC clusters are matched to classes with test labels",
    _kmeans,
)
OWN_CLUSTERS = Method("own clusters", "of methods that cluster, as they were trained, without any labels", _clusterings)
MIXTURE = Method("mixture", "Gaussian mixture, inductive and without any labels like k-means, the same k")
CLUSTER_COUNT = Method("number of clusters", rows=_cluster_count)
RECONSTRUCTION = Method("reconstruction SSE", "without any labels; lower is better", _reconstruction)
RANKME = Method("RankMe", "without any labels, on training codes", _rankme)
ALIGNMENT = Method("alignment", rows=_alignment)
UNIFORMITY = Method("uniformity", rows=_uniformity)
GENERATION = Method("Fréchet", "nothing chosen; lower is better", _generation)
LIKELIHOOD = Method("likelihood", rows=_likelihood)
MINUTES = Method("minutes", "wall time of training")
AUGMENTATION = Method("augmentation", "yes where training saw random views, which takes knowledge about the images")
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
