"""Sections on what the probes' accuracy depends on: corrupted images, draws of labels, classes, regularisation."""

from typing import Any

import numpy as np

from unsup.reports.blocks import Block, Note, Table, in_order
from unsup.reports.format import Cells, Scores, accuracy, enumeration, floor_name, named, with_spread

Report = dict[str, Any]
STRENGTHS = {  # of severities 1, 2 and 3, as in corruptions.py
    "gaussian noise": "standard deviation 0.05, 0.15, 0.3 of intensities in [0, 1]",
    "blur": "Gaussian, sigma 2, 4, 7 % of the shorter side, at least 0.4 pixels",
    "occlusion": "a grey square with a side of 20, 35, 50 % of the shorter side",
    "contrast": "70, 40, 20 % left",
    "shift": "by 4, 10, 20 % of the shorter side, at least one pixel",
    "missing pixels": "20, 40, 60 % of the pixels set to 0",
}
COLUMN = "alpha / D"
SMALL = "On very small images (8 pixels) the mild severities of blur and of shift coincide."


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
        note += " The floors' columns: their mean over the severities"
        first = any(found.get("initialisations") == 1 for _, found in beside)
        note += "; the untrained twin's: of its first initialisation." if first else "."
    blocks: list[Block] = [Table("Accuracy on corrupted images", rows), Note(note)]
    if strengths := [f"{kind}: {STRENGTHS[kind]}" for kind in kinds if kind in STRENGTHS]:
        small = f" {SMALL}" if {"blur", "shift"} & set(kinds) else ""
        blocks.append(Note(f"Severities 1, 2, 3. {'; '.join(strengths)}.{small}"))
    return blocks


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
        row |= {_ratio(r): with_spread(scores["imbalance"][r]) for r in ratios if r in scores.get("imbalance", {})}
        rows.append(row)
    if not ratios and not drawn:
        return []
    note = "Test accuracy of the linear probe, C as for all training images. ±: standard deviation over draws."
    if ratios:
        note += (
            f" {enumeration([_ratio(r) for r in ratios])}: training images of the most frequent class to those of the "
            f"least frequent one{_drawn(report['scores'])}. Class sizes fall exponentially; which classes are rare "
            "changes from draw to draw; the test images stay as they are."
        )
    return [Table("Linear probe on draws of training images", rows), Note(note)]


def _ratio(ratio: str) -> str:
    return "balanced" if ratio == "1" else f"{ratio}:1"


def _drawn(scores: Scores) -> str:
    """How many training images there are, the same number at every ratio."""
    found = [draws["images"] for draws in scores.get("imbalance", {}).values() if "images" in draws]
    return f", in a training set of {found[0]:,} images" if found else ""


def ridge_path(report: Report) -> list[Block]:
    """Validation accuracy at every strength of the regularisation, the one that this model's probe chose in bold."""
    paths = [
        (name, s["ridge_probe"], s["code_dim"])
        for name, s in named(report)
        if {"alphas", "validation"} <= s.get("ridge_probe", {}).keys() and "code_dim" in s
    ]
    if not paths:
        return []
    rows: list[Cells] = []
    model, twin = report["run"]["model"], report.get("floors", {}).get("untrained", {})
    grid = {_strength(alpha, dim) for _, path, dim in paths for alpha in path["alphas"]}
    for strength in sorted(grid, key=float):
        row = {COLUMN: strength}
        for name, path, dim in paths:
            for alpha, value in zip(path["alphas"], path["validation"], strict=True):
                if _strength(alpha, dim) == strength:
                    chosen = name == model and alpha == path.get("alpha")
                    row[name] = f"**{accuracy(value)}**" if chosen else accuracy(value)
        rows.append(row)
    rows.append({COLUMN: "test, at the best"} | {name: accuracy(path["accuracy"]) for name, path, _ in paths})
    rows = in_order(rows, [COLUMN, *(name for name, *_ in paths)])
    note = (
        "Validation accuracy of the ridge probe (closed form) by its regularisation; alpha = value x D, D the "
        "dimension of the codes. In bold the strength that this model's probe chose."
    )
    if "initialisations" in twin and any(name == floor_name("untrained", twin) for name, *_ in paths):
        note += " The untrained twin's column is a mean of initialisations, each with its own best for the last row."
    return [Table("Ridge probe along its regularisation", rows), Note(note)]


def _strength(alpha: float, dim: float) -> str:
    """In units of the dimension, as probes.py has them: one grid for codes of every dimension."""
    return f"{float(f'{alpha / dim:.3g}'):g}"
