"""What an evaluation computes, as functions without arguments that run side by side; arrays in, results out."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from unsup.evaluation.codes import SPLITS, Encoded
from unsup.evaluation.parallel import Parts
from unsup.metrics import clustering, diagnostics, mixtures, probes
from unsup.metrics.probes import Floats, Ids, Splits
from unsup.metrics.subsets import RATIOS

FEW_LABELS = (1, 10)  # labelled images a class

Labels = dict[str, Ids]  # of each split
Spaces = dict[str, dict[str, Floats]]  # "raw", "l2" -> codes of each split
FewLabels = dict[int, probes.FewLabel]  # by labelled images a class


class Probed(NamedTuple):
    """The linear probe of the code, and how it depends on the images that it is fitted on."""

    probe: probes.LinearProbe
    draws: probes.Draws | None  # None: codes are too wide to fit again and again
    imbalance: dict[int, probes.Draws]  # by the ratio of the most to the least frequent class


class Clusters(NamedTuple):
    """k-means in one space."""

    found: clustering.Clustering
    silhouette: float | None  # of training images
    all_images: Ids  # (n_train + n_val + n_test,): fitted on all of them


def probe_parts(encoded: dict[str, Encoded], labels: Labels) -> Parts:
    """The linear probe with its draws, few labels, ridge."""
    code = _splits([encoded[split].codes for split in SPLITS], labels)

    def probed() -> Probed:
        probe = probes.linear_probe(code)
        if code.fit.shape[1] > diagnostics.WIDE:
            return Probed(probe, None, {})
        found = {ratio: probes.imbalanced(code, probe.C, ratio) for ratio in RATIOS}
        imbalance = {ratio: draws for ratio, draws in found.items() if draws is not None}
        return Probed(probe, probes.probe_draws(code, probe.C), imbalance)

    return {
        "linear probe": probed,
        "few-label probe": partial(_few_labels, code),
        "ridge probe": partial(probes.ridge_probe, code),
    }


def layer_parts(encoded: dict[str, Encoded], labels: Labels) -> Parts:
    """The linear and few-label probes of each inner layer."""

    def layer(name: str) -> tuple[probes.LinearProbe, FewLabels]:
        splits = _splits([encoded[split].layers[name] for split in SPLITS], labels)
        return probes.linear_probe(splits), _few_labels(splits)

    return {f"layer {name}": partial(layer, name) for name in encoded["test"].layers}


def knn_parts(spaces: Spaces, labels: Labels) -> Parts:
    """kNN in each space."""
    return {
        f"kNN {space}": partial(probes.knn, z["train"], labels["train"], z["test"], labels["test"])
        for space, z in spaces.items()
    }


def cluster_parts(spaces: Spaces, k: int) -> Parts:
    """k-means in each space, the other clusterings on the raw codes."""
    raw = spaces["raw"]

    def kmeans(z: dict[str, Floats]) -> Clusters:
        found = clustering.kmeans(z["train"], z["test"], k)
        everything = np.concatenate([z[split] for split in SPLITS])
        silhouette = diagnostics.silhouette(z["train"], found.train)
        return Clusters(found, silhouette, clustering.kmeans_from(found.centres, everything))

    return {f"k-means {space}": partial(kmeans, z) for space, z in spaces.items()} | {
        name: partial(method, raw["train"], raw["test"], k) for name, method in mixtures.methods().items()
    }


def diagnostic_parts(train: Floats) -> Parts:
    """What needs no labels, from training codes (n, D) alone."""
    return {
        "RankMe": partial(diagnostics.rankme, train),
        "uniformity": partial(diagnostics.uniformity, train),
    }


def _splits(codes: Sequence[Floats], labels: Labels) -> Splits:
    return Splits.of(codes, [labels[split] for split in SPLITS]).standardised()


def _few_labels(splits: Splits) -> FewLabels:
    found = {n: probes.few_label(splits, n) for n in FEW_LABELS}
    return {n: result for n, result in found.items() if result is not None}
