"""Votes of neighbours against brute force and against the formulas of the literature."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from unsup.metrics.neighbours import nearest_by_cosine, neighbour_votes


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, ...]:
    """Codes and labels of 1,000 training and 500 test images, far from the origin."""
    codes, labels = load_digits(return_X_y=True)
    codes = (codes + 3).astype(np.float32)
    return codes[:1000], labels[:1000], codes[1000:1500], labels[1000:1500]


def majority(closeness: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """The most frequent class of the k closest, in double precision."""
    nearest = labels[np.argsort(-closeness, axis=1, kind="stable")[:, :k]]
    return np.array([np.bincount(row).argmax() for row in nearest])


def cosines(test: np.ndarray, train: np.ndarray) -> np.ndarray:
    a, b = test.astype(np.float64), train.astype(np.float64)
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


@pytest.mark.slow
def test_majorities_are_those_of_brute_force(digits: tuple[np.ndarray, ...]) -> None:
    train, labels, test, truth = digits
    votes = neighbour_votes(train, labels, test, truth)
    assert votes.k == 20
    mean = train.astype(np.float64).mean(axis=0)
    distances = np.square(test[:, None].astype(np.float64) - train[None]).sum(axis=2)
    expected = {
        "centred": cosines(test - mean, train - mean),
        "raw": -distances,
        "unit_length": cosines(test, train),
    }
    for name, closeness in expected.items():
        share = np.mean(majority(closeness, labels, 20) == truth)
        limit = 0.0061 if name == "raw" else 0.0021  # whole numbers have equal distances, which fall either way
        assert abs(getattr(votes, name) - share) <= limit, name  # three or one of 500 images


def test_images_without_a_vote_are_as_if_they_were_not_there(digits: tuple[np.ndarray, ...]) -> None:
    train, labels, test, truth = digits
    mean = train.astype(np.float64).mean(axis=0)
    closeness = cosines(test - mean, train - mean)
    nearest = np.unique(closeness.argmax(axis=1))
    votes = neighbour_votes(train, labels, test, truth, nearest)
    closeness[:, nearest] = -np.inf
    expected = majority(closeness, labels, 20) == truth
    assert np.mean(votes.correct_without != expected) <= 0.0041
    assert votes.correct_without.mean() < votes.centred
    assert np.array_equal(neighbour_votes(train, labels, test, truth).correct_without, votes.correct)


def weighted_votes(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, k: int, temperature: float, classes: int
) -> np.ndarray:
    """The weighted vote of DINO's `knn_classifier` and lightly's `knn_predict`, from their formulas.

    Features have length 1; of the k most similar each class gets the sum of exp(similarity / temperature).
    """
    similarity = cosines(test, train)
    scores = np.zeros((len(test), classes))
    for i, row in enumerate(similarity):
        for j in np.argsort(-row)[:k]:
            scores[i, labels[j]] += np.exp(row[j] / temperature)
    return scores.argmax(axis=1)


def test_the_weighted_vote_is_that_of_the_literature(digits: tuple[np.ndarray, ...]) -> None:
    train, labels, test, truth = digits
    expected = np.mean(weighted_votes(train, labels, test, k=200, temperature=0.1, classes=10) == truth)
    votes = neighbour_votes(train, labels, test, truth)
    assert votes.weighted_k == 200 and abs(votes.weighted - expected) <= 0.0021


@pytest.mark.parametrize(("others", "right"), [(145, 1.0), (152, 0.0)])
def test_a_vote_by_cosine_1_counts_as_148_by_cosine_one_half(others: int, right: float) -> None:
    """At the temperature .1 it is exp(10) against exp(5)."""
    train = np.array([[1.0, 0.0]] + [[0.5, np.sqrt(0.75)]] * others, np.float32)
    labels = np.minimum(np.arange(others + 1), 1)
    votes = neighbour_votes(train, labels, train[:1], labels[:1])
    assert votes.weighted == right and votes.raw == votes.unit_length == 1


def test_k_is_capped_by_the_smallest_class_and_the_number_of_images() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 5], [60, 30, 4])
    codes = (rng.standard_normal((94, 3)) + 6 * np.eye(3)[np.searchsorted([0, 1, 5], labels)]).astype(np.float32)
    votes = neighbour_votes(codes, labels, codes, labels)
    assert (votes.k, votes.weighted_k) == (4, 94)
    assert votes.centred > 0.95 and votes.raw > 0.95  # the four of the rare class are not outvoted
    assert neighbour_votes(codes[:60], labels[:60] % 2 + np.arange(60) % 2, codes, labels).k == 20


def test_centring_shows_what_a_shared_direction_hides() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 2
    codes = 5 + np.outer(2 * labels - 1, np.ones(2)) + 0.1 * rng.standard_normal((600, 2))  # along the mean itself
    train, test = codes[:300].astype(np.float32), codes[300:].astype(np.float32)
    votes = neighbour_votes(train, labels[:300], test, labels[300:])
    assert votes.centred == votes.raw == 1 and votes.unit_length < 0.8


def test_equal_codes_and_zeros_are_votes_too() -> None:
    labels = np.arange(90) % 3
    constant = np.zeros((90, 4), np.float32)
    for codes in (constant, constant + 7):
        votes = neighbour_votes(codes, labels, codes[:30], labels[:30])
        shares = np.array([votes.centred, votes.raw, votes.unit_length, votes.weighted])
        assert np.isfinite(shares).all() and ((shares >= 0) & (shares <= 1)).all()


def test_the_nearest_come_first_and_a_copy_is_the_nearest() -> None:
    rng = np.random.default_rng(0)
    train = rng.standard_normal((2000, 12)).astype(np.float32) + 5
    queries = np.concatenate([2 * (train[[7, 1999]] - 5) + 5, rng.standard_normal((70, 12)).astype(np.float32) + 5])
    found = nearest_by_cosine(train, queries, 8)
    mean = train.astype(np.float64).mean(axis=0)
    expected = np.argsort(-cosines(queries - mean, train - mean), axis=1)[:, :8]
    assert found.shape == (72, 8) and np.mean(found == expected) > 0.99
    assert found[:2, 0].tolist() == [7, 1999]
    assert nearest_by_cosine(train[:3], queries, 8).shape == (72, 3)
