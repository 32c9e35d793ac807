"""Scores of a fitted probe besides its accuracy."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, recall_score

from unsup.core.arrays import Ids
from unsup.metrics.probes import LinearProbe

BINS = 15  # of the confidence: Guo et al. 2017, "On calibration of modern neural networks", section 2
SIMULATIONS = 1_000
ROWS = 1_000  # images of a simulation at a time

Doubles = NDArray[np.float64]


class ClassScores(NamedTuple):
    """Scores of a probe on test images."""

    balanced_accuracy: float  # mean recall of the classes; the log training prior is subtracted before the maximum
    macro_f1: float  # mean F1 of the classes
    chance: float  # accuracy of naming the most frequent class of the images that the probe was fitted on
    nll: float | None  # mean of -log p of the right class, in nats; None if the probe does not know a class
    brier: float | None  # squared error of an image's probabilities, summed, between 0 and 2; None as above
    calibration_error: float
    calibrated: float  # mean calibration error that a perfectly calibrated probe would have on so many images


def class_scores(probe: LinearProbe, fitted_labels: Ids, labels: Ids) -> ClassScores:
    """Score a probe, fitted on images of `fitted_labels`, against test labels (n,).

    Means over classes are over those that have test images.
    """
    classes, counts = np.unique(fitted_labels, return_counts=True)
    logs, present = probe.log_probabilities, np.unique(labels)
    balanced = classes[(logs - np.log(counts)).argmax(axis=1)]
    shares, nll, brier = np.exp(logs), None, None
    if np.isin(present, classes).all():
        truth = np.arange(len(labels)), np.searchsorted(classes, labels)
        nll = float(-logs[truth].mean())
        brier = float((np.square(shares).sum(axis=1) - 2 * shares[truth] + 1).mean())
    error, calibrated = calibration_errors(shares.max(axis=1), probe.correct.astype(np.float64))
    return ClassScores(
        balanced_accuracy=float(recall_score(labels, balanced, labels=present, average="macro")),
        macro_f1=float(f1_score(labels, probe.predicted, labels=present, average="macro")),
        chance=float(np.mean(labels == classes[counts.argmax()])),
        nll=nll,
        brier=brier,
        calibration_error=error,
        calibrated=calibrated,
    )


def calibration_errors(confidence: Doubles, correct: Doubles) -> tuple[float, float]:
    """Return the expected calibration error, and its mean if confidences were right.

    The first is the distance of accuracy and mean confidence in 15 bins of equal width, weighted by their images. The
    second is its mean over 1,000 simulations in which an image is right with the probability that it was given: it is
    not 0, because the few images of a bin are right more or less often by luck alone.

    Args:
        confidence: (n,) the largest probability of each image.
        correct: (n,) 0 or 1.
    """
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    expected = np.bincount(bins, confidence, BINS)
    error = np.abs(np.bincount(bins, correct, BINS) - expected).sum() / len(bins)
    rng, hits = np.random.default_rng(0), np.zeros((SIMULATIONS, BINS))
    for start in range(0, len(bins), ROWS):
        rows = slice(start, start + ROWS)
        right = rng.random((SIMULATIONS, len(bins[rows])), np.float32) < confidence[rows]
        hits += right.astype(np.float32) @ np.eye(BINS, dtype=np.float32)[bins[rows]]
    return float(error), float(np.abs(hits - expected).sum(axis=1).mean() / len(bins))
