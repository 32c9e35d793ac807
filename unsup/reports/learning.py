"""Whether a run learned anything, and if not, for which reason."""

import math

from unsup.core.commands import option
from unsup.core.words import counted
from unsup.reports.format import enumeration
from unsup.reports.schema import Report

ONE_DIRECTION = 1.5  # codes with a smaller effective rank are multiples of one vector, or nearly
FEW_STEPS = 300  # a training of fewer steps may simply be too short
SIMILAR = 0.9  # ratio of sizes of batches from which on losses compare
MOST = 0.5  # share of the training images from which on they explain what is wrong


def learning_failure(report: Report) -> str:
    """Return a sentence (Markdown) if the run did not learn, with cause and remedy.

    The signs are facts that no working training has: a loss that never fell below its first value or does not change,
    and codes that are all equal or of one direction. A training loss is no sign where the validation loss fell. Causes
    are looked for in this order: the images, the number of steps, the learning rate.
    """
    if not (signs := _signs(report)):
        return ""
    run, facts = report.run, enumeration(signs)
    if run.one_coloured is not None and run.one_coloured >= MOST:
        cause = f"{run.one_coloured:.0%} of the training images are of one colour"
        return f"**This run did not learn: {facts}; {cause}, so look at the image files.**"
    if run.distinct is not None and run.distinct <= MOST:
        cause = f"only {run.distinct:.0%} of the training images differ from each other"
        return f"**This run did not learn: {facts}; {cause}, so remove the copies.**"
    if run.steps is not None and run.steps < FEW_STEPS:
        return f"**This run was short, {_length(report)}: {facts}; {_longer(report)}.**"
    if _validation_fell(report):
        return f"**The codes collapsed: {facts}, although the validation loss fell; try other weights in the loss.**"
    return f"**This run did not learn: {facts}; try a smaller learning rate.**"


def short_run(report: Report) -> str:
    """Return a sentence if the run had too few training steps to judge its method by."""
    if not report.run.steps or report.run.steps >= FEW_STEPS:
        return ""
    return f"This run was short, {_length(report)}: {_longer(report)}."


def unequal_batches(report: Report) -> str:
    """Return a caution on losses of views if validation batches are smaller ones.

    A loss that compares the images of a batch is lower in a smaller batch, as if validation images were easier.
    """
    run, data = report.run, report.provenance.config.get("data", {}).get("init_args", {})
    if run.views in (None, "none") or not run.images_seen or not run.steps or "batch_size" not in data:
        return ""
    train = run.images_seen / run.steps
    val = run.images.val / math.ceil(run.images.val / data["batch_size"])
    if val >= SIMILAR * train:
        return ""
    return (
        f"Batches have {train:,.0f} images in training and {val:,.0f} in validation. A loss that compares the images "
        "of a batch with each other, as contrastive ones do, is lower in a smaller batch: read the shape of both "
        "curves, not which is lower."
    )


def _length(report: Report) -> str:
    return counted(report.run.steps or 0, "training step")


def _longer(report: Report) -> str:
    return f"train longer, with {option('epochs', str(_more_epochs(report)))}"


def _signs(report: Report) -> list[str]:
    scores, signs = report.scores, []
    train, val = _values(report, "train/loss"), _values(report, "val/loss")
    one_optimizer = "train/grad_norm" in (report.curves or {})  # adversarial losses need not fall
    dim = scores.code_dim or 0
    if one_optimizer and len(train) > 1 and min(train[1:]) >= train[0] and not _validation_fell(report):
        signs.append(f"the training loss never fell below its first value ({train[0]:.4g}, at last {train[-1]:.4g})")
    if len(val) > 1 and len(set(val)) == 1:
        signs.append(f"the validation loss stayed at {val[0]:.4g}")
    if 0 < dim == scores.dead_units:
        signs.append("all images have the same code")
    elif dim > 2 and scores.rankme is not None and scores.rankme < ONE_DIRECTION:
        signs.append(f"the codes vary in one direction only (effective rank {scores.rankme:.1f} of {dim:,})")
    return signs


def _validation_fell(report: Report) -> bool:
    val = _values(report, "val/loss")
    return len(val) > 1 and val[-1] < val[0]


def _values(report: Report, tag: str) -> list[float]:
    return [value for _, value in (report.curves or {}).get(tag, [])]


def _more_epochs(report: Report) -> int:
    """Return about how many epochs make a thousand steps."""
    run = report.run
    return max(1, round(1000 * run.epochs / run.steps)) if run.steps else 2 * run.epochs
