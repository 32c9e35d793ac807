"""The sections of a report, in order, from the content of report.json alone; what does not apply is not there."""

from typing import Any

from unsup.reports.blocks import Block, Note, Picture, Section, Table
from unsup.reports.format import (
    FLOORS,
    PROBES,
    Cells,
    accuracy,
    cells,
    difference,
    enumeration,
    error,
    floor_name,
    generation_cells,
    named,
    probe_cells,
)
from unsup.reports.sections_clusters import cluster_numbers, clusterings, kmeans
from unsup.reports.sections_origin import choices, provenance
from unsup.reports.sections_probes import draws, ridge_path, robustness

Report = dict[str, Any]
LOWER = {"reconstruction": "the reconstruction error", "generation": "distances", "likelihood": "nats"}
MANY_CLASSES = 20  # above it only the hardest ten are listed


def sections(report: Report) -> list[Section]:
    """Everything below the verdict."""
    found: list[tuple[str, list[Block]]] = [
        ("Summary", _summary(report)),
        ("Against the floors", _comparisons(report)),
        ("Pictures", [Picture(path, alt) for path, alt in report.get("figures", {}).items()]),
        ("Generation", _generation(report)),
        ("Layers", _layers(report)),
        ("Classes", _classes(report)),
        ("Robustness", robustness(report)),
        ("Draws and class imbalance", draws(report)),
        ("Ridge path", ridge_path(report)),
        ("k-means", kmeans(report)),
        ("Clusterings", clusterings(report)),
        ("Number of clusters", cluster_numbers(report)),
        (_spread_title(report), _alignment(report)),
        ("Other measures", _others(report)),
        ("How the numbers were made", choices(report)),
        ("Where it comes from", provenance(report)),
    ]
    return [Section(title, blocks) for title, blocks in found if blocks]


def _summary(report: Report) -> list[Block]:
    rows = [
        {"codes": f"**{name}**" if i == 0 else name} | cells(scores) for i, (name, scores) in enumerate(named(report))
    ]
    if start := report.get("start"):
        model, run = start["run"].split("/")[-2:]
        rows.insert(1, {"codes": f"{model} {run}, where it started"} | cells(start["scores"]))
    lower = [LOWER[key] for key in LOWER if any(key in scores for _, scores in named(report))]
    note = f"On test images; higher is better{', but for ' + enumeration(lower) if lower else ''}."
    if any("rankme" in scores for _, scores in named(report)):
        note += " RankMe: of training codes and at most dim, so higher is not better across dimensions."
    if "linear_probe" in report["scores"]:
        note += " Brackets: 95 % bootstrap interval. ±: standard deviation over draws of the labelled images."
    blocks: list[Block] = [Table("This model and its floors", rows), Note(note)]
    reduced = report["scores"].get("reduced")
    if reduced:
        names = ", ".join(reduced["for"])
        blocks.append(Note(f"{names}: on the first {reduced['dim']} principal components of the training codes."))
    return blocks


def _comparisons(report: Report) -> list[Block]:
    rows = []
    for key in FLOORS:
        probes = report.get("comparisons", {}).get(key)
        if not probes:
            continue
        row = {"this model minus": floor_name(key, report["floors"][key])}
        for probe, title in PROBES.items():
            if probe in probes:
                told = "" if probes[probe]["separable"] else " **not separable**"
                row[title] = difference(probes[probe]) + told
        rows.append(row)
    note = "Intervals: 95 %, paired bootstrap over the same test images; for this seed and these draws of labels."
    if "by_initialisation" in report.get("floors", {}).get("untrained", {}):
        note += " Against the untrained twin they also hold the spread over its initialisations."
    return [Table("Differences of test accuracy", rows), Note(note)] if rows else []


def _generation(report: Report) -> list[Block]:
    own, floors = report["scores"].get("generation"), report.get("floors", {})
    if not own:
        return []
    rows = [{"images": f"**{report['run']['model']}**"} | generation_cells(report["scores"])]
    for key, title in (("real", "real against real"), ("untrained", "untrained twin")):
        if "generation" in floors.get(key, {}):
            rows.append({"images": title} | generation_cells(floors[key]))
    note = (
        f"{own['n']:,} new images against as many test images, in {own['space']}. Distances: lower is better. "
        "Precision: share of new images that lie among the real ones; recall: share of real ones among the new. "
        "Real against real: training images in the place of new ones; no generator can honestly be nearer. Precision "
        "is high also for images that are all alike, recall for images that scatter: they count together."
    )
    return [Table("New images against test images", rows), Note(note)]


def _layers(report: Report) -> list[Block]:
    rows = []
    twin = report.get("floors", {}).get("untrained", {})
    code = {"code": report["scores"]} if "linear_probe" in report["scores"] else {}
    for name, scores in (report["scores"].get("layers", {}) | code).items():
        row = {"layer": name, "dim": f"{scores.get('dim', scores.get('code_dim')):,}"} | probe_cells(scores)
        beside = twin if scores is report["scores"] else twin.get("layers", {}).get(name, {})
        rows.append(row | {f"untrained: {column}": text for column, text in probe_cells(beside).items()})
    return (
        [Table("Probes of each layer, beside the same layer untrained", rows)] if "layers" in report["scores"] else []
    )


def _classes(report: Report) -> list[Block]:
    table = {
        name: s["linear_probe"]["per_class"] for name, s in named(report) if "per_class" in s.get("linear_probe", {})
    }
    if not table:
        return []
    own = next(iter(table.values()))
    names = report["run"].get("class_names", [str(c) for c in range(len(own))])
    order = sorted(range(len(own)), key=lambda c: own[c])[:10] if len(own) > MANY_CLASSES else range(len(own))
    rows: list[Cells] = [
        {"class": names[c]} | {row: accuracy(shares[c]) for row, shares in table.items()} for c in order
    ]
    which = f"The hardest ten of {len(own)} classes" if len(own) > MANY_CLASSES else "Each class"
    note = f"{which}: share of its test images that the linear probe gets right."
    return [Note(note), Table("Linear probe by class", rows)]


def _alignment(report: Report) -> list[Block]:
    rows = []
    for name, scores in named(report):
        row = {"codes": name}
        row |= {key: f"{scores[key]:.3f}" for key in ("alignment", "uniformity") if key in scores}
        rows.append(row)
    if not any(len(row) > 1 for row in rows):
        return []
    note = (
        "Of codes scaled to length 1, without labels. Uniformity: log of the mean of exp(-2 d²) over pairs of images; "
        "lower is spread more evenly."
    )
    if any("alignment" in row for row in rows):
        note += " Alignment: mean d² between two views of one image; lower is less changed by a view."
    return [Table(_spread_title(report), rows), Note(note)]


def _spread_title(report: Report) -> str:
    found = any("alignment" in scores for _, scores in named(report))
    return "Alignment and uniformity" if found else "Uniformity"


def _others(report: Report) -> list[Block]:
    rows = []
    for name, scores in named(report):
        row = {"codes": name}
        if "ridge_probe" in scores:
            row["ridge probe"] = accuracy(scores["ridge_probe"]["accuracy"])
        if "l2" in scores.get("knn", {}):
            row["kNN, unit length"] = accuracy(scores["knn"]["l2"]["accuracy"])
        if "linear_probe" in scores:
            row["C"] = f"{scores['linear_probe']['C']:g}"
        if "reconstruction" in scores:
            row["MSE a pixel"] = f"{scores['reconstruction']['mse_per_pixel']:.5f}"
        if "dead_units" in scores:
            row["dead units"] = f"{scores['dead_units']:g}"
        if "elbo" in scores.get("likelihood", {}):
            row["KL, nats"] = error(scores["likelihood"]["kl"])
            row["active units"] = f"{scores['likelihood']['active_units']:g}"
        for space, value in scores.get("silhouette", {}).items():
            row[f"silhouette {space}"] = accuracy(value)
        rows.append(row)
    return [Table("Other measures of the codes", rows)] if any(len(row) > 1 for row in rows) else []
