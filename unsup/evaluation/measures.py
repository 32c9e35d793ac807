"""What the parts of an evaluation found, as plain numbers ready for JSON."""

from collections.abc import Callable
from typing import Any

import numpy as np

from unsup.evaluation.codes import SPLITS, Encoded
from unsup.evaluation.parts import FEW_LABELS, FewLabels, Labels
from unsup.metrics import clustering, diagnostics, probes
from unsup.metrics.subsets import RATIOS
from unsup.models.optional_outputs import IMPORTANCE_SAMPLES

Scores = dict[str, Any]
Say = Callable[[str], None]


def label_free(encoded: dict[str, Encoded], pixels: int) -> Scores:
    """What the passes over the images have told already; `pixels` is how many values an image has."""
    codes, test = encoded["train"].codes, encoded["test"]
    scores: Scores = {"code_dim": codes.shape[1], "dead_units": diagnostics.dead_units(codes)}
    if test.squared_error is not None:
        sse = float(test.squared_error.mean(dtype=np.float64))
        scores["reconstruction"] = {"sse_per_image": sse, "mse_per_pixel": sse / pixels}
    if test.likelihood:
        scores["likelihood"] = diagnostics.likelihood(test.likelihood, IMPORTANCE_SAMPLES)
    if test.between_views is not None:
        scores["alignment"] = float(test.between_views.mean(dtype=np.float64))
    return scores


def diagnosed(done: dict[str, Any], say: Say) -> Scores:
    """Diagnostics of the training codes and silhouettes of their clusters."""
    scores: Scores = {"rankme": done["RankMe"], "uniformity": done["uniformity"]}
    silhouettes = {space: done[f"k-means {space}"].silhouette for space in ("raw", "l2")}
    if None in silhouettes.values():
        say("no silhouette where k-means finds a single cluster")
    if found := {space: value for space, value in silhouettes.items() if value is not None}:
        scores["silhouette"] = found
    return scores


def clusterings(done: dict[str, Any], labels: Labels | None) -> Scores:
    """The clusterings beside k-means: how they were fitted and, with labels, how they agree with the classes."""
    found: Scores = {}
    for name, result in done.items():
        if isinstance(result, clustering.Assigned):
            found[name] = {"k": result.k, "fitted_on": result.fitted_on, "dim": result.dim}
            if labels is not None:
                found[name] |= {
                    "train": clustering.scores(labels["train"], result.train),
                    "test": clustering.scores(labels["test"], result.test),
                }
    return found


def own_clusters(encoded: dict[str, Encoded], k: int, labels: Labels | None) -> Scores:
    """The model's own clusters, where it has any: how many of the k training images are in, agreement with the classes.

    On all images (transductive) as well: the same function.
    """
    ids = {split: one.clusters for split, one in encoded.items() if one.clusters is not None}
    if not ids:
        return {}
    found: Scores = {"k": k, "used": len(np.unique(ids["train"])), "fitted_on": len(ids["train"])}
    if labels is not None:
        found |= {split: clustering.scores(labels[split], ids[split]) for split in ("train", "test")}
        everything = [np.concatenate([of[split] for split in SPLITS]) for of in (labels, ids)]
        found["transductive"] = clustering.scores(*everything)
    return {"own": found}


def labelled(done: dict[str, Any], labels: Labels, test: Encoded, say: Say) -> Scores:
    """Probes, neighbours and k-means against the labels."""
    probed, few = done["linear probe"], done["few-label probe"]
    for n in set(FEW_LABELS) - few.keys():
        say(f"no few-label probe with {n} a class: some class has fewer labelled training images")
    if probed.draws is not None and len(probed.imbalance) < len(RATIOS):
        say("no probe trained on imbalanced classes: too few training images a class")
    per_class = probed.probe.per_class
    if per_class is None:
        say("no accuracy per class: some class has no test images")
    raw, l2 = done["kNN raw"], done["kNN l2"]
    scores = _probe_scores(probed.probe, few)
    scores["linear_probe"] |= {} if per_class is None else {"per_class": per_class}
    if probed.draws is not None:
        scores["probe_draws"] = _draws(probed.draws)
    if probed.imbalance:
        scores["imbalance"] = {str(ratio): _draws(draws) for ratio, draws in probed.imbalance.items()}
    ridge = done["ridge probe"]
    scores["ridge_probe"] = {
        "accuracy": ridge.accuracy,
        "alpha": ridge.alpha,
        "alphas": ridge.alphas,
        "validation": ridge.validation,
    }
    scores["knn"] = {"accuracy": raw[0], "k": raw[1], "l2": {"accuracy": l2[0]}}
    scores["kmeans"] = _kmeans_scores(done, labels)
    if test.layers:
        scores["layers"] = {
            name: {"dim": z.shape[1], **_probe_scores(*done[f"layer {name}"])} for name, z in test.layers.items()
        }
    return scores


def _probe_scores(probe: probes.LinearProbe, few: FewLabels) -> Scores:
    return {
        "linear_probe": {"accuracy": probe.accuracy, "low": probe.low, "high": probe.high, "C": probe.C},
        "few_label": {str(n): {"mean": one.mean, "std": one.std, "draws": one.draws} for n, one in few.items()},
    }


def _draws(found: probes.Draws) -> Scores:
    return {"mean": found.mean, "std": found.std, "draws": found.draws, "images": found.images}


def _kmeans_scores(done: dict[str, Any], labels: Labels) -> Scores:
    def inductive(found: clustering.Clustering) -> Scores:
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
