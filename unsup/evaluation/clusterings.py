"""The clusterings of an evaluation, and their scores."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.preprocessing import normalize

from unsup.core.arrays import Floats, Ids
from unsup.core.splits import SPLITS
from unsup.evaluation.encoded import Encoded
from unsup.evaluation.parallel import Measures
from unsup.evaluation.progress import say
from unsup.metrics import clustering, diagnostics, mixtures

CLUSTERED_IMAGES = 100_000  # training images that k-means sees

Labels = dict[str, Ids]  # of each split


class SpaceKMeans(NamedTuple):
    """k-means in one space."""

    clustering: clustering.Clustering  # of `clustered` training images
    silhouette: float | None  # of these
    all_images: Ids  # of these, n_val and n_test more: clusters after a fit on all of them


def cluster_measures(codes: dict[str, Floats], k: int, unit_length: bool) -> Measures:
    """Return k-means, perhaps also of codes of length 1, and the other clusterings."""

    def kmeans(scaled: Callable[[Floats], Floats]) -> SpaceKMeans:
        train, val, test = (scaled(z) for z in (codes["train"][clustered(codes["train"])], codes["val"], codes["test"]))
        fitted = clustering.kmeans(train, test, k)
        silhouette = diagnostics.silhouette(train, fitted.train)
        everything = np.concatenate([train, val, test])
        return SpaceKMeans(fitted, silhouette, clustering.kmeans_from(fitted.centres, everything))

    spaces: Measures = {"k-means raw": partial(kmeans, np.asarray)}
    spaces |= {"k-means l2": partial(kmeans, normalize)} if unit_length else {}
    return spaces | {
        name: partial(method, codes["train"], codes["test"], k) for name, method in mixtures.methods().items()
    }


def clustered(train: Floats | Ids) -> Ids | slice:
    """Return which of the training images k-means sees."""
    few = len(train) <= CLUSTERED_IMAGES
    return slice(None) if few else diagnostics.subsample(len(train), CLUSTERED_IMAGES)


def clustering_scores(done: dict[str, Any], labels: Labels | None) -> dict[str, Any]:
    """Return scores of the clusterings other than k-means."""
    scores: dict[str, Any] = {}
    for name, result in done.items():
        if isinstance(result, clustering.Assignment):
            scores[name] = {"k": result.k, "fitted_on": result.fitted_on, "dim": result.dim}
            if labels is not None:
                scores[name] |= _agreements(labels, {"train": result.train, "test": result.test})
    return scores


def own_cluster_scores(encoded: dict[str, Encoded], k: int, labels: Labels | None) -> dict[str, Any]:
    """Return scores of the model's own k clusters, if it has any."""
    ids = {split: outputs.clusters for split, outputs in encoded.items() if outputs.clusters is not None}
    if not ids:
        return {}
    scores: dict[str, Any] = {"k": k, "used": len(np.unique(ids["train"])), "fitted_on": len(ids["train"])}
    if labels is not None:
        scores |= _agreements(labels, ids)
        everything = [np.concatenate([values[split] for split in SPLITS]) for values in (labels, ids)]
        scores["transductive"] = clustering.agreement(*everything)  # on all images, by the same function
    return {"own": scores}


def silhouette_scores(done: dict[str, Any]) -> dict[str, Any]:
    """Return the silhouettes of k-means in each space where it is defined."""
    silhouettes = {space: kmeans.silhouette for space, kmeans in _kmeans_of(done).items()}
    if None in silhouettes.values():
        say("no silhouette where k-means finds a single cluster")
    defined = {space: value for space, value in silhouettes.items() if value is not None}
    return {"silhouette": defined} if defined else {}


def kmeans_scores(done: dict[str, Any], labels: Labels) -> dict[str, Any]:
    """Return scores of k-means in each space against the labels."""

    def inductive(fitted: clustering.Clustering) -> dict[str, Any]:
        restarts = [clustering.matched_accuracy(labels["test"], ids) for ids in fitted.restarts]
        return {
            **_agreements(labels, {"train": fitted.train, "test": fitted.test}),
            "restarts": {"acc_mean": float(np.mean(restarts)), "acc_std": float(np.std(restarts, ddof=1))},
        }

    labels = labels | {"train": labels["train"][clustered(labels["train"])]}
    by_space = {space: inductive(kmeans.clustering) for space, kmeans in _kmeans_of(done).items()}
    everything = np.concatenate([labels[split] for split in SPLITS])
    transductive = clustering.agreement(everything, done["k-means raw"].all_images)
    return {"space": "raw", **by_space["raw"], **by_space, "transductive": transductive}


def _kmeans_of(done: dict[str, Any]) -> dict[str, SpaceKMeans]:
    """Return k-means in each space in which it was fitted."""
    return {space: done[name] for space in ("raw", "l2") if (name := f"k-means {space}") in done}


def _agreements(labels: Labels, clusters: dict[str, Ids]) -> dict[str, Any]:
    return {split: clustering.agreement(labels[split], clusters[split]) for split in ("train", "test")}
