"""Sections on trust: what was checked, how each number was made and from which labels, where everything comes from."""

import yaml

from unsup.reports.blocks import Block, FoldedYaml, Items, Table
from unsup.reports.format import Cells
from unsup.reports.methods import METHODS
from unsup.reports.schema import EncoderHashes, Report

CHOICES = {  # what a recipe states -> in words
    "validation": "chosen with the labels of validation images",
    "label-free": "chosen without any labels",
    "published": "as published or set beforehand: nothing was searched",
}


def checks(report: Report) -> list[str]:
    """Sentences on the evaluator's own check, the frozen encoder and the test images; bold where something is wrong."""
    check, frozen, reads = report.selfcheck, report.frozen, report.test_reads
    lines = [f"Evaluator checked: {check.passed} of {check.total}."]
    if check.passed != check.total:
        lines.append("**The evaluator failed its own check: trust no number here.**")
    if frozen.before == frozen.after:
        lines.append(f"Encoder unchanged by the evaluation (SHA-256 `{frozen.after[:12]}`).")
    else:
        lines.append("**The evaluation changed the encoder: trust no number here.**")
    lines.append("Test images read once for these numbers." if reads == 1 else f"**Test images read {reads} times.**")
    return lines


def checks_in_full(report: Report) -> list[Block]:
    """All that `checks` tells, as a list with the whole hashes."""
    check, frozen, reads = report.selfcheck, report.frozen, report.test_reads
    return [
        Items(
            [
                ("evaluator on planted codes", f"{check.passed} of {check.total} checks passed"),
                ("encoder before the evaluation", f"SHA-256 `{frozen.before}` over parameters and buffers"),
                ("encoder after it", f"SHA-256 `{frozen.after}`: {_same(frozen)}"),
                ("passes over the test images", str(reads)),
            ]
        )
    ]


def _same(frozen: EncoderHashes) -> str:
    return "unchanged" if frozen.before == frozen.after else "**changed**"


def how_made(report: Report) -> list[Block]:
    """What was chosen on which images, and whether labels had a part in it."""
    made = [row for method in METHODS for row in method.rows(report.scores)]
    if twin := report.baselines.get("untrained"):
        times = f"; mean of {twin.initialisations} initialisations" if twin.initialisations is not None else ""
        made.append(("untrained twin", f"the same network before training{times}", "as above"))
    rows: list[Cells] = [{"number": number, "how": how, "labels": labels} for number, how, labels in made]
    return [Table("How each number was made, and what part labels had in it", rows, texts=3)] if rows else []


def origin(report: Report) -> list[Block]:
    run, made = report.run, report.provenance
    facts = [("command", f"`{run.command}`")]
    trained = [f"{run.epochs} epoch{'s' * (run.epochs != 1)}", f"{run.train_seconds / 60:.1f} minutes"]
    if start := made.init_from:
        facts.append(("started from", f"`{start.run}`, weights SHA-256 `{start.weights_sha256[:12]}`"))
        trained[1] += f" ({run.minutes:.1f} with the runs that it started from)"
    trained += [f"{run.images_per_second:,.0f} images/s"] if run.images_per_second is not None else []
    trained += [f"{run.parameters:,} parameters"] if run.parameters else []
    facts.append(("training", ", ".join(trained)))
    if run.views is not None:
        seen = f"random views of the images in training, preset `{run.views}`"
        facts.append(("augmentation", "none" if run.views == "none" else seen))
    if run.chosen is not None:
        facts.append(("numbers of the recipe", CHOICES.get(run.chosen, run.chosen)))
    if made.commit is not None:
        state = "**with uncommitted changes**" if made.dirty else "nothing uncommitted"
        facts.append(("commit", f"`{made.commit}`, {state}"))
    facts.append(("hardware", report.provenance.hardware.description))
    facts.append(("data", f"SHA-256 `{made.data_sha256[:12]}` over images, labels and split"))
    facts.append(("evaluation", f"protocol {report.protocol}; other protocols give other numbers"))
    facts.append(("versions", ", ".join(f"{name} {version}" for name, version in made.versions.items())))
    return [Items(facts), FoldedYaml("Configuration", yaml.safe_dump(made.config, sort_keys=False).strip())]
