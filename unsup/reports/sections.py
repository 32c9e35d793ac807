"""The sections of a report, in order, from the content of report.json alone."""

from unsup.reports import citation
from unsup.reports.blocks import Block, Note, Picture, Section, Table
from unsup.reports.catalogue import Tables, row_of
from unsup.reports.format import Cells, enumeration, with_bounds
from unsup.reports.schema import ReferenceKey, Report, baseline_name
from unsup.reports.score_schema import Layer, Scores
from unsup.reports.sections_clusters import cluster_numbers, kmeans_spaces, other_clusterings
from unsup.reports.sections_copies import copies_of_test_images
from unsup.reports.sections_finetuned import TITLE, fine_tuned
from unsup.reports.sections_images import about_these_images
from unsup.reports.sections_labels import TITLE as LABELS
from unsup.reports.sections_labels import label_efficiency
from unsup.reports.sections_named import TITLE as NAMED
from unsup.reports.sections_named import named_pictures
from unsup.reports.sections_new_images import new_images
from unsup.reports.sections_origin import how_made, origin
from unsup.reports.sections_probes import by_class, corrupted, draws, untested_classes
from unsup.reports.verdict import COMPARED_BY

LOWER = {"the reconstruction error": "reconstruction", "distances": "generation", "nats": "likelihood"}
REFERENCES: dict[ReferenceKey, str] = {"real": "real against real", "untrained": "untrained network"}  # of generation


def sections(report: Report) -> list[Section]:
    """Return the sections below the verdict, without those that do not apply."""
    spread = _spread(report)
    content: list[tuple[str, list[Block]]] = [
        ("Summary", _summary(report)),
        (NAMED, named_pictures(report)),
        ("Against the baselines", _comparisons(report)),
        (LABELS, label_efficiency(report)),
        ("What to know about these images", about_these_images(report)),
        ("Copies of test images", copies_of_test_images(report)),
        ("Pictures", [Picture(path, alt) for path, alt in report.figures.items()]),
        ("Generation", _generation(report)),
        ("Layers", _layers(report)),
        ("Classes", [*_class_scores(report), *by_class(report)]),
        ("New images", new_images(report)),
        ("Robustness", corrupted(report)),
        ("Draws and class imbalance", draws(report)),
        ("k-means", kmeans_spaces(report)),
        ("Clusterings", other_clusterings(report)),
        ("Number of clusters", cluster_numbers(report)),
        (spread[0].title if spread else "", [*spread]),
        ("Other measures", _others(report)),
        (TITLE, fine_tuned(report)),
        ("How the numbers were made", how_made(report)),
        ("Where it comes from", origin(report)),
        (citation.TITLE, citation.blocks(report)),
    ]
    return [Section(title, blocks) for title, blocks in content if blocks]


def _rows(report: Report, tables: Tables) -> list[Cells]:
    """Return rows of this model and its baselines, none if all are empty."""
    rows = [{"codes": name} | row_of(scores, tables) for name, scores in report.rows]
    return rows if any(len(row) > 1 for row in rows) else []


def _summary(report: Report) -> list[Block]:
    rows = _rows(report, Tables.SUMMARY)
    rows[0]["codes"] = f"**{report.run.model}**"
    if start := report.start:
        model, run = start.run.split("/")[-2:]
        rows.insert(1, {"codes": f"{model} {run}, where it started"} | row_of(start.scores, Tables.SUMMARY))
    every = [scores for _, scores in report.rows]
    lower = [kind for kind, field in LOWER.items() if any(getattr(scores, field) for scores in every)]
    note = f"On test images; higher is better{', except for ' + enumeration(lower) if lower else ''}."
    if any(scores.rankme is not None for scores in every):
        note += " RankMe: of training codes and at most dim, so compare it only between codes of one dimension."
    if report.scores.linear_probe:
        note += " Brackets: 95 % interval over test images. ±: standard deviation over draws of the labelled images."
    blocks: list[Block] = [Table("This model and its baselines", rows), Note(note)]
    blocks += [Note(text) for text in _about_baselines(report)]
    if warning := untested_classes(report):
        blocks.append(Note(warning))
    if reduced := report.scores.reduced:
        names = enumeration(reduced.measures)
        text = f"{names[0].upper()}{names[1:]} see the first {reduced.dim} principal components of the training codes."
        blocks.append(Note(text))
    return blocks


def _about_baselines(report: Report) -> list[str]:
    """Return a sentence on each baseline that is not what its name alone says."""
    baselines, texts = report.baselines, []
    if (pixels := baselines.get("pixels")) and pixels.thumbnail:
        height, width = pixels.thumbnail
        texts.append(f"Raw pixels and PCA: of thumbnails of {height} x {width} pixels (area averages).")
    pca = baselines.get("pca")
    if pca and pca.code_dim and report.scores.code_dim and pca.code_dim < report.scores.code_dim:
        texts.append(f"PCA has {pca.code_dim:,} components: ten training images or more for each, at most one a pixel.")
    if chosen := baselines.get("pca_chosen"):
        scaling = "divided by their standard deviations" if chosen.whitened else "as they are"
        texts.append(f"Chosen PCA: dimension and scaling ({scaling}) are the best on validation images.")
    if "statistics" in baselines:
        texts.append("Image statistics: brightness, contrast, edges and colours of the image as a whole.")
    if "thumbnails" in baselines:
        side = "those that raw pixels and PCA see" if pixels and pixels.thumbnail else "of at most 32 x 32 pixels"
        texts.append(f"On thumbnails: the same encoder, whose pictures are made of small images, {side}.")
    if "texture" in baselines:
        texts.append("Patches: which of 100 small patterns are in which quadrant, at the resolution of the images.")
    if report.run.model == "patches" and "untrained" in baselines:
        texts.append("Patches untrained: random Gaussian patterns in place of centroids, and patches not whitened.")
    return [" ".join(texts)] if texts else []


def _comparisons(report: Report) -> list[Block]:
    rows = []
    for key, baseline in report.ordered_baselines.items():
        if comparison := report.comparisons.get(key):
            row = {"this model minus": baseline_name(key, baseline.code_dim)}
            for probe, (title, _) in COMPARED_BY.items():
                if difference := comparison.by(probe):
                    row[title] = with_bounds(difference) + ("" if difference.separable else " **not separable**")
            rows.append(row)
    note = (
        "Intervals: 95 %, paired on the same test images, of all baselines together; about this run, not other seeds."
    )
    untrained = report.baselines.get("untrained")
    if untrained and untrained.by_initialisation:
        note += " Against the untrained network they include the spread over its initialisations"
        note += ", which is assumed, as there is one." if untrained.initialisations is None else "."
    return [Table("Differences of test accuracy", rows), Note(note)] if rows else []


def _generation(report: Report) -> list[Block]:
    own = report.scores.generation
    if not own:
        return []
    rows = [{"images": f"**{report.run.model}**"} | row_of(report.scores, Tables.GENERATION)]
    for key, title in REFERENCES.items():
        if (reference := report.baselines.get(key)) and reference.generation:
            rows.append({"images": title} | row_of(reference, Tables.GENERATION))
    note = (
        f"{own.n:,} new images against as many test images, in {own.space}. Distances: lower is better. "
        "Precision: share of new images that lie among the real ones; recall: share of real images that lie among the "
        "new ones. Real against real: training images instead of new ones, the limit for an honest generator. Read "
        "precision and recall together: precision is also high for images that are all alike, recall for images that "
        "scatter."
    )
    return [Table("New images against test images", rows), Note(note)]


def _layers(report: Report) -> list[Block]:
    scores, untrained = report.scores, report.baselines.get("untrained", Scores())
    rows = [_layer(name, layer.dim, layer, untrained.layers.get(name)) for name, layer in scores.layers.items()]
    if rows and scores.linear_probe:
        rows.append(_layer("code", scores.code_dim, scores, untrained))
    return [Table("Probes of each layer, and of the same layer untrained", rows)] if rows else []


def _layer(name: str, dim: int | None, layer: Layer | Scores, untrained: Layer | Scores | None) -> Cells:
    row = {"layer": name, "dim": f"{dim:,}"} | row_of(layer, Tables.LAYER)
    before = row_of(untrained, Tables.LAYER) if untrained else {}
    return row | {f"untrained: {column}": text for column, text in before.items()}


def _spread(report: Report) -> tuple[Table, Note] | tuple[()]:
    rows = _rows(report, Tables.GEOMETRY)
    if not rows:
        return ()
    title = "Uniformity"
    note = (
        "Of codes scaled to length 1, without labels. Uniformity: log of the mean of exp(-2 d²) over pairs of images; "
        "lower means spread more evenly."
    )
    if any("alignment" in row for row in rows):
        title = "Alignment and uniformity"
        note += " Alignment: mean d² between two views of one image; lower means less changed by a view."
    return Table(title, rows), Note(note)


def _class_scores(report: Report) -> list[Block]:
    rows = _rows(report, Tables.CLASSES)
    return [Table("Classes and probabilities of the linear probe", rows)] if rows else []


def _others(report: Report) -> list[Block]:
    rows = _rows(report, Tables.OTHER_MEASURES)
    blocks: list[Block] = [Table("Other measures of the codes", rows)] if rows else []
    if votes := _rows(report, Tables.OTHER_VOTES):
        blocks.insert(0, Table("Few labels and neighbours, with other scalings of the codes", votes))
    return blocks
