"""The one evaluation that every model goes through, learned or not.

A change of a number, here or in the parts (codes, clustering, probes, …), changes VERSION with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsup.data.base import ImageData
from unsup.evaluation import clustering, diagnostics, probes
from unsup.evaluation.codes import IMPORTANCE_SAMPLES, SPLITS, Encoded, encode
from unsup.evaluation.feature_space import FeatureSpace
from unsup.evaluation.parallel import Parts, side_by_side
from unsup.evaluation.probes import Splits
from unsup.models.base import Model

VERSION = 1
UNLABELLED_CLUSTERS = 10
FEW_LABELS = (1, 10)  # labelled images a class

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Say = Callable[[str], None]
FewLabels = dict[int, probes.FewLabel]  # by labelled images a class


@dataclass(frozen=True)
class Evaluation:
    """Everything a report needs; n_test rows in the order of the test split.

    scores: numbers ready for JSON (never NaN or None: what does not apply is absent). Accuracies are shares in [0, 1].
    """

    scores: dict[str, Any]
    correct: dict[str, Floats]  # "linear_probe": 0 or 1; "few_label_1", "few_label_10": share of draws that were right
    predicted: Ids | None  # (n_test,) class by the linear probe; None: unlabelled
    clusters: Ids  # (n_test,) k-means on the raw codes
    codes: Floats  # (n_test, D)
    frozen: tuple[str, str]  # SHA-256 over parameters and buffers, before and after
    test_reads: int  # passes over the test images


def evaluate(
    model: Model,
    data: ImageData,
    layers: bool = True,
    feature_spaces: Sequence[FeatureSpace] = (),
    say: Say = lambda text: None,
) -> Evaluation:
    """Judge a frozen model on a data set: the same steps and settings whatever the model is.

    * Linear, ridge and few-label probes see codes standardised with training statistics.
    * k-means (k = classes), kNN and silhouette see them raw and scaled to length 1; the k-means headline is raw, where
      it then goes on on all images and is scored on them too (transductive). The spread over restarts is that of the
      test accuracy.
    * Codes with more than 1,024 dimensions reach k-means, kNN, silhouette and RankMe as 256 principal components of the
      training codes, and the scores say so (`reduced`).
    * Likelihoods, where the model has them, come from the one pass over the test images. New images are compared with
      test images in the given spaces.
    * Without labels, or with a single class, only what needs no labels is computed, and `say` tells so.

    Equal codes give the same scores bit for bit, whatever the number of cores: every part runs on one thread, several
    parts side by side.

    Args:
        layers: also probe the model's `layers`, if it has any.
        feature_spaces: where to judge what the model's `sample` gives; none: it is not judged.
        say: takes one line of progress at a time.

    Raises:
        UserError: codes or samples that are not finite or of a wrong shape; weights or buffers that change.
    """
    reads = data.test_reads
    encoded, generated, frozen = encode(model, data, layers, feature_spaces, say)
    labels = _labels(data, say)
    k = UNLABELLED_CLUSTERS if labels is None else len(data.class_names) or len(np.unique(labels["train"]))

    scores = _label_free_scores(encoded, data)
    compact = {split: one.codes for split, one in encoded.items()}
    if scores["code_dim"] > diagnostics.WIDE:
        say(f"{scores['code_dim']:,} dimensions: k-means, kNN, silhouette and RankMe see {diagnostics.COMPRESSED}")
        compact = diagnostics.principal_components(compact)
        kinds = ["rankme", "silhouette"] if labels is None else ["kmeans", "knn", "rankme", "silhouette"]
        scores["reduced"] = {"dim": compact["test"].shape[1], "for": kinds}
    spaces = {"raw": compact, "l2": {split: clustering.unit_length(z) for split, z in compact.items()}}

    parts = _cluster_parts(spaces, k)
    if labels is not None:
        parts = _layer_parts(encoded, labels) | parts | _knn_parts(spaces, labels) | _probe_parts(encoded, labels)
    judged = {f"generation: {s.name}": partial(s.scores, z) for s, z in zip(feature_spaces, generated, strict=True)}
    parts |= judged
    parts["RankMe"] = partial(diagnostics.rankme, compact["train"])
    done = side_by_side(parts, say)  # the longest first

    scores["rankme"] = done["RankMe"]
    if judged:
        scores["generation"] = {key: value for part in judged for key, value in done[part].items()}
    silhouettes = {space: done[f"k-means {space}"].silhouette for space in spaces}
    if None in silhouettes.values():
        say("no silhouette where k-means finds a single cluster")
    if found := {space: value for space, value in silhouettes.items() if value is not None}:
        scores["silhouette"] = found
    correct: dict[str, Floats] = {}
    if labels is not None:
        scores |= _labelled_scores(done, labels, encoded["test"], say)
        few = {f"few_label_{n}": result.share for n, result in done["few-label probe"].items()}
        correct = {"linear_probe": done["linear probe"].correct, **few}
    return Evaluation(
        scores=scores,
        correct=correct,
        predicted=None if labels is None else done["linear probe"].predicted,
        clusters=done["k-means raw"].found.test,
        codes=encoded["test"].codes,
        frozen=frozen,
        test_reads=data.test_reads - reads,
    )


def _labels(data: ImageData, say: Say) -> dict[str, Ids] | None:
    train, val, test = (data.labels(split) for split in SPLITS)
    if train is None or val is None or test is None:
        say("unlabelled images: only what needs no labels is scored")
        return None
    if len(np.unique(train)) < 2:
        say("all training images are of one class: only what needs no labels is scored")
        return None
    return {"train": train, "val": val, "test": test}


def _label_free_scores(encoded: dict[str, Encoded], data: ImageData) -> dict[str, Any]:
    codes, errors = encoded["train"].codes, encoded["test"].squared_error
    scores: dict[str, Any] = {"code_dim": codes.shape[1], "dead_units": diagnostics.dead_units(codes)}
    if errors is not None:
        sse = float(errors.mean(dtype=np.float64))
        scores["reconstruction"] = {"sse_per_image": sse, "mse_per_pixel": sse / float(np.prod(data.shape))}
    if nats := encoded["test"].likelihood:
        scores["likelihood"] = diagnostics.likelihood(nats, IMPORTANCE_SAMPLES)
    return scores


# ---- parts: what is computed, each a function without arguments ------------------------------------------------------


def _layer_parts(encoded: dict[str, Encoded], labels: dict[str, Ids]) -> Parts:
    def layer(name: str) -> tuple[probes.LinearProbe, FewLabels]:
        splits = _splits([encoded[split].layers[name] for split in SPLITS], labels)
        return probes.linear_probe(splits), _few_labels(splits)

    return {f"layer {name}": partial(layer, name) for name in encoded["test"].layers}


def _probe_parts(encoded: dict[str, Encoded], labels: dict[str, Ids]) -> Parts:
    code = _splits([encoded[split].codes for split in SPLITS], labels)
    return {
        "linear probe": partial(probes.linear_probe, code),
        "few-label probe": partial(_few_labels, code),
        "ridge probe": partial(probes.ridge_probe, code),
    }


def _splits(codes: Sequence[Floats], labels: dict[str, Ids]) -> Splits:
    return Splits.of(codes, [labels[split] for split in SPLITS]).standardised()


def _few_labels(splits: Splits) -> FewLabels:
    found = {n: probes.few_label(splits, n) for n in FEW_LABELS}
    return {n: result for n, result in found.items() if result is not None}


def _knn_parts(spaces: dict[str, dict[str, Floats]], labels: dict[str, Ids]) -> Parts:
    return {
        f"kNN {space}": partial(probes.knn, z["train"], labels["train"], z["test"], labels["test"])
        for space, z in spaces.items()
    }


class _Clusters(NamedTuple):
    found: clustering.Clustering
    silhouette: float | None  # of training images
    all_images: Ids  # (n_train + n_val + n_test,): fitted on all of them


def _cluster_parts(spaces: dict[str, dict[str, Floats]], k: int) -> Parts:
    def clusters(z: dict[str, Floats]) -> _Clusters:
        found = clustering.kmeans(z["train"], z["test"], k)
        everything = np.concatenate([z[split] for split in SPLITS])
        silhouette = diagnostics.silhouette(z["train"], found.train)
        return _Clusters(found, silhouette, clustering.kmeans_from(found.centres, everything))

    return {f"k-means {space}": partial(clusters, z) for space, z in spaces.items()}


# ---- scores: what the parts found, as plain numbers ------------------------------------------------------------------


def _labelled_scores(done: dict[str, Any], labels: dict[str, Ids], test: Encoded, say: Say) -> dict[str, Any]:
    few = done["few-label probe"]
    for n in set(FEW_LABELS) - few.keys():
        say(f"no few-label probe with {n} a class: some class has fewer labelled training images")
    per_class = done["linear probe"].per_class
    if per_class is None:
        say("no accuracy per class: some class has no test images")
    raw, l2 = done["kNN raw"], done["kNN l2"]
    scores = _probe_scores(done["linear probe"], few)
    scores["linear_probe"] |= {} if per_class is None else {"per_class": per_class}
    scores["ridge_probe"] = {"accuracy": done["ridge probe"]}
    scores["knn"] = {"accuracy": raw[0], "k": raw[1], "l2": {"accuracy": l2[0]}}
    scores["kmeans"] = _kmeans_scores(done, labels)
    if test.layers:
        scores["layers"] = {
            name: {"dim": z.shape[1], **_probe_scores(*done[f"layer {name}"])} for name, z in test.layers.items()
        }
    return scores


def _probe_scores(probe: probes.LinearProbe, few: FewLabels) -> dict[str, Any]:
    return {
        "linear_probe": {"accuracy": probe.accuracy, "low": probe.low, "high": probe.high, "C": probe.C},
        "few_label": {str(n): {"mean": one.mean, "std": one.std, "draws": one.draws} for n, one in few.items()},
    }


def _kmeans_scores(done: dict[str, Any], labels: dict[str, Ids]) -> dict[str, Any]:
    def inductive(found: clustering.Clustering) -> dict[str, Any]:
        restarts = [clustering.accuracy(labels["test"], ids) for ids in found.restarts]
        return {
            "train": clustering.scores(labels["train"], found.train),
            "test": clustering.scores(labels["test"], found.test),
            "restarts": {"acc_mean": float(np.mean(restarts)), "acc_std": float(np.std(restarts, ddof=1))},
        }

    by_space = {space: inductive(done[f"k-means {space}"].found) for space in ("raw", "l2")}
    everything = np.concatenate([labels[split] for split in SPLITS])
    transductive = clustering.scores(everything, done["k-means raw"].all_images)
    return {"space": "raw", **by_space["raw"], **by_space, "transductive": transductive}
