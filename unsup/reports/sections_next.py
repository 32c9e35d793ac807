"""Section of commands that go on from a report."""

from pathlib import Path

from unsup.core.commands import suggest
from unsup.core.files import short_path, unless_default
from unsup.reports.blocks import Block, Items
from unsup.reports.schema import Report

PICTURES = "…"  # in place of a folder that the user fills in


def what_next(report: Report, folder: Path) -> list[Block]:
    """Return commands for this run, in the form that the user typed, make or unsup.

    Args:
        report: of the run.
        folder: of the run, in <runs>/<data>/<model>.
    """
    place = folder.absolute()
    run, runs = short_path(place), unless_default(place.parents[2])
    labels = report.named.labels if report.named else None
    commands = [("next to other runs", suggest("compare", data=report.run.data, labels=labels, runs=runs))]
    if report.quick:
        commands.insert(0, ("the other scores and figures", suggest("evaluate", run=run)))
    if not report.run.encoder:
        again = f"--config {run / 'config.yaml'}"
        commands.append(("the same with another seed", suggest("train", again, seed=report.run.seed + 1, runs=runs)))
        commands.append(("curves, pictures and codes", suggest("dashboard", runs=runs)))
    if labels:
        named = suggest("classify", run=run, images=_folder(report) or PICTURES, labels=labels)
        commands.append(("sort these pictures by your names", named))
    elif command := naming(report, run):
        commands.append(("names for these pictures, which sort and judge them", command))
    commands.append(("sort new pictures", suggest("classify", run=run, images=PICTURES)))
    commands.append(("codes of new pictures", suggest("encode", run=run, images=PICTURES)))
    commands.append(("the encoder for use elsewhere", suggest("export", run=run)))
    return [Items([(words, f"`{command}`") for words, command in commands])]


def naming(report: Report, run: Path) -> str:
    """Return the command that names the pictures of a folder without classes.

    It is empty for other images.
    """
    return suggest("label", run=run) if _folder(report) and report.scores.linear_probe is None else ""


def _folder(report: Report) -> str:
    """Return the folder of images, "" for other data sets."""
    return str(report.provenance.config.get("data", {}).get("init_args", {}).get("images", ""))
