"""Confidence and novelty of new images, measured on test images."""

from typing import Any

import numpy as np

from unsup.core.arrays import Floats, Ids
from unsup.evaluation.measures import Probed
from unsup.evaluation.parallel import Measures
from unsup.metrics.classification import calibration_errors
from unsup.metrics.diagnostics import subsample
from unsup.metrics.novelty import HeldOutClasses, held_out_classes
from unsup.metrics.readout import REFERENCE, Readout

HELD_OUT_IMAGES = 2_000  # test images that are told from those of other classes, at most
HELD_OUT = "held-out classes"


def held_out_measures(codes: dict[str, Floats], labels: dict[str, Ids]) -> Measures:
    """Return how well images of a class are told from those of the others."""

    def held_out() -> HeldOutClasses | None:
        reference = subsample(len(codes["train"]), REFERENCE)
        some = subsample(len(codes["test"]), HELD_OUT_IMAGES)
        return held_out_classes(
            codes["train"][reference], labels["train"][reference], codes["test"][some], labels["test"][some]
        )

    return {HELD_OUT: held_out}


def new_image_scores(
    readout: Readout, codes: Floats, errors: Floats | None, probed: Probed | None, done: dict[str, Any]
) -> dict[str, Any]:
    """Return the false alarms of novelty, and the confidence of the calibrated probe.

    Args:
        readout: for new images.
        codes: (n, D) of test images.
        errors: (n,) squared errors of their reconstructions.
        probed: the linear probe, if there are labels.
        done: results of measures, with those of `held_out_measures` if there are labels.
    """
    flagged = readout.novelty(codes, errors).unlike
    scores: dict[str, Any] = {"false_alarm_rate": readout.false_alarm_rate, "flagged": float(flagged.mean())}
    if probed is not None and probed.temperature is not None and readout.probe is not None:
        confidence = readout.probe.probabilities(codes).max(axis=1).astype(np.float64)
        error, calibrated = calibration_errors(confidence, probed.probe.correct.astype(np.float64))
        scores |= {"temperature": probed.temperature, "calibration_error": error, "calibrated": calibrated}
    if (held_out := done.get(HELD_OUT)) is not None:
        scores["held_out_classes"] = held_out._asdict()
    return scores
