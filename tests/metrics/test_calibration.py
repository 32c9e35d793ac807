"""Temperatures: known answers on logits whose calibration is known."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.preprocessing import StandardScaler

from unsup.metrics.calibration import temperature
from unsup.metrics.classification import calibration_errors
from unsup.metrics.probes import Splits, linear_probe, probe_temperature


def drawn(n: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that are drawn from their softmax."""
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((n, classes))
    cumulated = softmax(logits, axis=1).cumsum(axis=1)
    return logits, (rng.random((n, 1)) > cumulated).sum(axis=1).astype(np.int64)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_what_logits_were_multiplied_by_is_divided_out(factor: float) -> None:
    logits, labels = drawn(20_000)
    assert temperature([(log_softmax(factor * logits, axis=1), labels)]) == pytest.approx(factor, rel=0.05)


def test_parts_of_several_classifiers_count_together() -> None:
    logits, labels = drawn(20_000)
    logs = log_softmax(3 * logits, axis=1)
    parts = [(logs[:5000], labels[:5000]), (logs[5000:], labels[5000:])]
    assert temperature(parts) == pytest.approx(temperature([(logs, labels)]), rel=1e-3)


def test_few_images_that_are_all_right_do_not_make_every_confidence_one() -> None:
    labels = np.arange(10) % 2
    logs = log_softmax(np.eye(2)[labels] * 8.0, axis=1)
    confidence = softmax(logs / temperature([(logs, labels.astype(np.int64))]), axis=1).max(axis=1)
    assert 0.8 < confidence.mean() < 0.97


def test_no_images_change_nothing() -> None:
    assert temperature([(np.empty((0, 3)), np.empty(0, np.int64))]) == 1


@pytest.mark.parametrize("n", [100, 3000])
def test_a_probe_that_is_too_sure_becomes_calibrated(n: int) -> None:
    """Fewer images than it takes: on its own images the probe is right, on others it is not."""
    rng = np.random.default_rng(1)
    labels = [rng.integers(0, 3, size).astype(np.int64) for size in (n, n // 3 if n < 1000 else 1000, 5000)]
    codes = [(0.5 * np.eye(3, 80)[y] + rng.standard_normal((len(y), 80))).astype(np.float32) for y in labels]
    scaler = StandardScaler().fit(codes[0])
    splits = Splits.of([scaler.transform(z).astype(np.float32) for z in codes], labels)
    probe = linear_probe(splits)
    calibrated = probe.fitted.calibrated(probe_temperature(splits, probe))
    assert np.array_equal(calibrated.predict(codes[2]), probe.fitted.predict(codes[2]))

    def error(shares: np.ndarray) -> float:
        return calibration_errors(shares.max(axis=1).astype(np.float64), probe.correct.astype(np.float64))[0]

    before = error(probe.fitted.probabilities(splits.test))
    assert error(calibrated.probabilities(splits.test)) < max(0.6 * before, 0.05)
