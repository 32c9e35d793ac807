"""Section on the accuracy against the number of labels."""

from unsup.reports.blocks import Block, Note, Table, in_order
from unsup.reports.format import Cells, accuracy
from unsup.reports.label_efficiency import Curve, label_curves, marks, savings
from unsup.reports.schema import Report

TITLE = "Label efficiency"
TRAINED = ("tuned", "scratch")  # kinds of curves that are no frozen probes


def label_efficiency(report: Report) -> list[Block]:
    """Return what the codes save in labels, and all points of the curves."""
    curves = label_curves(report)
    if not curves:
        return []
    frozen = [curve for curve in curves if curve.kind not in TRAINED]
    totals = sorted({point.labels for curve in frozen for point in curve.points})
    rows = in_order([_row(curve) for curve in frozen], ["labels", *(f"{total:,}" for total in totals)])
    blocks: list[Block] = [Note(" ".join(texts))] if (texts := savings(report)) else []
    blocks.append(Table("Test accuracy by number of labels", rows))
    blocks.append(Note(_how(report)))
    blocks += [Note(f"{symbol} {text[0].upper()}{text[1:]}.") for symbol, text in marks(report)]
    if report.finetuned:
        validation = max(one.validation_images for one in report.finetuned)
        blocks.append(
            Note(
                "From scratch and fine-tuned: the encoder was trained with these labels. Those of "
                f"{validation:,} validation images, which chose the epoch, are not counted."
            )
        )
    return blocks


def _row(curve: Curve) -> Cells:
    cells = {f"{p.labels:,}": f"{accuracy(p.accuracy)} [{accuracy(p.low)}, {accuracy(p.high)}]" for p in curve.points}
    return {"labels": curve.name} | cells


def _how(report: Report) -> str:
    own = report.scores.label_curve
    draws = len(own.random[0].by_draw) if own else 0
    text = (
        f"Linear probe on labels drawn at random, without regard to class: mean of {draws} draws, the same for all "
        "codes. C: by cross-validation among the drawn labels. Last column: the linear probe of all training and "
        "validation images. Brackets: 95 % interval over draws and test images. Sentences: between two points the "
        "accuracy is taken as linear in the logarithm of the number of labels."
    )
    untrained = report.baselines.get("untrained")
    if untrained and untrained.label_curve and (untrained.initialisations or 1) > 1:
        text += " Untrained network: its first initialisation, with all labels the mean over all of them."
    return text
