"""Sections on what the probes' accuracy depends on: corrupted images, draws of labels, classes, regularisation."""

from collections.abc import Iterable, Mapping

import numpy as np

from unsup.reports.blocks import Block, Note, Table, in_order
from unsup.reports.format import Cells, accuracy, enumeration, with_spread
from unsup.reports.schema import Report, baseline_name
from unsup.reports.score_schema import Scores

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


def corrupted(report: Report) -> list[Block]:
    """Corruption x severity of this model, with the mean over severities of each floor beside it."""
    own = report.scores.robustness
    if not own:
        return []
    floors = [(name, scores) for name, scores in report.rows[1:] if scores.robustness]
    kinds = report.scores.corruptions
    rows: list[Cells] = []
    if "clean" in own:
        row = {"test images": "clean", "mean": _mean(own, ["clean"])}
        rows.append(row | {n: _mean(s.robustness, ["clean"]) for n, s in floors if "clean" in s.robustness})
    for kind, values in kinds.items():
        row = {"test images": kind} | {f"severity {i}": accuracy(value) for i, value in enumerate(values, 1)}
        row["mean"] = _mean(own, [kind])
        rows.append(row | {name: _mean(s.robustness, [kind]) for name, s in floors if kind in s.robustness})
    shared = [(name, scores) for name, scores in floors if scores.robustness.keys() >= set(kinds)]
    if kinds:
        row = {"test images": "**all corruptions**", "mean": f"**{_mean(own, kinds)}**"}
        rows.append(row | {name: _mean(scores.robustness, kinds) for name, scores in shared})
    severities = [f"severity {i + 1}" for i in range(max((len(values) for values in kinds.values()), default=0))]
    rows = in_order(rows, ["test images", *severities, "mean", *(name for name, _ in floors)])
    some = f"{own['images']:,} test images" if "images" in own else "test images"
    note = f"Accuracy of the linear probe, fitted on clean images, on {some}, corrupted."
    if floors:
        note += " The floors' columns: their mean over the severities"
        first = any(scores.robustness.get("initialisations") == 1 for _, scores in floors)
        note += "; the untrained twin's: of its first initialisation." if first else "."
    blocks: list[Block] = [Table("Accuracy on corrupted images", rows), Note(note)]
    if strengths := [f"{kind}: {STRENGTHS[kind]}" for kind in kinds if kind in STRENGTHS]:
        small = f" {SMALL}" if {"blur", "shift"} & set(kinds) else ""
        blocks.append(Note(f"Severities 1, 2, 3. {'; '.join(strengths)}.{small}"))
    return blocks


def _mean(robustness: Mapping[str, float | list[float]], kinds: Iterable[str]) -> str:
    return accuracy(float(np.mean([np.mean(robustness[kind]) for kind in kinds])))


def draws(report: Report) -> list[Block]:
    """The linear probe on other training images than all: draws of them, and classes of unequal size."""
    rows: list[Cells] = []
    ratios = list(dict.fromkeys(ratio for _, scores in report.rows for ratio in scores.imbalance))
    for name, scores in report.rows:
        row = {"codes": name}
        if scores.linear_probe:
            row["all training images"] = accuracy(scores.linear_probe.accuracy)
        if scores.probe_draws:
            row[f"draws of {scores.probe_draws.images:,}"] = with_spread(scores.probe_draws)
        row |= {_ratio(ratio): with_spread(scores.imbalance[ratio]) for ratio in ratios if ratio in scores.imbalance}
        rows.append(row)
    if not ratios and not any(scores.probe_draws for _, scores in report.rows):
        return []
    note = "Test accuracy of the linear probe, C as for all training images. ±: standard deviation over draws."
    if ratios:
        note += (
            f" {enumeration([_ratio(r) for r in ratios])}: training images of the most frequent class to those of the "
            f"least frequent one{_training_set(report.scores)}. Class sizes fall exponentially; which classes are rare "
            "changes from draw to draw; the test images stay as they are."
        )
    return [Table("Linear probe on draws of training images", rows), Note(note)]


def _ratio(ratio: str) -> str:
    return "balanced" if ratio == "1" else f"{ratio}:1"


def _training_set(scores: Scores) -> str:
    """How many training images there are, the same number at every ratio."""
    sizes = [draws.images for draws in scores.imbalance.values() if draws.images is not None]
    return f", in a training set of {sizes[0]:,} images" if sizes else ""


def ridge_path(report: Report) -> list[Block]:
    """Validation accuracy at every strength of the regularisation, the one that this model's probe chose in bold."""
    paths = [
        (name, ridge, ridge.alphas, ridge.validation, scores.code_dim)
        for name, scores in report.rows
        if (ridge := scores.ridge_probe) and ridge.alphas and ridge.validation and scores.code_dim
    ]
    if not paths:
        return []
    rows: list[Cells] = []
    model, twin = report.run.model, report.baselines.get("untrained")
    grid = {_strength(alpha, dim) for _, _, alphas, _, dim in paths for alpha in alphas}
    for strength in sorted(grid, key=float):
        row = {COLUMN: strength}
        for name, ridge, alphas, validation, dim in paths:
            for alpha, value in zip(alphas, validation, strict=True):
                if _strength(alpha, dim) == strength:
                    best = name == model and alpha == ridge.alpha
                    row[name] = f"**{accuracy(value)}**" if best else accuracy(value)
        rows.append(row)
    rows.append({COLUMN: "test, at the best"} | {name: accuracy(ridge.accuracy) for name, ridge, *_ in paths})
    rows = in_order(rows, [COLUMN, *(name for name, *_ in paths)])
    note = (
        "Validation accuracy of the ridge probe (closed form) by its regularisation; alpha = value x D, D the "
        "dimension of the codes. In bold the strength that this model's probe chose."
    )
    names = [name for name, *_ in paths]
    if twin and twin.initialisations is not None and baseline_name("untrained", twin.code_dim) in names:
        note += " The untrained twin's column is a mean of initialisations, each with its own best for the last row."
    return [Table("Ridge probe along its regularisation", rows), Note(note)]


def _strength(alpha: float, dim: float) -> str:
    """In units of the dimension, as probes.py has them: one grid for codes of every dimension."""
    return f"{float(f'{alpha / dim:.3g}'):g}"
