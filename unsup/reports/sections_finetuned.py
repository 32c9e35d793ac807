"""Section on networks that labels trained further, apart from all frozen probes."""

from unsup.reports.blocks import Block, Note, Table
from unsup.reports.finetuned import FineTuned
from unsup.reports.format import Cells, accuracy
from unsup.reports.schema import Report

TITLE = "Fine-tuned"
WORDS = "fine-tuned: labels trained the encoder"


def fine_tuned(report: Report) -> list[Block]:
    """Return the results of `finetune`, none without any."""
    if not report.finetuned:
        return []
    chosen = f"{max(one.validation_images for one in report.finetuned):,} validation images"
    blocks: list[Block] = [
        Note(
            f"**{WORDS[0].upper()}{WORDS[1:]}.** These are not frozen probes and do not compare with them: a linear "
            "head and the encoder below it were trained together, on the share of the training labels that is named. "
            f"The labels of {chosen} chose the epoch; the test images were read once for each row. From scratch: the "
            "same network and the same labels, from a fresh initialisation."
        ),
        Table("Fine-tuned, not frozen", [_row(one, report) for one in report.finetuned], texts=2),
        Note("Brackets: 95 % interval over test images, not over choices of the labelled images (other seeds)."),
    ]
    if any(_outdated(one, report) for one in report.finetuned):
        blocks.append(Note("**Earlier weights: made before the run was trained further, so not of this encoder.**"))
    return blocks


def _row(one: FineTuned, report: Report) -> Cells:
    return {
        "start": one.start + (" **(earlier weights)**" if _outdated(one, report) else ""),
        "views": one.views,
        "labels": f"{one.share:.0%}",
        "labelled images": f"{one.labelled:,}",
        "seed": str(one.seed),
        "epoch": f"{one.best_epoch:,} of {one.epochs:,}",
        "validation": accuracy(one.validation_accuracy),
        "test": f"{accuracy(one.accuracy)} [{accuracy(one.low)}, {accuracy(one.high)}]",
        "seconds": f"{one.seconds:,.0f}",
    }


def _outdated(one: FineTuned, report: Report) -> bool:
    """Return whether a result is of other weights than those of the report."""
    return not one.scratch and one.weights_sha256 != report.frozen.after
