"""The measures of an evaluation, and their results as numbers for JSON."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from unsup.core.arrays import Floats, Ids
from unsup.core.splits import SPLITS
from unsup.core.words import counted
from unsup.evaluation.clusterings import Labels, kmeans_scores
from unsup.evaluation.encoded import Encoded
from unsup.evaluation.parallel import Measures
from unsup.evaluation.progress import say
from unsup.metrics import diagnostics, probes
from unsup.metrics.classification import ClassScores, class_scores
from unsup.metrics.label_efficiency import DRAWINGS, Drawing, label_curve
from unsup.metrics.neighbours import NeighbourVotes, neighbour_votes
from unsup.metrics.probes import Splits
from unsup.metrics.subsets import RATIOS

Extent = Literal["full", "quick", "baseline"]  # "baseline": what a comparison reads; "quick": the first scores alone
QUICK = ("linear probe", "few-label probe", "kNN", "k-means raw")
LAYER_IMAGES = 10_000  # training images on which probes of inner layers are fitted
FEW_LABELS = (1, 10)  # labelled images per class
FewLabels = dict[int, probes.Draws]  # by labelled images per class


class Probed(NamedTuple):
    """The linear probe, and how it depends on the images it is fitted on."""

    splits: Splits  # of standardised codes
    probe: probes.LinearProbe
    quality: ClassScores
    draws: probes.Draws | None  # None if the codes are too wide for more fits, or the evaluation is quick
    imbalance: dict[int, probes.Draws]  # by the ratio of the most to the least frequent class
    temperature: float | None  # that calibrates it; None for baselines


def probe_measures(encoded: dict[str, Encoded], labels: Labels, extent: Extent, curves: Sequence[Drawing]) -> Measures:
    """Return the probes of the codes, with label curves of these kinds of draws."""
    splits = _standardised([encoded[split].codes for split in SPLITS], labels)

    def linear_probe() -> Probed:
        probe = probes.linear_probe(splits)
        quality = class_scores(probe, splits.train_val_labels, splits.test_labels)
        temperature = None if extent == "baseline" else probes.probe_temperature(splits, probe)
        if extent == "quick" or splits.train_val.shape[1] > diagnostics.WIDE:
            return Probed(splits, probe, quality, None, {}, temperature)
        imbalance = {r: draws for r in RATIOS if (draws := probes.imbalanced(splits, probe.C, r)) is not None}
        return Probed(splits, probe, quality, probes.probe_draws(splits, probe.C), imbalance, temperature)

    return {
        "linear probe": linear_probe,
        "few-label probe": partial(_few_labels, splits),
        "few-label probe, standardised": partial(_few_labels, splits, standardised=True),
        **{_curve_name(drawing): partial(label_curve, splits, drawing) for drawing in curves},
    }


def layer_measures(encoded: dict[str, Encoded], labels: Labels) -> Measures:
    """Return the linear and few-label probes of each inner layer.

    They are fitted on at most 10,000 training images, and the linear one on the validation images too.
    """
    some = diagnostics.subsample(len(labels["train"]), LAYER_IMAGES)
    seen = labels | {"train": labels["train"][some]}

    def layer(name: str) -> tuple[probes.LinearProbe, FewLabels]:
        train, val, test = (encoded[split].layers[name] for split in SPLITS)
        splits = _standardised([train[some], val, test], seen)
        return probes.linear_probe(splits), _few_labels(splits)

    return {f"layer {name}": partial(layer, name) for name in encoded["test"].layers}


def knn_measures(codes: dict[str, Floats], labels: Labels, copies: Ids | None) -> Measures:
    """Return the votes of neighbours, also without training images that are copies."""
    votes = partial(neighbour_votes, codes["train"], labels["train"], codes["test"], labels["test"], copies)
    return {"kNN": votes}


def diagnostic_measures(train: Floats) -> Measures:
    return {"RankMe": partial(diagnostics.rankme, train), "uniformity": partial(diagnostics.uniformity, train)}


def output_scores(test: Encoded, pixels: int, importance_samples: int) -> dict[str, Any]:
    """Return scores of outputs other than codes, for images of this many values."""
    scores: dict[str, Any] = {}
    if test.squared_error is not None:
        sse = float(test.squared_error.mean(dtype=np.float64))
        scores["reconstruction"] = {"sse_per_image": sse, "mse_per_pixel": sse / pixels}
    if test.likelihood:
        scores["likelihood"] = diagnostics.likelihood_scores(test.likelihood, importance_samples, pixels)
    if test.view_distances is not None:
        scores["alignment"] = float(test.view_distances.mean(dtype=np.float64))
    return scores


def diagnostic_scores(done: dict[str, Any]) -> dict[str, Any]:
    names = {"rankme": "RankMe", "uniformity": "uniformity"}
    return {score: done[name] for score, name in names.items() if name in done}


def labelled_scores(done: dict[str, Any], labels: Labels, test: Encoded) -> dict[str, Any]:
    """Return scores of probes, neighbours and k-means against the labels."""
    probed, few = done["linear probe"], done["few-label probe"]
    for n in set(FEW_LABELS) - few.keys():
        say(f"no few-label probe with {n} per class: some class has fewer labelled training images")
    if probed.draws is not None and len(probed.imbalance) < len(RATIOS):
        say("no probe trained on imbalanced classes: too few training images per class")
    scores = _probe_scores(probed.probe, few)
    scores["linear_probe"] |= {name: value for name, value in probed.quality._asdict().items() if value is not None}
    scores["linear_probe"]["per_class"] = probed.probe.per_class
    if untested := probed.probe.untested:
        say(f"no test image of {counted(len(untested), 'class', 'classes')} (the first: class {untested[0]})")
        scores["linear_probe"]["untested"] = untested
    if standardised := done.get("few-label probe, standardised"):
        scores["few_label_standardised"] = _few_label_scores(standardised)
    if probed.draws is not None:
        scores["probe_draws"] = _draw_scores(probed.draws)
    if probed.imbalance:
        scores["imbalance"] = {str(ratio): _draw_scores(draws) for ratio, draws in probed.imbalance.items()}
    if curves := {drawing: done[name] for drawing in DRAWINGS if done.get(name := _curve_name(drawing))}:
        scores["label_curve"] = {drawing: [vars(point) for point in points] for drawing, points in curves.items()}
    votes: NeighbourVotes = done["kNN"]
    scores["knn"] = {
        "accuracy": votes.centred,
        "k": votes.k,
        "raw": {"accuracy": votes.raw},
        "l2": {"accuracy": votes.unit_length},
        "weighted": {"accuracy": votes.weighted, "k": votes.weighted_k},
    }
    scores["kmeans"] = kmeans_scores(done, labels)
    if test.layers:
        scores["layers"] = {
            name: {"dim": z.shape[1], **_probe_scores(*done[f"layer {name}"])} for name, z in test.layers.items()
        }
    return scores


def _probe_scores(probe: probes.LinearProbe, few: FewLabels) -> dict[str, Any]:
    return {
        "linear_probe": {"accuracy": probe.accuracy, "low": probe.low, "high": probe.high, "C": probe.C},
        "few_label": _few_label_scores(few),
    }


def _few_label_scores(few: FewLabels) -> dict[str, Any]:
    return {
        str(n): {"mean": draws.mean, "std": draws.std, "draws": draws.draws, "by_draw": draws.by_draw}
        for n, draws in few.items()
    }


def _draw_scores(draws: probes.Draws) -> dict[str, Any]:
    return {"mean": draws.mean, "std": draws.std, "draws": draws.draws, "images": draws.images}


def _standardised(codes: Sequence[Floats], labels: Labels) -> Splits:
    return Splits.of(codes, [labels[split] for split in SPLITS]).standardised()


def _curve_name(drawing: Drawing) -> str:
    return f"label curve, {drawing} draws"


def _few_labels(splits: Splits, standardised: bool = False) -> FewLabels:
    return {n: result for n in FEW_LABELS if (result := probes.few_label(splits, n, standardised)) is not None}
