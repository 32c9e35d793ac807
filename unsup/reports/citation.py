"""The methods paragraph and the BibTeX entries that a report offers for a paper."""

from unsup.core.version import __version__
from unsup.reports.blocks import Block, Folded, Note
from unsup.reports.format import enumeration
from unsup.reports.schema import Report, baseline_name
from unsup.reports.score_schema import Scores
from unsup.reports.sections_origin import CHOICES, corruptions

TITLE = "To cite this report"
ENTRY = """@misc{{unsup,
  title = {{{{unsup}}: unsupervised representation learning on images under one evaluator}},
  author = {{{{the unsup authors}}}}, year = {{2026}},
  note = {{Software, version {version}; evaluation {protocol}}}
}}"""
VALIDATION_IMAGES = 1_000  # with fewer C was chosen by cross-validation


def blocks(report: Report) -> list[Block]:
    """Return the paragraph, and the entries of the data set, the method and unsup."""
    run = report.run
    entries = {"the data set": run.bibtex, "the method": run.method_bibtex, "unsup": software_entry(report)}
    text = "\n\n".join(entry.strip() for entry in entries.values() if entry)
    without = [what for what, entry in entries.items() if not entry]
    content: list[Block] = [Note(methods_paragraph(report)), Folded("BibTeX", text, "bibtex")]
    return [*content, Note(f"No entry is known of {enumeration(without)}.")] if without else content


def software_entry(report: Report) -> str:
    """Return the entry of the version that made the report."""
    return ENTRY.format(version=_version(report), protocol=report.protocol_name)


def methods_paragraph(report: Report) -> str:
    """Return how the scores of this very report were made, in sentences for a paper."""
    sentences = [
        *_training(report),
        *_conditions(report),
        *_probes(report),
        *_clusters(report.scores),
        *_baselines(report),
        _software(report),
    ]
    return " ".join(sentences)


def _training(report: Report) -> list[str]:
    run, origin, learned = report.run, report.pretrained_on, []
    if run.epochs:
        learned.append(
            f"was trained for {_count(run.epochs, 'epoch')} on {_count(run.images.train, 'image')} of {run.data}"
        )
        learned.append("without labels" if origin and origin.supervision == ["none"] else "")
        learned.append(f"with random views of the preset {run.views}" if run.views not in (None, "none") else "")
    else:
        before = "as it is, without further training" if run.encoder else "and took no gradient steps of its own"
        learned.append(f"was judged on {run.data} {before}")
    counted = "parameter" if run.encoder else "trained parameter"
    parameters = f"{_count(run.parameters, counted)}, " if run.parameters else ""
    first = f"The model {run.model} ({parameters}codes of {_count(run.code_dim, 'entry', 'entries')})"
    sentences = [f"{first} {', '.join(filter(None, learned))} (seed {run.seed})."]
    if start := report.provenance.init_from:
        sentences.append(f"It started from the weights of {'' if ':' in start.run else 'the run '}{start.run}.")
    if origin and (origin.images != ["these training images"] or origin.supervision != ["none"]):
        images, supervision = enumeration([*origin.images]), enumeration([*origin.supervision])
        about = f" ({origin.text})" if origin.text else ""
        sentences.append(f"Origin of its weights: images, {images}; supervision, {supervision}{about}.")
    if corrupted := corruptions(report.provenance.config):
        sentences.append(f"The training images were {corrupted}.")
    if choice := CHOICES.get(run.chosen or ""):
        sentences.append(f"The settings of the recipe were {choice}.")
    return sentences


def _conditions(report: Report) -> list[str]:
    images = report.run.images
    return [
        f"The frozen encoder was scored by {report.protocol_name} of unsup {_version(report)} on "
        f"{_count(images.test, 'test image')}; {_count(images.val, 'more image')} served for validation."
    ]


def _probes(report: Report) -> list[str]:
    scores, sentences = report.scores, []
    if probe := scores.linear_probe:
        where = "on the validation images"
        if report.run.images.val < VALIDATION_IMAGES:
            where = "in five-fold cross-validation on training and validation images"
        sentences.append(
            "The linear probe is multinomial logistic regression with an L2 penalty on codes standardised entry by "
            f"entry; C = {probe.C:.3g} has the least cross-entropy {where} among half decades from 0.0001 to 10, and "
            "the probe was then fitted on training and validation images. Its 95 % interval over test images is "
            "Wilson's."
        )
    if scores.few_label:
        draws = next(iter(scores.few_label.values())).draws
        sentences.append(
            f"Few-label probes were fitted on {enumeration([*scores.few_label])} labelled training images per class "
            f"({_count(draws, 'draw')}, C fixed), with codes centred and divided by one common scale."
        )
    if scores.knn and scores.knn.raw:
        sentences.append(
            f"kNN is the majority of the {scores.knn.k} nearest training codes by the cosine after the mean training "
            "code is subtracted."
        )
    return sentences


def _clusters(scores: Scores) -> list[str]:
    if not scores.kmeans or not scores.clusters or scores.clusters.k is None:
        return []
    by = "the number of classes" if scores.clusters.by == "classes" else "by the silhouette"
    return [
        f"k-means (k = {scores.clusters.k:g}, {by}) was fitted on training codes, from the one of ten starts "
        "with the least inertia, and applied to the test images; ACC is accuracy after one-to-one matching of clusters "
        "and classes."
    ]


def _baselines(report: Report) -> list[str]:
    if not report.ordered_baselines:
        return []
    names = []
    for key, scores in report.ordered_baselines.items():
        facts = ["dimension and scaling chosen on validation images"] if key == "pca_chosen" else []
        facts += [f"mean of {scores.initialisations} initialisations"] if scores.initialisations else []
        facts += ["of thumbnails of {} x {} pixels".format(*scores.thumbnail)] if scores.thumbnail else []
        names.append(baseline_name(key, scores.code_dim) + (f" ({', '.join(facts)})" if facts else ""))
    text = f"Baselines under the same protocol: {enumeration(names)}."
    if report.comparisons:
        text += (
            " Differences from them are paired on the test images, with 95 % intervals that hold for all baselines "
            "together; they are about this run, not about other seeds."
        )
    return [text]


def _software(report: Report) -> str:
    versions = [f"{name} {version}" for name, version in report.provenance.versions.items() if name != "unsup"]
    return f"Software: {', '.join([f'unsup {_version(report)}', *versions])}."


def _version(report: Report) -> str:
    return report.provenance.versions.get("unsup", __version__)


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"
