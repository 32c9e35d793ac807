"""Section on near-duplicates of test images among the training images."""

from unsup.reports.blocks import Block, Note, Table
from unsup.reports.format import Cells, accuracy, with_bounds
from unsup.reports.schema import Report
from unsup.reports.score_schema import Copies

SHARE = 0.005  # of the test images from which on their copies move accuracies
PROBES = {"linear_probe": "linear probe", "knn": "kNN"}


def copied_test_images(report: Report) -> str:
    """Return how many test images have a copy to learn from, empty if none has."""
    copies = report.scores.copies
    if not copies or not copies.test:
        return ""
    return f"{copies.test:,} of {report.run.images.test:,} test images have a copy to learn from"


def copies_warning(report: Report) -> str:
    """Return that too many test images have a copy to learn from, empty if not."""
    copies = report.scores.copies
    if not copies or copies.test < SHARE * report.run.images.test:
        return ""
    if report.scores.linear_probe is None:
        return copied_test_images(report)
    return f"{copied_test_images(report)}: these accuracies are too high by what that is worth"


def copies_of_test_images(report: Report) -> list[Block]:
    """Return how many there are, and the scores without them."""
    copies = report.scores.copies
    if copies is None:
        return []
    if not copies.pairs:
        return [Note("No test image has a near-duplicate among the training and validation images.")]
    chance = f"{copies.expected:.1f}" if copies.expected >= 0.05 else "hardly any"
    learned = ""
    if not report.pretrained_on:
        learned = (
            " The encoder itself learned from these copies: only a training without them can tell what that is worth."
        )
    blocks: list[Block] = [
        Note(
            f"**{copies.test:,} of {report.run.images.test:,} test images have a near-duplicate among the training and "
            f"validation images** ({copies.pairs:,} pairs; expected by chance: {chance}).{learned}"
        )
    ]
    if copies.removed is None:
        return blocks
    rows: list[Cells] = []
    for key, title in PROBES.items():
        result, as_it_is = getattr(copies, key), getattr(report.scores, key)
        if result is None or as_it_is is None:
            continue
        row = {"classifier": title, "as it is": accuracy(as_it_is.accuracy)}
        if result.accuracy is not None and result.difference is not None:
            row["fitted without the copies"] = accuracy(result.accuracy)
            row["difference"] = with_bounds(result.difference)
        if result.accuracy_without is not None:
            row[f"on the {copies.without:,} test images without a copy"] = accuracy(result.accuracy_without)
        rows.append(row)
    if rows:
        blocks.append(Table("Accuracy with and without the copies", rows))
    blocks.append(Note(" ".join(_about(copies, rows))))
    return blocks


def _about(copies: Copies, rows: list[Cells]) -> list[str]:
    """Return sentences on how the scores were made, and on those that were refused."""
    texts = []
    if any("difference" in row for row in rows):
        texts.append(
            f"Fitted without the copies: {copies.removed:,} training and validation images are left out, and all test "
            "images are scored, with a paired 95 % interval. This is the number to read."
        )
    else:
        texts.append(f"Without the {copies.removed:,} copies too few training images of a class are left to fit on.")
    if copies.without is not None and not any(key.startswith("on the") for row in rows for key in row):
        texts.append(f"Only {copies.without:,} test images have no copy, which are too few for a score.")
    elif rows:
        texts.append("Test images without a copy may be easier or harder than the others.")
    return texts
