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
        assert abs(getattr(votes, name) - share) <= 0.0021, name  # one of 500 images: equal distances fall either way


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
    uniform = np.mean(majority(cosines(test, train), labels, 200) == truth)
    assert abs(votes.weighted - uniform) > 0.005  # the weights matter


def test_k_is_capped_by_the_smallest_class_and_the_number_of_images() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 5], [60, 30, 4])
    codes = (rng.standard_normal((94, 3)) + 6 * np.eye(3)[np.searchsorted([0, 1, 5], labels)]).astype(np.float32)
    votes = neighbour_votes(codes, labels, codes, labels)
    assert (votes.k, votes.weighted_k) == (4, 94)
    assert votes.centred > 0.95 and votes.raw > 0.95  # the four of the rare class are not outvoted
    assert neighbour_votes(codes[:60], labels[:60] % 2 + np.arange(60) % 2, codes, labels).k == 20


def test_centring_takes_away_what_all_codes_share_and_the_cosine_their_length() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 3
    angles = 2 * np.pi * labels / 3
    directions = np.stack([np.cos(angles), np.sin(angles)], 1) + 0.1 * rng.standard_normal((600, 2))
    stretched = (directions * rng.lognormal(0, 2, (600, 1))).astype(np.float32)
    votes = neighbour_votes(stretched[:300] - stretched[:300].mean(0), labels[:300], stretched[300:], labels[300:])
    assert votes.centred > 0.9 > votes.raw
    shifted = neighbour_votes(stretched[:300] + 500, labels[:300], stretched[300:] + 500, labels[300:])
    assert shifted.centred == pytest.approx(
        neighbour_votes(stretched[:300], labels[:300], stretched[300:], labels[300:]).centred, abs=0.01
    )
    assert shifted.unit_length < shifted.centred - 0.1


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
