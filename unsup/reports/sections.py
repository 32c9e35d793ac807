"""The sections of a report, in order, from the content of report.json alone; what does not apply is not there."""

from typing import Literal

from unsup.reports.blocks import Block, Note, Picture, Section, Table
from unsup.reports.catalogue import Tables, row_of
from unsup.reports.format import Cells, accuracy, enumeration, with_bounds
from unsup.reports.schema import Report, baseline_name
from unsup.reports.score_schema import Layer, Scores
from unsup.reports.sections_clusters import cluster_numbers, kmeans_spaces, other_clusterings
from unsup.reports.sections_origin import how_made, origin
from unsup.reports.sections_probes import corrupted, draws, ridge_path
from unsup.reports.verdict import COMPARED_BY

MANY_CLASSES = 20  # above it only the hardest ten are listed


def sections(report: Report) -> list[Section]:
    """Everything below the verdict."""
    found: list[tuple[str, list[Block]]] = [
        ("Summary", _summary(report)),
        ("Against the floors", _comparisons(report)),
        ("Pictures", [Picture(path, alt) for path, alt in report.figures.items()]),
        ("Generation", _generation(report)),
        ("Layers", _layers(report)),
        ("Classes", _by_class(report)),
        ("Robustness", corrupted(report)),
        ("Draws and class imbalance", draws(report)),
        ("Ridge path", ridge_path(report)),
        ("k-means", kmeans_spaces(report)),
        ("Clusterings", other_clusterings(report)),
        ("Number of clusters", cluster_numbers(report)),
        (_spread_title(report), _evenness(report)),
        ("Other measures", _others(report)),
        ("How the numbers were made", how_made(report)),
        ("Where it comes from", origin(report)),
    ]
    return [Section(title, blocks) for title, blocks in found if blocks]


def _summary(report: Report) -> list[Block]:
    rows = [
        {"codes": f"**{name}**" if i == 0 else name} | row_of(scores, Tables.SUMMARY)
        for i, (name, scores) in enumerate(report.rows)
    ]
    if start := report.start:
        model, run = start.run.split("/")[-2:]
        rows.insert(1, {"codes": f"{model} {run}, where it started"} | row_of(start.scores, Tables.SUMMARY))
    every = [scores for _, scores in report.rows]
    kinds = {
        "the reconstruction error": any(scores.reconstruction for scores in every),
        "distances": any(scores.generation for scores in every),
        "nats": any(scores.likelihood for scores in every),
    }
    lower = [kind for kind, there in kinds.items() if there]
    note = f"On test images; higher is better{', but for ' + enumeration(lower) if lower else ''}."
    if any(scores.rankme is not None for scores in every):
        note += " RankMe: of training codes and at most dim, so higher is not better across dimensions."
    if report.scores.linear_probe:
        note += " Brackets: 95 % bootstrap interval. ±: standard deviation over draws of the labelled images."
    blocks: list[Block] = [Table("This model and its floors", rows), Note(note)]
    if reduced := report.scores.reduced:
        names = ", ".join(reduced.measures)
        blocks.append(Note(f"{names}: on the first {reduced.dim} principal components of the training codes."))
    return blocks


def _comparisons(report: Report) -> list[Block]:
    rows = []
    for key, floor in report.ordered_baselines.items():
        if not (comparison := report.comparisons.get(key)):
            continue
        row = {"this model minus": baseline_name(key, floor.code_dim)}
        for probe, (title, _) in COMPARED_BY.items():
            if difference := comparison.by(probe):
                row[title] = with_bounds(difference) + ("" if difference.separable else " **not separable**")
        rows.append(row)
    note = "Intervals: 95 %, paired bootstrap over the same test images; for this seed and these draws of labels."
    twin = report.baselines.get("untrained")
    if twin and twin.by_initialisation:
        note += " Against the untrained twin they also hold the spread over its initialisations."
    return [Table("Differences of test accuracy", rows), Note(note)] if rows else []


def _generation(report: Report) -> list[Block]:
    own = report.scores.generation
    if not own:
        return []
    rows = [{"images": f"**{report.run.model}**"} | row_of(report.scores, Tables.GENERATION)]
    titles: dict[Literal["real", "untrained"], str] = {"real": "real against real", "untrained": "untrained twin"}
    for key, title in titles.items():
        if (floor := report.baselines.get(key)) and floor.generation:
            rows.append({"images": title} | row_of(floor, Tables.GENERATION))
    note = (
        f"{own.n:,} new images against as many test images, in {own.space}. Distances: lower is better. "
        "Precision: share of new images that lie among the real ones; recall: share of real ones among the new. "
        "Real against real: training images in the place of new ones; no generator can honestly be nearer. Precision "
        "is high also for images that are all alike, recall for images that scatter: they count together."
    )
    return [Table("New images against test images", rows), Note(note)]


def _layers(report: Report) -> list[Block]:
    scores, twin = report.scores, report.baselines.get("untrained") or Scores()
    if not scores.layers:
        return []
    layers: list[tuple[str, int | None, Layer | Scores, Layer | Scores | None]] = [
        (name, layer.dim, layer, twin.layers.get(name)) for name, layer in scores.layers.items()
    ]
    if scores.linear_probe:
        layers.append(("code", scores.code_dim, scores, twin))
    rows = []
    for name, dim, layer, untrained in layers:
        row = {"layer": name, "dim": f"{dim:,}"} | row_of(layer, Tables.LAYER)
        beside = row_of(untrained, Tables.LAYER) if untrained else {}
        rows.append(row | {f"untrained: {column}": text for column, text in beside.items()})
    return [Table("Probes of each layer, beside the same layer untrained", rows)]


def _by_class(report: Report) -> list[Block]:
    table = {
        name: scores.linear_probe.per_class
        for name, scores in report.rows
        if scores.linear_probe and scores.linear_probe.per_class
    }
    if not table:
        return []
    own = next(iter(table.values()))
    names = report.run.class_names or [str(c) for c in range(len(own))]
    order = sorted(range(len(own)), key=lambda c: own[c])[:10] if len(own) > MANY_CLASSES else range(len(own))
    rows: list[Cells] = [
        {"class": names[c]} | {row: accuracy(shares[c]) for row, shares in table.items()} for c in order
    ]
    which = f"The hardest ten of {len(own)} classes" if len(own) > MANY_CLASSES else "Each class"
    note = f"{which}: share of its test images that the linear probe gets right."
    return [Note(note), Table("Linear probe by class", rows)]


def _evenness(report: Report) -> list[Block]:
    rows = [{"codes": name} | row_of(scores, Tables.SPREAD) for name, scores in report.rows]
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
    aligned = any(scores.alignment is not None for _, scores in report.rows)
    return "Alignment and uniformity" if aligned else "Uniformity"


def _others(report: Report) -> list[Block]:
    rows = [{"codes": name} | row_of(scores, Tables.OTHERS) for name, scores in report.rows]
    return [Table("Other measures of the codes", rows)] if any(len(row) > 1 for row in rows) else []
