"""Section on what `classify` says of new images, and how far it can be trusted."""

from unsup.reports.blocks import Block, Note
from unsup.reports.format import accuracy
from unsup.reports.schema import Report


def new_images(report: Report) -> list[Block]:
    """Return notes on the confidence and the novelty of new images."""
    scores, probe = report.scores.new_images, report.scores.linear_probe
    if scores is None:
        return []
    texts = []
    before, error, ideal = probe.calibration_error if probe else None, scores.calibration_error, scores.calibrated
    if before is not None and error is not None and ideal is not None:
        change = "no measurable change of" if abs(error - before) <= ideal else "a change of"
        texts.append(
            f"**Confidence.** A temperature of {scores.temperature:.2f}, found on images that the probe was not fitted "
            f"on, makes {change} the calibration error on test images: {accuracy(before)} before, {accuracy(error)} "
            f"after. A probe that is calibrated would have {accuracy(ideal)} on so many images, by chance alone."
        )
    few = " The fewer the validation images, the higher it must be." if scores.false_alarm_rate > 0.0101 else ""
    texts.append(
        "**Novelty.** `classify` calls an image unlike anything seen if its conformal p-value is at most "
        f"{scores.false_alarm_rate:.1%}: that is the share of false alarms, on average.{few} Of the test images "
        f"{scores.flagged:.1%} are flagged."
    )
    if held_out := scores.held_out_classes:
        texts.append(
            f"If a class has no training codes (mean of {held_out.classes:,} classes, each held out in turn), the "
            "distance of its test images tells them from those of the others with an area under the ROC curve of "
            f"{accuracy(held_out.auroc)} (chance .500); {held_out.fpr95:.1%} of them pass where 95 % of the others do. "
            "The encoder itself has seen the class."
        )
    return [Note(text) for text in texts]
