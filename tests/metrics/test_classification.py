"""Scores by class and of probabilities, on probes whose answers are known."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from unsup.metrics.classification import calibration_errors, class_scores
from unsup.metrics.probes import LinearProbe, Splits, linear_probe
from unsup.metrics.readout import Probe


def probe_of(shares: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> LinearProbe:
    """A probe that gives these probabilities (n, K)."""
    predicted = classes[shares.argmax(axis=1)]
    correct = (predicted == labels).astype(np.float32)
    nothing = np.zeros(1, np.float32)
    fitted = Probe(nothing, nothing, nothing[None], nothing, classes)
    logs = np.log(shares)
    return LinearProbe(correct.mean(), 0, 1, 1.0, [], [], predicted, correct, logs, fitted, LogisticRegression())


def test_scores_by_hand() -> None:
    shares = np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.2, 0.3, 0.5], [0.8, 0.1, 0.1]])
    labels = np.array([0, 2, 4, 2])
    fitted_labels = np.repeat([0, 2, 4], [6, 2, 2])
    scores = class_scores(probe_of(shares, np.array([0, 2, 4]), labels), fitted_labels, labels)
    # divided by .6, .2, .2 the rows are largest at 2, 2, 4, 0: recalls 0, 1/2, 1
    assert scores.balanced_accuracy == pytest.approx(0.5)
    # predicted 0, 0, 4, 0: F1 of 0 is 2 / (2 + 2), of 2 is 0, of 4 is 1
    assert scores.macro_f1 == pytest.approx((0.5 + 0 + 1) / 3)
    assert scores.chance == 0.25
    assert scores.nll == pytest.approx(-(np.log(0.6) + np.log(0.4) + np.log(0.5) + np.log(0.1)) / 4)
    assert scores.brier == pytest.approx(
        (0.16 + 0.09 + 0.01 + 0.25 + 0.36 + 0.01 + 0.04 + 0.09 + 0.25 + 0.64 + 0.81 + 0.01) / 4
    )
    # bins 8 (.6 right), 7 (.5 wrong, .5 right), 12 (.8 wrong)
    assert scores.calibration_error == pytest.approx((0.4 + 0.0 + 0.8) / 4)


def test_classes_without_test_images_are_left_out_and_unknown_ones_have_no_likelihood() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    probe = probe_of(shares, np.arange(3), np.array([0, 1]))
    scores = class_scores(probe, np.arange(3), np.array([0, 1]))
    assert scores.balanced_accuracy == scores.macro_f1 == 1
    unknown = class_scores(probe, np.arange(3), np.array([0, 3]))
    assert unknown.nll is None and unknown.brier is None
    assert unknown.balanced_accuracy == pytest.approx(0.5)


def test_subtracting_the_prior_undoes_a_planted_shift() -> None:
    """Two normal clouds, 9 to 1 in training and equal in testing: the best boundary is in the middle again."""
    rng = np.random.default_rng(0)
    labels = [(rng.random(20_000) < 0.1).astype(int), (rng.random(2_000) < 0.1).astype(int), np.arange(20_000) % 2]
    codes = [(rng.standard_normal((len(y), 1)) + 2 * y[:, None]).astype(np.float32) for y in labels]
    splits = Splits.of(codes, labels).standardised()
    probe = linear_probe(splits)
    scores = class_scores(probe, splits.train_val_labels, labels[2])
    middle = norm.cdf(1)  # .841 of each class
    shifted = (norm.cdf(1 + np.log(9) / 2) + norm.cdf(1 - np.log(9) / 2)) / 2  # the boundary of the training prior
    assert scores.balanced_accuracy == pytest.approx(middle, abs=0.01)
    assert probe.accuracy == pytest.approx(shifted, abs=0.01) and shifted < middle - 0.06
    assert scores.chance == 0.5
    assert scores.macro_f1 == pytest.approx(f1_score(labels[2], probe.predicted, average="macro"))


@pytest.mark.parametrize("n", [200, 2_000])
def test_a_calibrated_probe_has_the_simulated_calibration_error(n: int) -> None:
    errors, simulated = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        confidence = rng.beta(5, 2, n)
        error, calibrated = calibration_errors(confidence, (rng.random(n) < confidence).astype(float))
        errors.append(error)
        simulated.append(calibrated)
    assert np.mean(errors) == pytest.approx(np.mean(simulated), rel=0.1)
    assert np.mean(simulated) == pytest.approx({200: 0.0766, 2_000: 0.0242}[n], rel=0.12)  # by normal approximation
    assert np.std(simulated) < np.std(errors) / 3


def test_calibration_errors_of_known_confidences() -> None:
    right = np.repeat([1.0, 0.0], [750, 250])
    error, calibrated = calibration_errors(np.full(1000, 0.9), right)
    assert error == pytest.approx(0.15)
    assert calibrated == pytest.approx(np.sqrt(2 / np.pi * 0.9 * 0.1 / 1000), rel=0.05)  # mean of |normal|
    assert calibration_errors(np.ones(10), np.ones(10)) == (0, 0)
    assert calibration_errors(np.array([1.0, 0.4]), np.array([0.0, 0.0]))[0] == pytest.approx(0.7)


def test_the_simulation_repeats_itself() -> None:
    confidence = np.random.default_rng(0).random(2_500)
    assert calibration_errors(confidence, np.ones(2_500)) == calibration_errors(confidence, np.ones(2_500))
