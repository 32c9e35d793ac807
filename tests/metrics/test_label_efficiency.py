"""Curves of accuracy against the number of labels."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from unsup.metrics import label_efficiency
from unsup.metrics.intervals import accuracy_over_draws
from unsup.metrics.label_efficiency import C_GRID, DRAWINGS, DRAWS, Drawing, label_curve
from unsup.metrics.probes import FEW_LABEL_C, Splits
from unsup.metrics.subsets import balanced_draws, random_draws


def clouds(train: int = 400, spread: float = 1.0, classes: int = 4) -> Splits:
    """Overlapping classes in six dimensions."""
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, classes, n) for n in (train, 50, 300)]
    centres = 3 * rng.standard_normal((classes, 6))
    return Splits.of(
        [(centres[y] + spread * rng.standard_normal((len(y), 6))).astype(np.float32) for y in labels], labels
    )


@pytest.fixture(scope="module")
def splits() -> Splits:
    return clouds(spread=4.0).standardised()


def test_random_draws_ignore_the_classes_and_more_labels_contain_fewer() -> None:
    labels = np.repeat([0, 1], [900, 100])
    few, many = random_draws(labels, 10, 3), random_draws(labels, 100, 3)
    assert all(len(set(at)) == 10 and set(at) <= set(more) for at, more in zip(few, many, strict=True))
    assert len({tuple(at) for at in few}) == 3
    share = np.mean([labels[at].mean() for at in random_draws(labels, 100, 200)])
    assert share == pytest.approx(0.1, abs=0.01)


def test_balanced_draws_have_as_many_of_each_class_or_one_more() -> None:
    labels = np.repeat([3, 5, 7], [50, 20, 10])
    for total in (2, 3, 10, 30):
        for at in balanced_draws(labels, total, 4):
            counts = np.bincount(labels[at], minlength=8)[[3, 5, 7]]
            assert counts.sum() == len(set(at)) == total and counts.max() - counts.min() <= 1
    assert balanced_draws(labels, 31, 4) == []
    assert {tuple(np.unique(labels[at])) for at in balanced_draws(labels, 1, 30)} == {(3,), (5,), (7,)}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_more_labels_read_more_and_totals_stay_below_the_training_images(splits: Splits, drawing: Drawing) -> None:
    points = label_curve(splits, drawing)
    assert [point.labels for point in points] == [10, 30, 100, 300]
    assert points[0].accuracy + 0.05 < points[-1].accuracy
    for point in points:
        assert point.low < point.accuracy < point.high and len(point.by_draw) == DRAWS
        assert point.accuracy == pytest.approx(np.mean(point.by_draw))


def test_labels_that_were_not_drawn_decide_nothing(splits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels of all other training images, and of the validation images, are replaced."""
    monkeypatch.setattr(label_efficiency, "TOTALS", (30,))
    (before,) = label_curve(splits, "random")
    drawn = random_draws(splits.train_labels, 30, DRAWS)
    others = np.setdiff1d(np.arange(len(splits.train_val)), np.concatenate(drawn))
    labels = splits.train_val_labels.copy()
    labels[others] = np.random.default_rng(1).permutation(labels[others])
    assert label_curve(replace(splits, train_val_labels=labels), "random") == [before]


def test_a_common_scale_of_the_codes_changes_nothing() -> None:
    plain = clouds()
    times = Splits.of(
        [1000 * plain.train, 1000 * plain.val, 1000 * plain.test],
        [plain.train_labels, plain.val_labels, plain.test_labels],
    )
    one, other = (label_curve(codes.standardised(), "random") for codes in (plain, times))
    assert [p.accuracy for p in one] == pytest.approx([p.accuracy for p in other], abs=0.01)


def test_c_is_chosen_among_the_drawn_labels_or_fixed_if_none_can_be_held_out(
    splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, int]] = []
    fit = LogisticRegression.fit

    def spy(self: LogisticRegression, x: np.ndarray, y: np.ndarray) -> LogisticRegression:
        seen.append((self.C, len(x)))
        return fit(self, x, y)

    monkeypatch.setattr(LogisticRegression, "fit", spy)
    monkeypatch.setattr(label_efficiency, "TOTALS", (4,))
    label_curve(splits, "balanced")  # one label of each of the four classes
    assert seen == [(FEW_LABEL_C, 4)] * DRAWS
    seen.clear()
    monkeypatch.setattr(label_efficiency, "TOTALS", (90,))
    label_curve(splits, "random")
    assert {c for c, _ in seen} <= {*C_GRID} and len({c for c, _ in seen}) > 1
    assert {n for _, n in seen} == {60, 90}  # two thirds, and all of them
    seen.clear()
    monkeypatch.setattr(label_efficiency, "ONE_FOLD", 90)
    label_curve(splits, "random")
    assert sum(n == 60 for _, n in seen) <= len(C_GRID) * DRAWS


def test_labels_of_a_single_class_predict_it(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = clouds()
    labels = [np.where(np.arange(len(y)) < 2, 1, 0) for y in (codes.train_labels, codes.val_labels, codes.test_labels)]
    rare = Splits.of([codes.train, codes.val, codes.test], labels).standardised()
    monkeypatch.setattr(label_efficiency, "TOTALS", (3,))
    assert all(rare.train_labels[at].max() == 0 for at in random_draws(rare.train_labels, 3, DRAWS))
    (point,) = label_curve(rare, "random")
    assert point.accuracy == pytest.approx(298 / 300)


def test_the_interval_covers_the_accuracy_over_draws_and_images() -> None:
    """Each draw has an ability of its own; 95 % of the intervals hold the mean ability."""
    rng = np.random.default_rng(0)
    inside, wide = 0, 0
    for _ in range(1000):
        image, draw = rng.normal(0, 1, 300), rng.normal(0, 0.3, 5)
        p = 1 / (1 + np.exp(-(1 + image + draw[:, None])))
        low, high = accuracy_over_draws(rng.random(p.shape) < p)
        inside += low <= MEAN <= high
        wide += high - low
    assert 930 <= inside <= 995, inside
    assert wide / 1000 < 0.25


MEAN = float(
    np.mean(1 / (1 + np.exp(-(1 + np.random.default_rng(1).normal(0, np.hypot(1, 0.3), 1_000_000)))))
)  # of the ability above
