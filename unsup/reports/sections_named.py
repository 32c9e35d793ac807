"""Section on the images that a user named."""

from unsup.reports.blocks import Block, Note, Table
from unsup.reports.format import with_interval
from unsup.reports.named import Named
from unsup.reports.schema import Report

TITLE = "Named pictures"
NOT_AT_RANDOM = "The table does not say which images were drawn at random (asked): only those stand for the folder."


def named_pictures(report: Report) -> list[Block]:
    """Return the scores of `evaluate LABELS=`, none without any."""
    named = report.named
    if named is None:
        return []
    row = {
        "codes": f"**{report.run.model}**",
        "few-label probe": with_interval(named.probe),
        "kNN": with_interval(named.knn),
        "images": f"{named.counted:,}",
        "names": f"{named.names:,}",
    }
    return [Table("Accuracy on named pictures", [row]), Note(about_named(named))]


def about_named(named: Named) -> str:
    """Say in one or two sentences which images the accuracies are of."""
    text = (
        f"Accuracy on {named.which}, each classified by the other named ones "
        "(cross-validation); brackets: 95 % intervals."
    )
    return text if named.at_random else f"{text} {NOT_AT_RANDOM}"
