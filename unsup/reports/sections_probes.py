"""Sections on classes, corrupted images and draws of training images."""

from collections.abc import Mapping

import numpy as np

from unsup.reports.blocks import Block, Note, Table, in_order
from unsup.reports.figures.canvas import class_name
from unsup.reports.format import Cells, accuracy, enumeration, with_spread
from unsup.reports.schema import Report

STRENGTHS = {  # of severities 1, 2 and 3, as in corruptions.py
    "gaussian noise": "standard deviation 0.05, 0.15, 0.3 of intensities in [0, 1]",
    "blur": "Gaussian, sigma 2, 4, 7 % of the shorter side, at least 0.4 pixels",
    "occlusion": "a grey square with a side of 20, 35, 50 % of the shorter side",
    "contrast": "70, 40, 20 % left",
    "shift": "by 4, 10, 20 % of the shorter side, at least one pixel",
    "missing pixels": "20, 40, 60 % of the pixels set to 0",
}
MANY_CLASSES = 20  # above it only the hardest ten are listed
NAMED = 5  # classes without test images that a warning names
SMALL = "On very small images (8 pixels) the mild severities of blur and of shift coincide."


def corrupted(report: Report) -> list[Block]:
    """Return accuracy by corruption and severity, and means of the baselines."""
    own, kinds = report.scores.robustness, report.scores.corruptions
    if not own:
        return []
    baselines = [(name, scores.robustness) for name, scores in report.rows[1:] if scores.robustness]
    groups = {kind: [kind] for kind in kinds} | ({"**all corruptions**": [*kinds]} if kinds else {})
    if "clean" in own:
        groups = {"clean": ["clean"]} | groups
    rows: list[Cells] = []
    for name, group in groups.items():
        row = {"test images": name}
        row |= {f"severity {i}": accuracy(value) for i, value in enumerate(kinds.get(name, ()), 1)}
        row["mean"] = f"**{_mean(own, group)}**" if name.startswith("**") else _mean(own, group)
        rows.append(row | {title: _mean(other, group) for title, other in baselines if other.keys() >= {*group}})
    severities = [f"severity {i + 1}" for i in range(max((len(values) for values in kinds.values()), default=0))]
    rows = in_order(rows, ["test images", *severities, "mean", *(name for name, _ in baselines)])
    some = f"{own['images']:,} test images" if "images" in own else "test images"
    note = f"Accuracy of the linear probe, fitted on clean images, on {some} after corruption."
    if baselines:
        note += " Columns of baselines: mean over the severities"
        first = any(other.get("initialisations") == 1 for _, other in baselines)
        note += "; for the untrained network that of its first initialisation." if first else "."
    blocks: list[Block] = [Table("Accuracy on corrupted images", rows), Note(note)]
    if strengths := [f"{kind}: {STRENGTHS[kind]}" for kind in kinds if kind in STRENGTHS]:
        small = f" {SMALL}" if {"blur", "shift"} & set(kinds) else ""
        blocks.append(Note(f"Severities 1, 2, 3. {'; '.join(strengths)}.{small}"))
    return blocks


def _mean(robustness: Mapping[str, float | list[float]], kinds: list[str]) -> str:
    return accuracy(float(np.mean([np.mean(robustness[kind]) for kind in kinds])))


def draws(report: Report) -> list[Block]:
    """Return the linear probe on draws of training images, balanced or not."""
    ratios = {ratio: _ratio(ratio) for _, scores in report.rows for ratio in scores.imbalance}
    if not ratios and not any(scores.probe_draws for _, scores in report.rows):
        return []
    rows: list[Cells] = []
    for name, scores in report.rows:
        row = {"codes": name}
        if scores.linear_probe:
            row["all training images"] = accuracy(scores.linear_probe.accuracy)
        if scores.probe_draws:
            row[f"draws of {scores.probe_draws.images:,}"] = with_spread(scores.probe_draws)
        for ratio, title in ratios.items():
            if ratio in scores.imbalance:
                row[title] = with_spread(scores.imbalance[ratio])
        rows.append(row)
    note = "Test accuracy of the linear probe, C as for all training images. ±: standard deviation over draws."
    if ratios:
        sizes = [some.images for some in report.scores.imbalance.values() if some.images is not None]
        size = f", in a training set of {sizes[0]:,} images" if sizes else ""  # the same at every ratio
        note += (
            f" {enumeration([*ratios.values()])}: training images of the most frequent class to those of the least "
            f"frequent one{size}. Class sizes fall exponentially; which classes are rare changes from draw to draw; "
            "the test images stay the same."
        )
    return [Table("Linear probe on draws of training images", rows), Note(note)]


def _ratio(ratio: str) -> str:
    return "balanced" if ratio == "1" else f"{ratio}:1"


def by_class(report: Report) -> list[Block]:
    """Return the share of each class that the linear probe recognises."""
    table = {
        name: scores.linear_probe.per_class
        for name, scores in report.rows
        if scores.linear_probe and scores.linear_probe.per_class
    }
    if not table or report.scores.linear_probe is None:
        return []
    own, untested = next(iter(table.values())), report.scores.linear_probe.untested
    tested = [c for c in range(len(own) + len(untested)) if c not in untested]  # the class of each entry
    order, which = list(range(len(own))), "Each class"
    if len(own) > MANY_CLASSES:
        order, which = sorted(order, key=lambda i: own[i])[:10], f"The hardest ten of {len(own)} classes"
    rows = [
        {"class": class_name(report.run.class_names, tested[i])}
        | {row: accuracy(shares[i]) for row, shares in table.items()}
        for i in order
    ]
    note = f"{which}: share of its test images that the linear probe classifies correctly."
    return [Note(note), Table("Linear probe by class", rows)]


def untested_classes(report: Report) -> str:
    """Return a warning (Markdown) that names classes without test images, if any."""
    probe = report.scores.linear_probe
    if probe is None or not probe.untested:
        return ""
    names = [class_name(report.run.class_names, c) for c in probe.untested]
    if len(names) > NAMED:
        names = [*names[:NAMED], f"{len(names) - NAMED} more classes"]
    return f"**No test image of {enumeration(names)}: no score says how well they are recognised.**"
