"""How each number of a report was made, and what part labels had in it."""

from collections.abc import Iterator

from unsup.reports.score_schema import Neighbours, ProbeScores, Scores

Explanation = tuple[str, str, str]  # the number, how it was made, what part labels had

# for the notes below a comparison: which labels and choices went into a column
LINEAR_PROBE = "linear probe: labelled training images; C chosen with validation labels, by cross-entropy"
FEW_LABEL = "few-label: that many labelled training images per class; C fixed, nothing chosen"
KNN = "kNN: labelled training images, cosine of centred codes; nothing chosen"
KMEANS = (
    "k-means: inductive (fitted on training codes, assigned to test images); restart by inertia, without any labels; k "
    "is the number of classes; for ACC clusters are matched to classes with test labels"
)
OWN_CLUSTERS = "own clusters: of methods that cluster during training, without any labels"
MIXTURE = "mixture: Gaussian mixture, inductive and without any labels like k-means, the same k"
RECONSTRUCTION = "reconstruction SSE: without any labels; lower is better"
RANKME = "RankMe: without any labels, on training codes"
GENERATION = "Fréchet: nothing chosen; lower is better"
ROBUSTNESS = (
    "robustness: the linear probe on corrupted test images, mean over corruptions and severities; its C with "
    "validation labels of clean images"
)
CPU = "CPU-s: processor seconds of training, of all cores and all stages together"
GPU = "GPU-s: wall seconds of training times GPUs in use, of all stages together"
BUDGET = "budget: CPU-s, or GPU-s on a GPU, divided by reference s, to compare machines"
SEEN = "images and views seen: in the training steps of the last stage alone, repetitions counted"
REFERENCE = "reference s: seconds of a fixed workload on the same machine"
AUGMENTATION = "augmentation: yes if training saw random views, which takes knowledge about the images"

CLUSTERINGS = {"own": "own clusters"}  # the model's own; other clusterings are named by their keys in a report
FITTED = "train, validation"
NATS = (
    "nats per test image, of binarised pixels or of a density as in the model's likelihood: compare only the same kind"
)


def explanations(scores: Scores) -> Iterator[Explanation]:
    """Yield the rows of the report's table, for the scores that apply."""
    yield from _with_labels(scores)
    yield from _clusters(scores)
    yield from _without_labels(scores)


def _with_labels(scores: Scores) -> Iterator[Explanation]:
    if scores.linear_probe:
        how = (
            "logistic regression on standardised codes; C chosen by cross-entropy on validation (cross-validation on "
            "train + validation if that has fewer than 1,000 images), then fitted on train + validation"
        )
        yield "linear probe", f"{how}; interval: Wilson's, over test images", FITTED
    yield from _of_the_probe(scores.linear_probe)
    for n, probe in scores.few_label.items():
        how = (
            f"logistic regression with {n} labelled image{'s' if n != '1' else ''} per class and a fixed C; codes are "
            "centred and divided by one common scale"
        )
        yield f"few-label {n}", f"{how}; mean and standard deviation of {probe.draws} draws", f"{n} per class"
    for n in scores.few_label_standardised:
        yield f"few-label {n}, standardised", "the same on codes standardised entry by entry", f"{n} per class"
    if scores.label_curve:
        how = "logistic regression with that many labels in all; codes scaled as for few-label probes"
        mean = f"mean of {len(scores.label_curve.random[0].by_draw)} draws"
        yield "label efficiency", f"{how}; C by cross-validation among these labels; {mean}", "that many"
    if draws := scores.probe_draws:
        how = f"the linear probe with its C, fitted on {draws.images:,} training images; {draws.draws} draws of them"
        yield "draws of the linear probe", how, FITTED
    for ratio, draws in scores.imbalance.items():
        name, how = f"imbalance {ratio}:1", f"{ratio} images of the most frequent class to 1 of the least frequent one"
        if ratio == "1":
            name, how = "balanced", "as many images of every class"
        how += f", {draws.images:,} in all" if draws.images is not None else ""
        yield name, f"the linear probe with its C and {how}; {draws.draws} draws", FITTED
    if scores.robustness:
        yield "robustness", "the fitted linear probe on corrupted test images", FITTED
    yield from _neighbours(scores.knn)


def _of_the_probe(probe: ProbeScores | None) -> Iterator[Explanation]:
    if probe is None or probe.balanced_accuracy is None:
        return
    how = "the linear probe, the log of the classes' shares in training subtracted before the maximum"
    yield "balanced accuracy", f"{how}; mean over the classes of the share that is recognised", FITTED
    yield "macro F1", "the linear probe as it is; mean over the classes with test images", FITTED
    yield "chance", "accuracy of always naming the most frequent class of training and validation images", FITTED
    if probe.nll is not None:
        how = "of the linear probe's probabilities; nats of the right class, and squared error summed over the classes"
        yield "NLL of the probe, Brier", how, FITTED
    how = "difference of confidence and accuracy, mean over 15 bins of the confidence weighted by their images"
    yield "calibration error", how, FITTED
    how = "the calibration error that a perfectly calibrated probe would have on so many images, by 1,000 simulations"
    yield "if calibrated", how, "none"


def _neighbours(knn: Neighbours | None) -> Iterator[Explanation]:
    if knn is None:
        return
    if knn.raw is None:  # a report of protocol 3
        yield "kNN", f"vote of the {knn.k} nearest training codes; k is fixed", "train"
        return
    how = "by the cosine after the mean training code is subtracted; k is 20, or the size of the smallest class"
    yield "kNN", f"majority of the {knn.k} nearest training codes, {how}", "train"
    yield "kNN, raw", "the same by the Euclidean distance", "train"
    yield "kNN, unit length", "the same by the cosine of the codes as they are", "train"
    if knn.weighted is not None:
        how = f"{knn.weighted.k} neighbours by that cosine, each with the weight exp(cosine / 0.1)"
        yield "kNN, weighted", f"{how}, as in the literature", "train"


def _clusters(scores: Scores) -> Iterator[Explanation]:
    count = scores.clusters
    k, labels = "number of classes", "the number of classes; else none, they only score the result"
    if count and count.by not in (None, "classes"):
        k, labels = "the number with the largest silhouette", "none; they only score the result"
    if scores.kmeans:
        yield "k-means", f"fitted on train, applied to test (inductive); restart chosen by inertia; k = {k}", labels
    for key, clustering in scores.clusterings.items():
        if clustering.test is None:
            continue
        on = "train" if clustering.fitted_on is None else f"{clustering.fitted_on:,} training images"
        if key == "own":
            how = f"by the model itself during its training on {on}; k = {clustering.k}, an option"
            yield CLUSTERINGS[key], how, "none beyond that number; they only score the result"
        else:
            yield key, f"fitted on {on}, applied to test (inductive); k = {k}", labels
    if count and (count.silhouette is not None or count.bic is not None):
        how = "k-means by its silhouette, Gaussian mixtures by their BIC, over a range of k; on training codes"
        yield "number of clusters", how, "none"


def _without_labels(scores: Scores) -> Iterator[Explanation]:
    if scores.reconstruction:
        yield "reconstruction SSE", "summed squared error of a test image, pixels in [0, 1]; lower is better", "none"
    if scores.rankme is not None:
        yield "RankMe", "effective rank of the training codes; at most their dimension", "none"
    if scores.alignment is not None:
        yield "alignment", "of two random views of an image", "none"
    if scores.uniformity is not None:
        yield "uniformity", "of pairs of images, their codes scaled to length 1", "none"
    if scores.generation:
        labels = "train, for the features alone" if scores.linear_probe else "none"
        features = "features learned for this purpose from training images, never shown to the model"
        yield "Fréchet, kernel", f"distances between new and test images, by {features}", labels
        yield (
            "precision, recall",
            "the same features; an image lies among others if it is within reach of the third neighbour of one of them",
            labels,
        )
    likelihood = scores.likelihood
    if likelihood and likelihood.elbo is not None:
        yield "-ELBO", f"{NATS}, one posterior sample each; an active unit has a mean KL above 0.01", "none"
    if likelihood and likelihood.log_likelihood is not None:
        how = f"{NATS}; an upper bound, importance-weighted over {likelihood.samples} posterior samples"
        yield "NLL", how, "none"
    if likelihood and likelihood.bits_per_dimension is not None:
        how = "NLL / (numbers of an image x log 2) + 8: of grey levels 0..255, dequantised by uniform noise"
        yield "bits per dimension", how, "none"
