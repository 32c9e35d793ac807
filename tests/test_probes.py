"""Probes against independent references, and against the ways in which well-known probes went wrong."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unsup.evaluation import probes
from unsup.evaluation.probes import Splits, few_label, knn, labelled_draw, linear_probe, ridge_probe

pytestmark = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    """64-d codes, as they come: not standardised."""
    codes, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(codes))
    parts = np.split(order, [1000, 1300])
    return Splits.of([codes[part].astype(np.float32) for part in parts], [labels[part] for part in parts])


@pytest.fixture(scope="module")
def standard(digits):
    return digits.standardised()


def reference(splits, c):
    """scikit-learn's own path in double precision, from codes that are not standardised."""
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=c, tol=1e-8, max_iter=10_000))
    return pipeline.fit(splits.fit.astype(np.float64), splits.fit_labels)


def test_linear_probe_is_within_two_thousandths_of_an_independent_reference(digits, standard):
    found = linear_probe(standard)
    expected = reference(digits, found.C).score(digits.test.astype(np.float64), digits.test_labels)
    assert abs(found.accuracy - expected) <= 0.0021  # one of 497 images
    assert found.low < found.accuracy < found.high
    assert 0.02 < found.high - found.low < 0.08
    assert found.accuracy > 0.93


def test_linear_probe_takes_the_c_that_is_best_on_validation(standard):
    def validated(c):
        probe = LogisticRegression(C=c, max_iter=10_000).fit(standard.train, standard.train_labels)
        return probe.score(standard.val, standard.val_labels)

    by_hand = [validated(c) for c in probes.C_GRID]
    assert by_hand[probes.C_GRID.index(linear_probe(standard).C)] >= max(by_hand) - 0.004  # one of 300 images
    assert max(by_hand) > min(by_hand) + 0.01  # the choice matters


def test_linear_probe_has_converged(standard):
    assert linear_probe(standard).gradient < 1.1e-4  # lbfgs' tolerance, measured on the mean loss


def test_the_reported_gradient_sees_a_fit_that_stopped_early(standard):
    with pytest.warns(ConvergenceWarning):
        stopped = LogisticRegression(C=1.0, max_iter=5).fit(standard.fit, standard.fit_labels)
    assert probes._largest_gradient(stopped, standard.fit, standard.fit_labels) > 1e-3


def test_nothing_is_chosen_on_test(standard):
    shuffled = replace(standard, test_labels=np.random.default_rng(0).permutation(standard.test_labels))
    one, other = linear_probe(standard), linear_probe(shuffled)
    assert one.C == other.C
    assert np.array_equal(one.predicted, other.predicted)
    assert other.accuracy < 0.2 < one.accuracy
    assert ridge_probe(shuffled) < 0.2
    without = replace(standard, test=standard.test[:7], test_labels=standard.test_labels[:7])
    assert np.array_equal(linear_probe(without).predicted, one.predicted[:7])


def test_standardising_uses_training_images_only_and_keeps_constants_finite(digits):
    codes = digits.fit.copy()
    codes[:, 5] = 4
    changed = Splits(codes, digits.test, digits.n_train, digits.fit_labels, digits.test_labels).standardised()
    varying = changed.train.std(axis=0) > 0
    assert changed.train.mean(axis=0) == pytest.approx(np.zeros(64), abs=1e-4)
    assert changed.train.std(axis=0)[varying] == pytest.approx(np.ones(varying.sum()), abs=1e-4)
    assert not varying[5] and np.isfinite(changed.test).all()
    assert changed.fit.dtype == changed.test.dtype == np.float32
    other = replace(digits, test=digits.test * 100 + 5, fit=np.vstack([digits.train, digits.val * 100])).standardised()
    assert np.array_equal(other.train, digits.standardised().train)


def test_per_class_and_per_image_results_agree(standard):
    found = linear_probe(standard)
    assert np.array_equal(found.correct, found.predicted == standard.test_labels)
    for c, share in enumerate(found.per_class):
        assert share == pytest.approx(found.correct[standard.test_labels == c].mean())
    assert found.accuracy == pytest.approx(found.correct.mean())


def unequal(n, rng):
    return (rng.random(n) < 0.1).astype(np.int64)


def test_accuracy_counts_images_not_classes():
    rng = np.random.default_rng(0)
    labels = [unequal(n, rng) for n in (600, 100, 1000)]
    constant = Splits.of([np.full((len(y), 4), 3, np.float32) for y in labels], labels).standardised()
    found = linear_probe(constant)
    assert found.accuracy == pytest.approx(np.mean(labels[2] == 0)) == pytest.approx(0.9, abs=0.03)
    assert found.accuracy == accuracy_score(labels[2], found.predicted)
    assert balanced_accuracy_score(labels[2], found.predicted) == 0.5  # what it must not be
    assert found.per_class == [1, 0]
    assert ridge_probe(constant) == found.accuracy


def test_two_classes_converge_too():
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % 2 for n in (300, 100, 400)]
    codes = [(rng.normal(size=(len(y), 5)) + y[:, None]).astype(np.float32) for y in labels]
    found = linear_probe(Splits.of(codes, labels).standardised())
    assert found.gradient < 1.1e-4 and 0.75 < found.accuracy < 1


@pytest.mark.parametrize("missing_in", ["train", "val", "fit", "test"])
def test_a_class_that_a_split_lacks_breaks_nothing(standard, missing_in):
    keep = {name: np.ones(len(getattr(standard, f"{name}_labels")), bool) for name in ("train", "val", "test")}
    for name in ("train", "val") if missing_in == "fit" else (missing_in,):
        keep[name] = getattr(standard, f"{name}_labels") != 9
    less = Splits.of(
        [getattr(standard, name)[rows] for name, rows in keep.items()],
        [getattr(standard, f"{name}_labels")[rows] for name, rows in keep.items()],
    )
    found = linear_probe(less)
    assert found.accuracy > (0.8 if missing_in in ("train", "fit") else 0.9)
    assert (found.per_class is None) == (missing_in == "test")
    if missing_in == "fit":
        assert found.per_class[9] == 0
    assert ridge_probe(less) > 0.8
    assert few_label(less, 1).mean > 0.3
    assert knn(less.train, less.train_labels, less.test, less.test_labels)[0] > 0.8


def test_knn_is_the_majority_of_the_twenty_nearest_training_images(digits):
    found, k = knn(digits.train, digits.train_labels, digits.test, digits.test_labels)
    distance = ((digits.test[:, None].astype(np.float64) - digits.train[None]) ** 2).sum(axis=2)
    nearest = digits.train_labels[np.argsort(distance, axis=1, kind="stable")[:, :20]]
    by_hand = np.mean([np.bincount(row).argmax() for row in nearest] == digits.test_labels)
    assert k == 20
    assert abs(found - by_hand) <= 0.0021  # equal distances may fall either way


def test_knn_of_fewer_than_twenty_images_asks_them_all(digits):
    train, labels = digits.train[:12], digits.train_labels[:12]
    expected = KNeighborsClassifier(12).fit(train, labels).score(digits.test, digits.test_labels)
    assert knn(train, labels, digits.test, digits.test_labels) == (expected, 12)


def test_few_label_draws_are_the_same_for_different_codes(standard, monkeypatch):
    seen = []
    original = LogisticRegression.fit

    def spy(self, x, y):
        seen.append((x.copy(), y.copy()))
        return original(self, x, y)

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    first = few_label(standard, 10)
    negated = few_label(replace(standard, fit=-standard.fit, test=-standard.test), 10)
    assert len(seen) == 20
    for (x, y), (minus_x, same_y) in zip(seen[:10], seen[10:], strict=True):
        assert np.array_equal(x, -minus_x) and np.array_equal(y, same_y)
        assert np.array_equal(np.bincount(y), np.full(10, 10))
    assert not np.array_equal(seen[0][0], seen[1][0])  # ten different draws
    assert first.mean == pytest.approx(negated.mean, abs=0.003)


def test_few_label_mean_spread_and_share_agree(standard):
    found = few_label(standard, 10)
    right = []
    for draw in range(10):
        at = labelled_draw(standard.train_labels, 10, draw)
        probe = LogisticRegression(C=probes.FEW_LABEL_C, max_iter=1000).fit(
            standard.train[at], standard.train_labels[at]
        )
        right.append(probe.predict(standard.test) == standard.test_labels)
    accuracies = np.mean(right, axis=1)
    assert found.draws == 10
    assert found.mean == pytest.approx(np.mean(accuracies)) == pytest.approx(found.share.mean(), abs=1e-6)
    assert found.std == pytest.approx(np.std(accuracies, ddof=1))
    assert found.share == pytest.approx(np.mean(right, axis=0))
    assert few_label(standard, 1).mean < found.mean < linear_probe(standard).accuracy


def test_few_label_is_left_out_where_a_class_has_too_few_images():
    labels = np.array([0] * 50 + [1] * 9)
    assert labelled_draw(labels, 10, 0) is None
    assert np.bincount(labels[labelled_draw(labels, 9, 0)]).tolist() == [9, 9]
    codes = np.random.default_rng(0).normal(size=(59, 3)).astype(np.float32)
    splits = Splits.of([codes, codes, codes], [labels, labels, labels])
    assert few_label(splits, 10) is None
    assert few_label(splits, 1) is not None


def test_a_draw_has_no_image_twice_and_only_asks_the_labels():
    labels = np.random.default_rng(0).integers(10, size=500)
    at = labelled_draw(labels, 10, 4)
    assert len(np.unique(at)) == 100
    assert np.array_equal(at, labelled_draw(labels, 10, 4))
    assert not np.array_equal(at, labelled_draw(labels, 10, 5))


def test_large_sets_choose_c_on_a_fixed_part(monkeypatch, standard):
    sizes = []
    original = LogisticRegression.fit
    monkeypatch.setattr(LogisticRegression, "fit", lambda self, x, y: sizes.append(len(x)) or original(self, x, y))
    monkeypatch.setattr(probes, "CHOICE_IMAGES", 400)
    linear_probe(standard)
    assert sizes == [400] * len(probes.C_GRID) + [1300]


def test_probes_repeat_bit_for_bit_whatever_the_global_generator(standard):
    np.random.seed(1)
    one, few = linear_probe(standard), few_label(standard, 1)
    np.random.seed(2)
    again, few_again = linear_probe(standard), few_label(standard, 1)
    assert (one.accuracy, one.low, one.high, one.C, one.gradient) == (
        again.accuracy,
        again.low,
        again.high,
        again.C,
        again.gradient,
    )
    assert (few.mean, few.std) == (few_again.mean, few_again.std)


def test_entries_that_hold_only_rounding_errors_do_not_drown_the_others() -> None:
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % 4 for n in (400, 100, 200)]
    centres = 5 * rng.standard_normal((4, 6))
    clear = [(centres[y] + rng.standard_normal((len(y), 6))).astype(np.float32) for y in labels]
    noise = [1e-8 * rng.standard_normal((len(y), 60)).astype(np.float32) for y in labels]
    noise[2] *= 1000  # rounding is not alike in other batches
    noisy = [np.concatenate(pair, axis=1) for pair in zip(clear, noise, strict=True)]
    without, with_noise = (linear_probe(Splits.of(z, labels).standardised()).accuracy for z in (clear, noisy))
    assert without > 0.95 and abs(without - with_noise) < 0.02
