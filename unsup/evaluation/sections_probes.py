"""Sections on what the probes' accuracy depends on: corrupted images, draws of labels, classes, regularisation."""

from typing import Any

import numpy as np

from unsup.evaluation.document import Block, Note, Table, in_order
from unsup.evaluation.summary import Cells, Scores, accuracy, named, with_spread

Report = dict[str, Any]


def robustness(report: Report) -> list[Block]:
    """Corruption x severity of this model, with the mean over severities of each floor beside it."""
    own = report["scores"].get("robustness")
    if own is None:
        return []
    beside = [(name, scores["robustness"]) for name, scores in named(report)[1:] if "robustness" in scores]
    kinds = [kind for kind, value in own.items() if isinstance(value, list)]
    rows: list[Cells] = []
    if "clean" in own:
        row = {"test images": "clean", "mean": accuracy(own["clean"])}
        rows.append(row | {name: accuracy(found["clean"]) for name, found in beside if "clean" in found})
    for kind in kinds:
        row = {"test images": kind} | {f"severity {i}": accuracy(value) for i, value in enumerate(own[kind], 1)}
        row["mean"] = _mean(own, [kind])
        rows.append(row | {name: _mean(found, [kind]) for name, found in beside if kind in found})
    shared = [(name, found) for name, found in beside if found.keys() >= set(kinds)]
    if kinds:
        row = {"test images": "**all corruptions**", "mean": f"**{_mean(own, kinds)}**"}
        rows.append(row | {name: _mean(found, kinds) for name, found in shared})
    severities = [f"severity {i + 1}" for i in range(max((len(own[kind]) for kind in kinds), default=0))]
    rows = in_order(rows, ["test images", *severities, "mean", *(name for name, _ in beside)])
    some = f"{own['images']:,} test images" if "images" in own else "test images"
    note = f"Accuracy of the linear probe, fitted on clean images, on {some}, corrupted."
    if beside:
        note += " The floors' columns: their mean over the severities."
    return [Table("Accuracy on corrupted images", rows), Note(note)]


def _mean(found: Scores, kinds: list[str]) -> str:
    return accuracy(float(np.mean([np.mean(found[kind]) for kind in kinds])))


def draws(report: Report) -> list[Block]:
    """The linear probe on other training images than all: draws of them, and classes of unequal size."""
    rows: list[Cells] = []
    ratios = list(dict.fromkeys(ratio for _, scores in named(report) for ratio in scores.get("imbalance", {})))
    drawn = [scores["probe_draws"] for _, scores in named(report) if "probe_draws" in scores]
    for name, scores in named(report):
        row = {"codes": name}
        if "linear_probe" in scores:
            row["all training images"] = accuracy(scores["linear_probe"]["accuracy"])
        if "probe_draws" in scores:
            row[f"draws of {scores['probe_draws']['images']:,}"] = with_spread(scores["probe_draws"])
        row |= {f"{r}:1": with_spread(scores["imbalance"][r]) for r in ratios if r in scores.get("imbalance", {})}
        rows.append(row)
    if not ratios and not drawn:
        return []
    note = "Test accuracy of the linear probe, C as for all training images. ±: standard deviation over draws."
    if ratios:
        note += (
            f" {' and '.join(f'{r}:1' for r in ratios)}: the most frequent class has so many times the training "
            "images of the least frequent one, in a training set of one size; the test images stay as they are."
        )
    return [Table("Linear probe on draws of training images", rows), Note(note)]


def ridge_path(report: Report) -> list[Block]:
    """Validation accuracy at every strength of the regularisation, the chosen one in bold."""
    paths = [
        (name, s["ridge_probe"])
        for name, s in named(report)
        if {"alphas", "validation"} <= s.get("ridge_probe", {}).keys()
    ]
    if not paths:
        return []
    rows: list[Cells] = []
    for alpha in sorted({alpha for _, path in paths for alpha in path["alphas"]}):
        row = {"alpha": f"{alpha:g}"}
        for name, path in paths:
            at = dict(zip(path["alphas"], path["validation"], strict=True))
            if alpha in at:
                text = accuracy(at[alpha])
                row[name] = f"**{text}**" if alpha == path.get("alpha") else text
        rows.append(row)
    rows.append({"alpha": "test, at the best"} | {name: accuracy(path["accuracy"]) for name, path in paths})
    rows = in_order(rows, ["alpha", *(name for name, _ in paths)])
    note = "Validation accuracy of the ridge probe (closed form) by its regularisation; in bold the chosen strength."
    return [Table("Ridge probe along its regularisation", rows), Note(note)]
