"""Conformal p-values, their false alarms, and classes that are held out."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from unsup.metrics.novelty import false_alarm_limit, false_alarm_rate, held_out_classes, p_values, threshold
from unsup.metrics.readout import Readout


def test_p_values_by_hand() -> None:
    usual = np.array([1, 2, 2, 5], np.float32)
    assert p_values(np.array([0, 1, 2, 3, 5, 9], np.float32), usual).tolist() == [1, 1, 0.8, 0.4, 0.4, 0.2]


@pytest.mark.parametrize("n", [15, 60, 250])
@pytest.mark.parametrize("reconstructs", [False, True])
def test_false_alarms_are_as_many_as_stated(n: int, reconstructs: bool) -> None:
    """Over many draws of validation images; two statistics that say the same are the worst case of neither."""
    rng = np.random.default_rng(n)
    train = rng.standard_normal((500, 3)).astype(np.float32)
    flagged = []
    for _ in range(200):
        val, new = (rng.standard_normal((m, 3)).astype(np.float32) for m in (n, 400))
        errors, of_new = rng.gamma(2, 1, n), rng.gamma(2, 1, 400)
        readout = Readout.fit(train[:2], train, val, errors if reconstructs else None)
        novelty = readout.novelty(new, of_new.astype(np.float32) if reconstructs else None)
        assert np.array_equal(novelty.unlike, novelty.larger > 1)
        assert np.array_equal(novelty.unlike, novelty.p <= readout.false_alarm_rate)
        flagged.append(novelty.unlike.mean())
    rate = false_alarm_rate(n, 1 + reconstructs)
    assert readout.false_alarm_rate == rate == max(0.01, (1 + reconstructs) / (n + 1))
    deviation = np.std(flagged) / np.sqrt(len(flagged))
    assert 0.4 * rate < np.mean(flagged) < rate + 3 * deviation, "and not far fewer, or nothing would be noticed"


@pytest.mark.parametrize(("n", "statistics"), [(25, 1), (300, 1), (300, 2)])
def test_the_limit_is_rarely_exceeded(n: int, statistics: int) -> None:
    rng = np.random.default_rng(0)
    usual = np.sort(rng.random((2000, n)), axis=1)
    rate = false_alarm_rate(n, statistics) / statistics
    shares = [1 - threshold(row.astype(np.float32), rate) for row in usual]  # of new ones, uniform in [0, 1]
    exceeded = np.mean(np.array(shares) * statistics > false_alarm_limit(n, statistics))
    assert exceeded == pytest.approx(0.05, abs=0.02)
    assert false_alarm_limit(0, 1) == 0 and false_alarm_limit(100_000, 1) < 0.0106


def test_the_threshold_is_where_p_reaches_the_rate() -> None:
    usual = np.sort(np.random.default_rng(0).random(999)).astype(np.float32)
    limit = np.float32(threshold(usual, 0.01))
    assert p_values(np.array([limit, np.nextafter(limit, np.float32(2))]), usual).tolist() == [0.011, 0.01]


def test_without_validation_images_nothing_is_flagged() -> None:
    codes = np.random.default_rng(0).standard_normal((30, 2)).astype(np.float32)
    arrays = Readout.fit(codes[:2], codes, codes).arrays()
    readout = Readout.of({name: values for name, values in arrays.items() if name != "distances"})
    assert readout.false_alarm_rate == 0 and not readout.novelty(100 + codes).unlike.any()


def test_a_class_that_lies_apart_is_noticed_and_one_in_the_middle_of_others_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 3000)
    centres = np.array([[0, 0], [0, 0], [50, 0]], np.float32)
    codes = centres[labels] + rng.standard_normal((3000, 2)).astype(np.float32)
    train, test = slice(0, 2000), slice(2000, None)
    scores = held_out_classes(codes[train], labels[train], codes[test], labels[test])
    assert scores is not None and scores.classes == 3
    assert scores.auroc == pytest.approx((0.5 + 0.5 + 1) / 3, abs=0.03)
    assert scores.fpr95 == pytest.approx((0.95 + 0.95 + 0) / 3, abs=0.05)


def test_held_out_classes_by_another_way() -> None:
    rng = np.random.default_rng(1)
    codes, labels = rng.standard_normal((90, 4)).astype(np.float32), np.arange(90) % 3
    codes += labels[:, None]
    aurocs = []
    for c in range(3):
        rest = codes[:60][labels[:60] != c]
        distances = np.linalg.norm(codes[60:, None] - rest[None], axis=2).min(axis=1)
        aurocs.append(roc_auc_score(labels[60:] == c, distances))
    scores = held_out_classes(codes[:60], labels[:60], codes[60:], labels[60:])
    assert scores is not None and scores.auroc == pytest.approx(np.mean(aurocs), abs=1e-6)


@pytest.mark.parametrize("labels", [np.zeros(20, int), np.r_[np.zeros(10, int), np.arange(10)]])
def test_there_must_be_two_classes_in_both(labels: np.ndarray) -> None:
    codes = np.zeros((20, 2), np.float32)
    assert held_out_classes(codes[10:], labels[10:], codes[:10], labels[:10]) is None
