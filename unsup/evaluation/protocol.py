"""The one evaluation that every model goes through, learned or not.

A change of a number, here or in the parts (codes, clustering, probes, …), changes VERSION with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from unsup.core.arrays import Floats, Ids
from unsup.data.base import ImageData
from unsup.evaluation import measures
from unsup.evaluation.codes import SPLITS, certificate, encode, generate
from unsup.evaluation.feature_space import FeatureSpace
from unsup.evaluation.parallel import Parts, side_by_side
from unsup.evaluation.progress import say
from unsup.evaluation.robustness import robustness
from unsup.metrics import clustering, diagnostics
from unsup.metrics.heads import Heads
from unsup.metrics.mixtures import estimate_k
from unsup.metrics.probes import LinearProbe
from unsup.models.base import Model
from unsup.models.frozen import weights_hash

VERSION = 3


@dataclass(frozen=True)
class Evaluation:
    """Everything a report needs; n_test rows in the order of the test split.

    scores: numbers ready for JSON (never NaN or None: what does not apply is absent). Accuracies are shares in [0, 1].
    """

    scores: dict[str, Any]
    correct: dict[str, Floats]  # "linear_probe": 0 or 1; "few_label_1", "few_label_10": share of draws that were right
    predicted: Ids | None  # (n_test,) class by the linear probe; None: unlabelled
    clusters: Ids  # (n_test,) k-means on the raw codes
    cluster_distances: Floats  # (n_test, k) to its centres
    codes: Floats  # (n_test, D)
    heads: Heads  # for new images
    frozen: tuple[str, str]  # SHA-256 over parameters and buffers, before and after
    test_reads: int  # passes over the test images
    own: Ids | None = None  # (n_test,) clusters of a model that assigns them itself


def evaluate(
    model: Model,
    data: ImageData,
    layers: bool = True,
    count: bool = True,
    corrupted: bool = True,
    feature_spaces: Sequence[FeatureSpace] = (),
) -> Evaluation:
    """Judge a frozen model on a data set: the same steps and settings whatever the model is.

    * Linear, ridge and few-label probes see codes standardised with training statistics.
    * k-means (k = classes), kNN and silhouette see them raw and scaled to length 1; the k-means headline is raw, where
      it then goes on on all images and is scored on them too (transductive). The spread over restarts is that of the
      test accuracy. The other clusterings see them raw; a model's own (`assign`) are scored as they are.
    * Codes with more than 1,024 dimensions reach clusterings, kNN and diagnostics as 256 principal components of the
      training codes, and the scores say so (`reduced`); the linear probe is then not fitted again on other draws.
    * Likelihoods, where the model has them, come from the one pass over the test images; corrupted test images are
      made from it. New images are compared with test images in the given spaces.
    * Without labels, or with a single class, only what needs no labels is computed, and a log record says so; k is then
      the number of clusters with the best silhouette.

    Equal codes give the same scores bit for bit, whatever the number of cores: every part runs on one thread, several
    parts side by side.

    Args:
        layers: also probe the model's `layers`, if it has any.
        count: also estimate the number of clusters where the classes say it.
        corrupted: also probe corrupted test images.
        feature_spaces: where to judge what the model's `sample` gives; none: it is not judged.

    Raises:
        UserError: codes or samples that are not finite or of a wrong shape; weights or buffers that change.
    """
    reads, before = data.test_reads, weights_hash(model)
    encoded, images = encode(model, data, layers)
    generated = generate(model, feature_spaces)
    labels = _labels(data)

    found = measures.label_free(encoded, int(np.prod(data.shape)))
    codes = {split: one.codes for split, one in encoded.items()}
    compact, axes = codes, None
    if found["code_dim"] > diagnostics.WIDE:
        say(f"{found['code_dim']:,} dimensions: clusterings, kNN and diagnostics see {diagnostics.COMPRESSED}")
        axes = diagnostics.principal_components(codes["train"])
        compact = {split: axes.transform(z) for split, z in codes.items()}
        kinds = ["clusterings", "diagnostics"] if labels is None else ["clusterings", "kNN", "diagnostics"]
        found["reduced"] = {"dim": compact["test"].shape[1], "for": kinds}
    spaces = {"raw": compact, "l2": {split: clustering.unit_length(z) for split, z in compact.items()}}

    counting: Parts = {"number of clusters": partial(estimate_k, compact["train"])}
    done = side_by_side(counting) if labels is None else {}  # k is needed before anything else
    k = done["number of clusters"]["silhouette"] if labels is None else _classes(data, labels)
    todo = measures.cluster_parts(spaces, k) | measures.diagnostic_parts(compact["train"])
    if labels is not None:
        judged = measures.layer_parts(encoded, labels) | measures.knn_parts(spaces, labels)
        todo = judged | measures.probe_parts(encoded, labels) | (counting if count else {}) | todo
    generation = {f"generation: {s.name}": partial(s.scores, z) for s, z in zip(feature_spaces, generated, strict=True)}
    done |= side_by_side(todo | generation)

    found["clusters"] = {"k": k, "by": "silhouette" if labels is None else "classes"}
    found["clusters"] |= done.get("number of clusters", {})
    found |= measures.diagnosed(done)
    own = measures.own_clusters(encoded, getattr(model, "num_clusters", 0), labels)
    found["clusterings"] = own | measures.clusterings(done, labels)
    if generation:
        found["generation"] = {key: value for part in generation for key, value in done[part].items()}
    correct: dict[str, Floats] = {}
    probe: LinearProbe | None = None
    if labels is not None:
        probe = cast(LinearProbe, done["linear probe"].probe)
        found |= measures.labelled(done, labels, encoded["test"])
        if corrupted:
            found["robustness"] = robustness(model, images, labels["test"], probe.fitted)
        few = {f"few_label_{n}": result.share for n, result in done["few-label probe"].items()}
        correct = {"linear_probe": probe.correct, **few}
    kmeans = done["k-means raw"].found
    heads = Heads.fit(
        kmeans.centres,
        compact["train"],
        compact["val"],
        errors=encoded["val"].squared_error,
        axes=None if axes is None else axes.components_,
        origin=None if axes is None else axes.mean_,
        probe=None if probe is None else probe.fitted,
    )
    return Evaluation(
        scores=found,
        correct=correct,
        predicted=None if probe is None else probe.predicted,
        clusters=kmeans.test,
        cluster_distances=heads.centre_distances(codes["test"]),
        codes=codes["test"],
        heads=heads,
        frozen=certificate(model, before),
        test_reads=data.test_reads - reads,
        own=encoded["test"].clusters,
    )


def _labels(data: ImageData) -> dict[str, Ids] | None:
    train, val, test = (data.labels(split) for split in SPLITS)
    if train is None or val is None or test is None:
        say("unlabelled images: only what needs no labels is scored")
        return None
    if len(np.unique(train)) < 2:
        say("all training images are of one class: only what needs no labels is scored")
        return None
    return {"train": train, "val": val, "test": test}


def _classes(data: ImageData, labels: dict[str, Ids]) -> int:
    return len(data.class_names) or len(np.unique(labels["train"]))
