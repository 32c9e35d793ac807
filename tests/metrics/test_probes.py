"""Probes against independent references, and against the ways in which well-known probes went wrong."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from metrics.gradient import largest_gradient
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss
from sklearn.model_selection import PredefinedSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unsup.data.mnist import MNIST
from unsup.metrics import probes
from unsup.metrics.logistic import C_GRID, fit_with_chosen_c, log_probabilities
from unsup.metrics.neighbours import neighbour_votes
from unsup.metrics.probes import Splits, few_label, imbalanced, linear_probe, probe_draws
from unsup.metrics.subsets import imbalanced_draws, labelled_draws, stratified, stratified_folds

GRID = [0.0001, 0.000316228, 0.001, 0.00316228, 0.01, 0.0316228, 0.1, 0.316228, 1, 3.16228, 10]
RATIOS = (1, 10, 100)  # of the most to the least frequent class
REAL = Path(__file__).parents[3] / "shared" / "data"

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


@pytest.fixture(scope="module")
def clouds():
    """Five overlapping classes in eight dimensions, 600 training images each."""
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % 5 for n in (3000, 100, 1000)]
    centres = rng.standard_normal((5, 8))
    codes = [(centres[y] + 1.2 * rng.standard_normal((len(y), 8))).astype(np.float32) for y in labels]
    return Splits.of(codes, labels).standardised()


@pytest.fixture
def fits(monkeypatch):
    """(C, images, whether it starts at a given solution, steps) of every fit of a logistic regression."""
    seen = []
    original = LogisticRegression.fit

    def spy(self, x, y):
        warm = self.warm_start and hasattr(self, "coef_")
        original(self, x, y)
        seen.append((self.C, len(x), warm, int(self.n_iter_[0])))
        return self

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    return seen


def reference(splits, c):
    """scikit-learn's own path in double precision, from codes that are not standardised."""
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=c, tol=1e-8, max_iter=10_000))
    return pipeline.fit(splits.train_val.astype(np.float64), splits.train_val_labels)


def gradient(found, standard):
    """The largest entry of the gradient where the fit of a probe on standardised codes stopped."""
    fitted, rows = found.fitted, slice(len(found.fitted.classes) == 2, None)
    probe = LogisticRegression(C=found.C)
    probe.classes_, probe.coef_, probe.intercept_ = fitted.classes, fitted.weights[rows], fitted.bias[rows]
    return largest_gradient(probe, standard.train_val, standard.train_val_labels)


def test_linear_probe_is_within_two_thousandths_of_an_independent_reference(digits, standard):
    found = linear_probe(standard)
    expected = reference(digits, found.C).score(digits.test.astype(np.float64), digits.test_labels)
    assert abs(found.accuracy - expected) <= 0.0021  # one of 497 images
    assert found.low < found.accuracy < found.high
    assert 0.02 < found.high - found.low < 0.08
    assert found.accuracy > 0.93


def independent(splits):
    """Written with scikit-learn alone, in double precision: C on the validation images, then all images."""
    train, val, fit, test = (z.astype(np.float64) for z in (splits.train, splits.val, splits.train_val, splits.test))
    part, part_labels = train, splits.train_labels
    if len(part) > 10_000:
        part, _, part_labels, _ = train_test_split(
            train, splits.train_labels, train_size=10_000, stratify=splits.train_labels, random_state=1
        )

    def pipeline(c):
        return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=10_000))

    losses = {c: log_loss(splits.val_labels, pipeline(c).fit(part, part_labels).predict_proba(val)) for c in GRID}
    best = min(losses, key=losses.get)
    return pipeline(best).fit(fit, splits.train_val_labels).score(test, splits.test_labels), best


def test_the_grid_is_of_half_decades():
    assert pytest.approx(GRID, rel=1e-5) == C_GRID


def cross_validated(splits):
    """scikit-learn's LogisticRegressionCV in double precision, on the same folds."""
    shuffled = np.random.default_rng(0).permutation(len(splits.train_val))
    fold = np.empty(len(shuffled), int)
    fold[sorted(shuffled, key=lambda i: splits.train_val_labels[i])] = np.arange(len(shuffled)) % 5
    search = LogisticRegressionCV(
        Cs=GRID,
        cv=PredefinedSplit(fold),
        scoring="neg_log_loss",
        max_iter=10_000,
        tol=1e-7,
        use_legacy_attributes=False,
    )
    return search.fit(splits.train_val.astype(np.float64), splits.train_val_labels)


@pytest.mark.slow
def test_few_validation_images_choose_as_scikit_learns_cross_validation_does(standard):
    rng = np.random.default_rng(0)
    codes, labels = zip(*(noisy(rng, n) for n in (200, 100, 500)), strict=True)
    for splits in (standard, Splits.of(codes, labels).standardised()):  # 300 and 100 validation images
        found, search = linear_probe(splits), cross_validated(splits)
        assert pytest.approx(search.C_, rel=1e-5) == found.C
        assert np.mean(search.predict(splits.test.astype(np.float64)) == found.predicted) > 0.998
        losses = -search.scores_.mean(axis=0).ravel()
        assert losses[[0, -1]].min() > losses.min() + 0.001  # the choice matters, and is inside the grid


def test_many_validation_images_choose_c_themselves(fits):
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % 5 for n in (400, 1000, 500)]
    centres = rng.standard_normal((5, 30))
    codes = [(centres[y] + 3 * rng.standard_normal((len(y), 30))).astype(np.float32) for y in labels]
    splits = Splits.of(codes, labels).standardised()
    found = linear_probe(splits)
    assert {n for _, n, _, _ in fits[:-1]} == {400} and fits[-1][1] == 1400
    accuracy, c = independent(splits)
    assert pytest.approx(c, rel=1e-5) == found.C and abs(found.accuracy - accuracy) <= 0.0021
    assert 0.001 < found.C < 1
    fits.clear()
    fewer = Splits.of([codes[0], codes[1][:999], codes[2]], [labels[0], labels[1][:999], labels[2]])
    linear_probe(fewer.standardised())
    assert {n for _, n, _, _ in fits[:-1]} == {1119, 1120}  # four fifths


def test_images_of_a_class_that_the_fit_lacks_do_not_choose_c():
    rng = np.random.default_rng(0)
    codes, labels = rng.standard_normal((300, 4)).astype(np.float32), np.arange(300) % 3
    codes[:, 0] += labels
    fold = np.flatnonzero(labels[:200] < 2), np.arange(200, 300)
    without = fold[0], fold[1][labels[fold[1]] < 2]
    assert fit_with_chosen_c(codes, labels, [fold]).C == fit_with_chosen_c(codes, labels, [without]).C


def test_log_probabilities_stay_finite():
    codes = np.array([[-1.0], [1.0], [2.0]], np.float32)
    two = LogisticRegression().fit(codes[:2], [0, 1])
    three = LogisticRegression().fit(codes, [0, 1, 2])
    for probe in (two, three):
        assert np.exp(log_probabilities(probe, codes)) == pytest.approx(probe.predict_proba(codes), abs=1e-6)
        probe.coef_ = probe.coef_ * 1e4
        far = log_probabilities(probe, codes)
        assert np.isfinite(far).all() and far.min() < -1000 and far.max(axis=1) == pytest.approx(0, abs=1e-3)


def test_folds_hold_every_image_out_once_and_every_class_evenly():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [50, 31, 3, 1]))
    folds = stratified_folds(labels, 5)
    held = np.concatenate([at for _, at in folds])
    alone = np.flatnonzero(labels == 3)  # an only image is never held out
    assert np.array_equal(np.sort(np.append(held, alone)), np.arange(85))
    for fit, at in folds:
        assert np.array_equal(np.sort(np.append(fit, at)), np.arange(85))
        assert set(labels[fit]) == {0, 1, 2, 3} and np.bincount(labels[at])[:2] == pytest.approx([10, 6], abs=1)
    assert all(np.array_equal(one, other) for one, other in zip(folds[0], stratified_folds(labels, 5)[0], strict=True))
    assert len(stratified_folds(np.array([0, 0, 1, 1]), 5)) == 4  # no empty fold


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.available(str(REAL)), reason="MNIST is not in ../shared/data")
def test_the_pixels_of_mnist_are_within_two_thousandths_of_an_independent_reference():
    data = MNIST(str(REAL))
    data.setup()
    splits = Splits.of(
        [np.concatenate([x.flatten(1).numpy() for x in data.batches(split)]) for split in ("train", "val", "test")],
        [data.labels(split) for split in ("train", "val", "test")],
    )
    standard = splits.standardised()
    found = linear_probe(standard)
    accuracy, c = independent(splits)
    assert pytest.approx(c, rel=1e-5) == found.C
    assert abs(found.accuracy - accuracy) <= 0.002
    assert gradient(found, standard) < 1.1e-4
    assert np.array_equal(found.fitted.predict(splits.test), found.predicted)
    again = linear_probe(standard)
    assert again.accuracy == found.accuracy and np.array_equal(again.fitted.weights, found.fitted.weights)


def noisy(rng, n, dimensions=80):
    """Two classes that one entry tells apart, and many that tempt a weakly regularised probe."""
    labels = np.arange(n) % 2
    codes = rng.standard_normal((n, dimensions)).astype(np.float32)
    codes[:, 0] += 3 * labels
    return codes, labels


def test_the_path_of_c_ends_where_the_loss_has_clearly_risen(fits):
    rng = np.random.default_rng(0)
    (part, labels), (rest, more) = noisy(rng, 200), noisy(rng, 10_000)
    x, y = np.concatenate([part, rest]), np.concatenate([labels, more])
    # losses from strong to weak L2: .682, .661, .607, .506, .387, .297, .254, .261
    fit_with_chosen_c(x, y, [(np.arange(200), np.arange(200, 10_200))])
    assert [c for c, n, _, _ in fits if n == 200] == pytest.approx(GRID[:8], rel=1e-5)
    assert fits[-1][:2] == (pytest.approx(0.1), 10_200)
    fits.clear()
    fit_with_chosen_c(x, y, [(np.arange(200), np.arange(200))])  # of the images that are fitted it only falls
    assert [c for c, n, _, _ in fits if n == 200] == pytest.approx(GRID, rel=1e-5)


def test_the_last_fit_starts_near_its_optimum_and_ends_at_the_same(standard, fits):
    found = linear_probe(standard)
    c, n, warm, steps = fits[-1]
    assert (c, n, warm) == (found.C, 1300, True)
    cold = LogisticRegression(C=c, tol=1e-7, max_iter=10_000).fit(standard.train_val, standard.train_val_labels)
    assert steps < fits[-1][3]
    assert np.mean(cold.predict(standard.test) == found.predicted) > 0.99
    assert largest_gradient(cold, standard.train_val, standard.train_val_labels) < gradient(found, standard) < 1.1e-4


@pytest.mark.parametrize("classes", [2, 10])
def test_the_kept_probe_says_of_raw_codes_what_the_probe_said_of_standardised_ones(digits, classes):
    at = [labels < classes for labels in (digits.train_labels, digits.val_labels, digits.test_labels)]
    codes = [z[rows] + 100 for z, rows in zip((digits.train, digits.val, digits.test), at, strict=True)]
    labels = [y[rows] for y, rows in zip((digits.train_labels, digits.val_labels, digits.test_labels), at, strict=True)]
    found = linear_probe(Splits.of(codes, labels).standardised())
    assert np.array_equal(found.fitted.predict(codes[2]), found.predicted)
    shares = found.fitted.probabilities(codes[2])
    assert shares.shape == (len(codes[2]), classes) and shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    scaler = StandardScaler().fit(codes[0].astype(np.float64))
    everything = scaler.transform(np.concatenate(codes[:2]).astype(np.float64))
    reference = LogisticRegression(C=found.C, tol=1e-8, max_iter=10_000).fit(everything, np.concatenate(labels[:2]))
    assert shares == pytest.approx(reference.predict_proba(scaler.transform(codes[2].astype(np.float64))), abs=0.04)


def test_linear_probe_has_converged(standard):
    assert gradient(linear_probe(standard), standard) < 1.1e-4  # lbfgs' tolerance, measured on the mean loss


def test_the_gradient_sees_a_fit_that_stopped_early(standard):
    with pytest.warns(ConvergenceWarning):
        stopped = LogisticRegression(C=1.0, max_iter=5).fit(standard.train_val, standard.train_val_labels)
    assert largest_gradient(stopped, standard.train_val, standard.train_val_labels) > 1e-3


def test_nothing_is_chosen_on_test(standard):
    shuffled = replace(standard, test_labels=np.random.default_rng(0).permutation(standard.test_labels))
    one, other = linear_probe(standard), linear_probe(shuffled)
    assert one.C == other.C
    assert np.array_equal(one.predicted, other.predicted)
    assert other.accuracy < 0.2 < one.accuracy
    without = replace(standard, test=standard.test[:7], test_labels=standard.test_labels[:7])
    assert np.array_equal(linear_probe(without).predicted, one.predicted[:7])


def test_standardising_needs_two_copies_of_the_codes_at_most():
    """The joined splits, and the result: a million codes of 512 numbers are 2 GB."""
    rng = np.random.default_rng(0)
    codes = [rng.normal(size=(n, 32)).astype(np.float32) for n in (60_000, 2_000, 2_000)]
    labels = [np.arange(len(z)) % 10 for z in codes]
    tracemalloc.start()
    splits = Splits.of(codes, labels).standardised()
    splits.relative_scale()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * codes[0].nbytes  # of these two in double precision for 50,000 images
    assert splits.train.std(axis=0, dtype=np.float64) == pytest.approx(1, abs=1e-5)


def test_standardising_uses_training_images_only_and_keeps_constants_finite(digits):
    codes = digits.train_val.copy()
    codes[:, 5] = 4
    changed = replace(digits, train_val=codes).standardised()
    varying = changed.train.std(axis=0) > 0
    assert changed.train.mean(axis=0) == pytest.approx(np.zeros(64), abs=1e-4)
    assert changed.train.std(axis=0)[varying] == pytest.approx(np.ones(varying.sum()), abs=1e-4)
    assert not varying[5] and np.isfinite(changed.test).all()
    assert changed.train_val.dtype == changed.test.dtype == np.float32
    other = replace(
        digits, test=digits.test * 100 + 5, train_val=np.vstack([digits.train, digits.val * 100])
    ).standardised()
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


def test_two_classes_converge_too():
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % 2 for n in (300, 100, 400)]
    codes = [(rng.normal(size=(len(y), 5)) + y[:, None]).astype(np.float32) for y in labels]
    splits = Splits.of(codes, labels).standardised()
    found = linear_probe(splits)
    assert gradient(found, splits) < 1.1e-4 and 0.75 < found.accuracy < 1


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
    assert found.untested == ([9] if missing_in == "test" else []) and len(found.per_class) == 10 - len(found.untested)
    if missing_in == "fit":
        assert found.per_class[9] == 0
    assert probe_draws(less, 0.1).mean > 0.8
    assert few_label(less, 1).mean > 0.3
    assert neighbour_votes(less.train, less.train_labels, less.test, less.test_labels).centred > 0.8


def test_few_label_draws_are_the_same_for_different_codes(standard, monkeypatch):
    seen = []
    original = LogisticRegression.fit

    def spy(self, x, y):
        seen.append((x.copy(), y.copy()))
        return original(self, x, y)

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    first = few_label(standard, 10)
    negated = few_label(replace(standard, train_val=-standard.train_val, test=-standard.test), 10)
    assert len(seen) == 20
    for (x, y), (minus_x, same_y) in zip(seen[:10], seen[10:], strict=True):
        assert np.array_equal(x, -minus_x) and np.array_equal(y, same_y)
        assert np.array_equal(np.bincount(y), np.full(10, 10))
    assert not np.array_equal(seen[0][0], seen[1][0])  # ten different draws
    assert first.mean == pytest.approx(negated.mean, abs=0.003)


@pytest.mark.parametrize("standardised", [False, True])
def test_few_label_mean_spread_and_share_agree(digits, standard, standardised):
    found = few_label(standard, 10, standardised)
    centred, scale = digits.train - digits.train.mean(axis=0), np.sqrt(digits.train.var(axis=0).mean())
    train, test = centred / scale, (digits.test - digits.train.mean(axis=0)) / scale
    if standardised:
        train, test = standard.train, standard.test
    right = []
    for at in labelled_draws(standard.train_labels, 10, 10):
        probe = LogisticRegression(C=0.1, max_iter=1000).fit(train[at], standard.train_labels[at])
        right.append(probe.predict(test) == standard.test_labels)
    accuracies = np.mean(right, axis=1)
    assert found.draws == 10 and found.images == 100
    assert found.mean == pytest.approx(np.mean(accuracies), abs=0.0003)
    assert found.mean == pytest.approx(found.share.mean(), abs=1e-6)
    assert found.std == pytest.approx(np.std(accuracies, ddof=1), abs=0.0003)
    assert np.mean(found.share != np.mean(right, axis=0).astype(np.float32)) < 0.01
    assert few_label(standard, 1).mean < found.mean < linear_probe(standard).accuracy


def test_one_scale_does_not_amplify_entries_that_hardly_vary():
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % 4 for n in (400, 100, 500)]
    centres = 3 * rng.standard_normal((4, 6))
    codes = [
        np.concatenate([centres[y] + rng.standard_normal((len(y), 6)), 0.01 * rng.standard_normal((len(y), 200))], 1)
        for y in labels
    ]
    splits = Splits.of([z.astype(np.float32) for z in codes], labels).standardised()
    assert few_label(splits, 10).mean > 0.97 > few_label(splits, 10, standardised=True).mean + 0.05
    scaled = splits.train * splits.relative_scale()
    assert scaled.var(axis=0).mean() == pytest.approx(1, rel=1e-4)
    assert scaled.std(axis=0) / scaled.std(axis=0)[0] == pytest.approx(
        codes[0].std(axis=0) / codes[0].std(axis=0)[0], 1e-4
    )
    constant = Splits.of([np.ones((len(y), 3), np.float32) for y in labels], labels).standardised()
    assert constant.relative_scale().tolist() == [1, 1, 1]


def test_few_label_is_left_out_where_a_class_has_too_few_images():
    labels = np.array([0] * 50 + [1] * 9)
    assert labelled_draws(labels, 10, 1) == []
    assert np.bincount(labels[labelled_draws(labels, 9, 1)[0]]).tolist() == [9, 9]
    codes = np.random.default_rng(0).normal(size=(59, 3)).astype(np.float32)
    splits = Splits.of([codes, codes, codes], [labels, labels, labels])
    assert few_label(splits, 10) is None
    assert few_label(splits, 1) is not None


def test_a_draw_has_no_image_twice_and_only_asks_the_labels():
    labels = np.random.default_rng(0).integers(10, size=500)
    *_, at, other = labelled_draws(labels, 10, 6)
    assert len(np.unique(at)) == 100
    assert np.array_equal(at, labelled_draws(labels, 10, 5)[4])
    assert not np.array_equal(at, other)


def test_probes_repeat_bit_for_bit_whatever_the_global_generator(standard, clouds):
    np.random.seed(1)
    one, few = linear_probe(standard), few_label(standard, 1)
    np.random.seed(2)
    again, few_again = linear_probe(standard), few_label(standard, 1)
    assert (one.accuracy, one.low, one.high, one.C) == (again.accuracy, again.low, again.high, again.C)
    assert (few.mean, few.std) == (few_again.mean, few_again.std)
    assert np.array_equal(one.fitted.weights, again.fitted.weights)
    for first, second in [
        (probe_draws(standard, 0.1), probe_draws(standard, 0.1)),
        (imbalanced(clouds, 0.1, 10), imbalanced(clouds, 0.1, 10)),
    ]:
        assert (first.mean, first.std) == (second.mean, second.std)
        assert np.array_equal(first.share, second.share)


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


# ---- draws of training images ----------------------------------------------------------------------------------------


def test_a_stratified_part_has_every_class_its_share_and_no_image_twice():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3, 7], [5000, 3000, 1990, 8, 2]))
    at = stratified(labels, 1000)
    assert len(at) == len(np.unique(at)) == 1000 and (np.diff(at) > 0).all()
    counts = np.bincount(labels[at])
    assert counts[[0, 1, 2]] == pytest.approx([500, 300, 199], abs=2)
    assert counts[3] >= 1 and counts[7] >= 1
    assert np.array_equal(at, stratified(labels, 1000))
    assert not np.array_equal(at, stratified(labels, 1000, draw=1))
    assert np.array_equal(stratified(labels, 10_000), np.arange(10_000))


@pytest.mark.parametrize("val", [300, 1000])
def test_c_is_chosen_on_a_part_that_has_every_class(standard, fits, monkeypatch, val):
    monkeypatch.setattr(probes, "CHOICE_IMAGES", 100)
    monkeypatch.setattr(probes, "CROSS_VALIDATED", 100)
    rare = standard.train_labels == 9
    rare[np.flatnonzero(rare)[:2]] = False  # two images of it are left
    rows = np.arange(val) % 300
    labels = np.where(standard.val_labels == 9, 8, standard.val_labels)[rows]
    less = Splits.of(
        [standard.train[~rare], standard.val[rows], standard.test],
        [standard.train_labels[~rare], labels, standard.test_labels],
    )
    linear_probe(less)
    assert {n for _, n, _, _ in fits[:-1]} <= ({80, 81} if val == 300 else {100})
    at = stratified(less.train_labels, 100)
    assert np.bincount(less.train_labels[at])[9] >= 1


def test_draws_of_the_probe_spread_about_the_probe(standard):
    found = probe_draws(standard, 0.1)
    assert (found.draws, found.images) == (5, 500)
    accuracies = []
    for draw in range(1, 6):
        at = stratified(standard.train_labels, 500, draw)
        probe = LogisticRegression(C=0.1, max_iter=1000).fit(standard.train[at], standard.train_labels[at])
        accuracies.append(probe.score(standard.test, standard.test_labels))
    assert found.mean == pytest.approx(np.mean(accuracies)) and found.std == pytest.approx(np.std(accuracies, ddof=1))
    assert 0 < found.std < 0.02 and found.mean < linear_probe(standard).accuracy


def test_draws_of_a_handful_of_images_have_every_class():
    labels = np.array([0, 1, 2])
    codes = np.eye(3, dtype=np.float32)
    found = probe_draws(Splits.of([codes] * 3, [labels] * 3), 1.0)
    assert (found.images, found.mean, found.std) == (3, 1, 0)


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_imbalanced_draws_decay_exponentially_and_have_one_size(classes):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(classes), 6000 if classes < 100 else 500))
    orders = []
    for ratio in RATIOS:
        at, other = imbalanced_draws(labels, ratio, 2)
        assert len(at) == len(np.unique(at)) == 5000
        sizes = np.bincount(labels[at], minlength=classes)
        orders.append(np.argsort(-sizes, kind="stable"))
        ordered = np.sort(sizes)[::-1]
        expected = ordered[0] * ratio ** (-np.arange(classes) / (classes - 1))
        assert ordered == pytest.approx(expected, abs=1 + 1 / ordered[0] * ratio)
        assert np.array_equal(at, imbalanced_draws(labels, ratio, 1)[0])
    if classes == 10:  # distinct sizes
        assert np.array_equal(orders[1], orders[2])
        assert not np.array_equal(np.argsort(-np.bincount(labels[other])), orders[2])  # other classes are rare


def test_a_rare_class_is_part_of_its_larger_self():
    labels = np.arange(20_000) % 10
    gentle, steep = (imbalanced_draws(labels, ratio, 4)[3] for ratio in (10, 100))
    sizes = [np.bincount(labels[at]) for at in (gentle, steep)]
    for c in range(10):
        ours = [set(at[labels[at] == c]) for at in (gentle, steep)]
        assert ours[1] <= ours[0] if sizes[1][c] <= sizes[0][c] else ours[0] <= ours[1]


def test_imbalanced_draws_stay_within_small_classes():
    labels = np.repeat(np.arange(10), [110, *[400] * 9])
    sizes = [len(at) for ratio in RATIOS for at in imbalanced_draws(labels, ratio, 5)]
    assert len(set(sizes)) == 1 and 250 < sizes[0] < 280
    assert imbalanced_draws(np.repeat(np.arange(10), [90, *[400] * 9]), 10, 1) == []
    rare = [np.bincount(labels[at]).min() for at in imbalanced_draws(labels, 100, 5)]
    assert rare == [1] * 5


def test_imbalance_costs_accuracy_and_small_classes_have_none(clouds, standard):
    found = {ratio: imbalanced(clouds, 0.1, ratio) for ratio in RATIOS}
    assert found[1].mean > found[10].mean + 0.01 > found[100].mean + 0.03
    assert {(one.draws, one.images) for one in found.values()} == {(5, found[1].images)}
    assert found[100].std > 0
    assert imbalanced(standard, 0.1, 10) is None  # 86 images of a class


def test_c_is_chosen_on_validation_images_or_in_five_folds_of_three_thousand() -> None:
    def folds(train: int, val: int) -> list[tuple[np.ndarray, np.ndarray]]:
        labels = [np.arange(n) % 2 for n in (train, val, 2)]
        return probes._choice_folds(Splits.of([np.zeros((len(y), 1), np.float32) for y in labels], labels))

    ((fit, held_out),) = folds(12_000, 1_000)
    assert len(fit) == 10_000 and np.array_equal(held_out, np.arange(12_000, 13_000))
    parts = folds(12_000, 998)
    assert [(len(fit), len(at)) for fit, at in parts] == [(2_400, 600)] * 5
    assert len(np.unique(np.concatenate([at for _, at in parts]))) == 3_000
    assert max(np.concatenate([at for _, at in parts])) >= 12_000  # validation images too
    assert sum(len(at) for _, at in folds(500, 100)) == 600
