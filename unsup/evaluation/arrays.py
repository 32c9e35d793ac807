"""Scores of codes from arrays alone, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np

from unsup.core.arrays import Floats, Ids
from unsup.evaluation import clusterings, measures
from unsup.evaluation.copies import Copies, copy_scores
from unsup.evaluation.encoded import Encoded
from unsup.evaluation.forecast import scoring_seconds
from unsup.evaluation.new_images import held_out_measures, new_image_scores
from unsup.evaluation.parallel import Measures, run_side_by_side
from unsup.evaluation.progress import say
from unsup.metrics import diagnostics, mixtures
from unsup.metrics.label_efficiency import DRAWINGS, Drawing
from unsup.metrics.neighbours import nearest_by_cosine
from unsup.metrics.probes import LinearProbe
from unsup.metrics.readout import Readout

PICTURED = 8  # test images, and as many neighbours of each


class Neighbours(NamedTuple):
    """Some test images and their nearest training images by centred cosine."""

    test: Ids  # (q,) positions
    train: Ids  # (q, r) positions, the nearest first


@dataclass(frozen=True)
class CodeEvaluation:
    """Scores of codes, and arrays of n_test rows in the order of the test split.

    The scores are numbers ready for JSON, never NaN or None: what does not apply is absent. Accuracies are in [0, 1].
    """

    scores: dict[str, Any]
    correct: dict[str, Floats]  # "linear_probe": 0 or 1; "few_label_1", "few_label_10": share of draws that were right
    predicted: Ids | None  # (n_test,) class by the linear probe; None without labels
    clusters: Ids  # (n_test,) k-means on the raw codes
    cluster_distances: Floats  # (n_test, k) to its centres
    codes: Floats  # (n_test, D)
    readout: Readout  # for new images
    neighbours: Neighbours


def judge_arrays(
    encoded: dict[str, Encoded],
    labels: dict[str, Ids] | None,
    *,
    workers: int,
    classes: int | None = None,
    num_clusters: int = 0,
    extent: measures.Extent = "full",
    output_scores: dict[str, Any] | None = None,
    generation: Measures | None = None,
    copies: Copies | None = None,
    curves: Sequence[Drawing] = DRAWINGS,
) -> CodeEvaluation:
    """Score the codes of each split as `judge_model` of the protocol does.

    Equal codes give the same scores bit for bit, whatever the number of workers: every measure runs on one thread.

    Args:
        encoded: the model's outputs on the splits train, val and test.
        labels: (n,) of each split; None computes only what needs no labels.
        workers: how many measures are computed at a time.
        classes: the number of classes and clusters; None takes it from the training labels.
        num_clusters: the number of the model's own clusters, if it assigns any.
        extent: "baseline" leaves out what no comparison reads: an estimate of the number of clusters where the number
            of classes is known, k-means of codes of unit length, and scores of what `classify` says of new images.
            "quick" leaves out all but the linear probe, few labels, kNN and k-means of raw codes, whose scores are
            those of "full".
        output_scores: scores of the model's other outputs on test images.
        generation: functions that return scores of generated images, by name.
        copies: near-duplicates of test images, if they were looked for.
        curves: draws of labels whose accuracy is measured against their number; "quick" leaves them out.
    """
    generation = generation or {}
    codes = {split: outputs.codes for split, outputs in encoded.items()}
    scores: dict[str, Any] = {"code_dim": codes["train"].shape[1], "dead_units": diagnostics.dead_units(codes["train"])}
    scores |= output_scores or {}
    compact, axes = codes, None
    if scores["code_dim"] > diagnostics.WIDE:
        say(f"{scores['code_dim']:,} dimensions: clusterings and diagnostics see {diagnostics.COMPRESSED}")
        axes = diagnostics.principal_components(codes["train"])
        compact = {split: axes.transform(z) for split, z in codes.items()}
        scores["reduced"] = {"dim": compact["test"].shape[1], "for": ["clusterings", "diagnostics"]}

    counting: Measures = {"number of clusters": partial(mixtures.estimate_k, compact["train"])}
    if labels is None:  # k is needed before anything else
        done = run_side_by_side(counting, workers)
        k = done["number of clusters"]["silhouette"]
    else:
        done, k = {}, classes or len(np.unique(labels["train"]))
    todo = clusterings.cluster_measures(compact, k, unit_length=extent != "baseline")
    todo |= measures.diagnostic_measures(compact["train"])
    if labels is not None:
        duplicates = None if copies is None else copies.train_val[copies.train_val < len(codes["train"])]
        judged = measures.layer_measures(encoded, labels) | measures.knn_measures(codes, labels, duplicates)
        todo = judged | measures.probe_measures(encoded, labels, extent, curves) | todo
        todo |= counting | held_out_measures(compact, labels) if extent == "full" else {}
    if extent == "quick":
        todo = {name: todo[name] for name in measures.QUICK if name in todo}
    images, num_classes = sum(map(len, codes.values())), 0 if labels is None else k
    seconds = scoring_seconds(images, scores["code_dim"], num_classes, extent)
    done |= run_side_by_side(todo | generation, workers, seconds)

    scores["clusters"] = {"k": k, "by": "silhouette" if labels is None else "classes"}
    if (used := len(np.unique(done["k-means raw"].clustering.train))) < k:
        scores["clusters"]["used"] = used
    scores["clusters"] |= done.get("number of clusters", {})
    scores |= measures.diagnostic_scores(done) | clusterings.silhouette_scores(done)
    own = clusterings.own_cluster_scores(encoded, num_clusters, labels)
    scores["clusterings"] = own | clusterings.clustering_scores(done, labels)
    if generation:
        scores["generation"] = {key: value for name in generation for key, value in done[name].items()}
    correct: dict[str, Floats] = {}
    probe: LinearProbe | None = None
    probed: measures.Probed | None = done.get("linear probe")
    if labels is not None:
        probe = cast(LinearProbe, done["linear probe"].probe)
        scores |= measures.labelled_scores(done, labels, encoded["test"])
        few = {f"few_label_{n}": result.share for n, result in done["few-label probe"].items()}
        correct = {"linear_probe": probe.correct, **few}
    if copies is not None:
        say("scores without near-duplicates")
        standardised = probed.splits if probed else None
        scores["copies"] = copy_scores(copies, standardised, probe, done.get("kNN"))
    pictured = diagnostics.subsample(len(codes["test"]), PICTURED)
    kmeans = done["k-means raw"].clustering
    readout = Readout.fit(
        kmeans.centres,
        compact["train"],
        compact["val"],
        errors=encoded["val"].squared_error,
        axes=None if axes is None else axes.components_,
        origin=None if axes is None else axes.mean_,
        probe=None if probe is None else probe.fitted.calibrated((probed and probed.temperature) or 1.0),
    )
    if extent != "baseline":
        errors = encoded["test"].squared_error
        scores["new_images"] = new_image_scores(readout, codes["test"], errors, probed, done)
    return CodeEvaluation(
        scores=scores,
        correct=correct,
        predicted=None if probe is None else probe.predicted,
        clusters=kmeans.test,
        cluster_distances=readout.centre_distances(codes["test"]),
        codes=codes["test"],
        readout=readout,
        neighbours=Neighbours(pictured, nearest_by_cosine(codes["train"], codes["test"][pictured], PICTURED)),
    )
