"""Sections on checks, how each number was made, and where it comes from."""

from typing import Any

import yaml

from unsup.reports.blocks import Block, Folded, Items, Table
from unsup.reports.format import Cells
from unsup.reports.methods import explanations
from unsup.reports.schema import Report, RunFacts
from unsup.reports.sections_copies import copies_warning

CHOICES = {  # what a recipe states -> in words
    "validation": "chosen with the labels of validation images",
    "label-free": "chosen without any labels",
    "published": "as published or set in advance, without a search",
}
CORRUPTIONS = {  # option of a data set -> in words
    "missing": "{:.3g} of the pixels of each set to their mean",
    "noise": "Gaussian noise of deviation {:.3g}",
    "imbalance": "the largest class {:.3g} times the smallest",
    "outliers": "{:.3g} of them with shuffled pixels",
}
STATES = {True: "**with uncommitted changes**", False: "nothing uncommitted"}


QUICK = "Quick evaluation: the first scores and the cached baselines; the evaluator did not check itself."


def checks(report: Report) -> list[str]:
    """Return a sentence on each check of the evaluation, in bold if it failed."""
    check, frozen, reads = report.selfcheck, report.frozen, report.test_reads
    lines = [f"Evaluator checked: {check.passed} of {check.total}." if check else QUICK]
    if check and check.passed != check.total:
        lines.append("**The evaluator failed its own check: do not trust any number here.**")
    if frozen.before == frozen.after:
        lines.append(f"Encoder unchanged by the evaluation (SHA-256 `{frozen.after[:12]}`).")
    else:
        lines.append("**The evaluation changed the encoder: do not trust any number here.**")
    if warning := copies_warning(report):
        lines.append(f"**{warning}.**")
    lines.append("Test images read once for these numbers." if reads == 1 else f"**Test images read {reads} times.**")
    return lines


def checks_in_full(report: Report) -> list[Block]:
    """Return the facts of `checks` as a list with the whole hashes."""
    check, frozen = report.selfcheck, report.frozen
    same = "unchanged" if frozen.before == frozen.after else "**changed**"
    facts = [
        ("evaluator on planted codes", f"{check.passed} of {check.total} checks passed" if check else "not checked"),
        ("encoder before the evaluation", f"SHA-256 `{frozen.before}` over parameters and buffers"),
        ("encoder after the evaluation", f"SHA-256 `{frozen.after}`: {same}"),
        ("passes over the test images", str(report.test_reads)),
    ]
    return [Items(facts)]


def how_made(report: Report) -> list[Block]:
    """Return what was chosen on which images, and what part labels had in it."""
    made = list(explanations(report.scores))
    if untrained := report.baselines.get("untrained"):
        count = untrained.initialisations
        times = f"; mean over {count} initialisations" if count is not None else ""
        made.append(("untrained network", f"the same network before training{times}", "as above"))
    rows: list[Cells] = [{"number": number, "how": how, "labels": labels} for number, how, labels in made]
    return [Table("How the numbers were made, and which labels they used", rows, texts=3)] if rows else []


def origin(report: Report) -> list[Block]:
    """Return how and where the run was trained, and its configuration."""
    run, made, start = report.run, report.provenance, report.provenance.init_from
    minutes = f"{run.train_seconds / 60:.1f} minutes of wall time"
    minutes += f" ({(run.stages_seconds or run.train_seconds) / 60:.1f} with the runs that it started from)" * bool(
        start
    )
    speed = f"{run.images_per_second:,.0f} images/s" if run.images_per_second is not None else ""
    size = f"{run.parameters:,} parameters" if run.parameters else ""
    training = [f"{run.epochs} epoch{'s' * (run.epochs != 1)}", minutes, speed, size]
    views = f"random views of the images in training, preset `{run.views}`"
    facts = {
        "evaluated on": made.date,
        "command": f"`{run.command}`",
        "started from": f"`{start.run}`, weights SHA-256 `{start.weights_sha256[:12]}`" if start else None,
        "encoder": f"`{run.encoder}`, trained elsewhere, {size}" if run.encoder else None,
        "pictures": run.pictures,
        "training": None if run.encoder else ", ".join(filter(None, training)),
        "cost": None if run.encoder else _cost(run),
        "weights": None if run.encoder else _weights(run),
        "trained on": _trained_on(report),
        "augmentation": "none" if run.views == "none" else views if run.views is not None else None,
        "numbers of the recipe": CHOICES.get(run.chosen or "", run.chosen),
        "commit": made.commit and f"`{made.commit}`, {STATES[bool(made.dirty)]}",
        "hardware": made.hardware.description,
        "data": f"SHA-256 `{made.data_sha256[:12]}` over images, labels and split",
        "training images": corruptions(made.config),
        "protocol": f"{report.protocol_name}; other protocols give other numbers",
        "versions": ", ".join(f"{name} {version}" for name, version in made.versions.items()),
    }
    known = [(name, fact) for name, fact in facts.items() if fact is not None]
    return [Items(known), Folded("Configuration", yaml.safe_dump(made.config, sort_keys=False).strip(), "yaml")]


def _weights(run: RunFacts) -> str | None:
    """Return which weights were judged, None for those that every training ends with."""
    if run.of_last_weights and run.averaged_by is None:
        return None
    return f"those of `checkpoints/{run.checkpoint}`" + (f", averaged by {run.averaged_by}" if run.averaged_by else "")


def corruptions(config: dict[str, Any]) -> str | None:
    """Return how the training images were corrupted, None if they were not."""
    options = config.get("data", {}).get("init_args", {})
    words = [text.format(options[name]) for name, text in CORRUPTIONS.items() if options.get(name)]
    if not words:
        return None
    return f"corrupted ({', '.join(words)}), for the model, its probes and all baselines; no other images are"


def _cost(run: RunFacts) -> str | None:
    """Return what the training took, in figures that compare between machines."""
    staged = (run.stages_seconds or 0) > run.train_seconds
    every, last = (" of all stages", " in the last stage alone") if staged else ("", "")
    costs = ((run.stages_cpu_seconds, "CPU"), (run.stages_gpu_seconds, "GPU"))
    facts = [f"{seconds:,.0f} {device}-seconds{every}" for seconds, device in costs if seconds is not None]
    facts.append(f"{run.images_seen:,} images seen{last}" if run.images_seen else "")
    facts.append(f"{run.views_seen:,} random views{last}" if run.views_seen else "")
    if reference := run.reference:
        where = "one core of this machine" if reference.device == "cpu" else "this GPU"
        facts.append(f"{reference.seconds:.2f} s for the reference workload on {where}")
    return ", ".join(filter(None, facts)) or None


def _trained_on(report: Report) -> str | None:
    """Return what the weights were trained on, in all stages together."""
    if not (trained := report.pretrained_on):
        return None
    text = f"images: {', '.join(trained.images)}; supervision: {', '.join(trained.supervision)}"
    return f"{text} ({trained.text})" if trained.text else text
