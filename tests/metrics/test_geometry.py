"""Ways through code spaces begin and end where they should; nearest neighbours are the nearest."""

import numpy as np
import pytest
from numpy.typing import NDArray

from unsup.metrics.geometry import across_groups, nearest, spherical, straight, walks

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("way", [straight, spherical])
@pytest.mark.parametrize("dim", [1, 2, 100])
def test_a_way_has_its_ends(way: object, dim: int) -> None:
    for _ in range(20):
        start, end = RNG.standard_normal((2, dim), np.float32)
        found = way(start, end, 9)  # type: ignore[operator]
        assert found.shape == (9, dim) and np.isfinite(found).all()
        found = found.astype(np.float32)
        assert (found[0] == start).all() and (found[-1] == end).all()


def test_a_straight_line_is_straight() -> None:
    start, end = RNG.normal(size=(2, 5))
    assert np.allclose(np.diff(straight(start, end, 9), axis=0), (end - start) / 8)


def test_an_arc_keeps_its_norm_and_goes_at_even_angles() -> None:
    start, end = RNG.normal(size=(2, 100))
    norms = np.linalg.norm(spherical(start, end, 9), axis=1)
    low, high = sorted(np.linalg.norm([start, end], axis=1))
    assert 0.97 * low < norms.min() and norms.max() < 1.03 * high
    unit = spherical(start / np.linalg.norm(start), end / np.linalg.norm(end), 9)
    assert np.allclose(np.linalg.norm(unit, axis=1), 1)
    assert np.allclose((unit[1:] * unit[:-1]).sum(1), (unit[0] * unit[1]).sum())
    assert np.linalg.norm(straight(start, end, 9), axis=1).min() < 0.8 * low  # what arcs are for


@pytest.mark.parametrize("factor", [1.0, 2.5, -1.0])
def test_between_parallel_vectors_the_arc_is_the_line(factor: float) -> None:
    start = RNG.normal(size=10)
    assert np.allclose(spherical(start, factor * start, 9), straight(start, factor * start, 9))


def test_pairs_come_from_different_groups() -> None:
    groups = np.arange(50) % 3
    pairs = across_groups(groups, 6)
    assert pairs.shape == (6, 2) and (groups[pairs[:, 0]] != groups[pairs[:, 1]]).all()
    assert (pairs == across_groups(groups, 6)).all() and len(np.unique(pairs[:, 0])) == 6
    assert across_groups(np.array([4, 9]), 6).shape == (2, 2)
    assert across_groups(np.zeros(50), 6).shape == (0, 2)


def test_walks_change_one_entry_each() -> None:
    codes = (RNG.normal(size=(200, 12)) * np.arange(12) + 5).astype(np.float32)  # entry 0 never varies
    entries, deviations, along = walks(codes)
    assert entries.tolist() == [11, 10, 9, 8, 7, 6, 5, 4] and along.shape == (8, 11, 12)
    assert np.allclose(deviations, codes.std(0)[entries], rtol=1e-4)
    start = codes[np.linalg.norm(codes - codes.mean(0), axis=1).argmin()]
    for entry, walk in zip(entries, along, strict=True):
        assert np.allclose(
            walk[:, entry], codes[:, entry].mean() + np.linspace(-2.5, 2.5, 11) * codes[:, entry].std(), rtol=1e-4
        )
        assert (np.delete(walk, entry, 1) == np.delete(start, entry)).all()


@pytest.mark.parametrize(("dim", "rows"), [(1, 1), (2, 2), (8, 8), (9, 8)])
def test_walks_in_small_codes(dim: int, rows: int) -> None:
    codes = RNG.standard_normal((30, dim), np.float32)
    assert walks(codes)[2].shape == (rows, 11, dim)
    codes[:, 0] = 0.1  # its mean and so its deviation may be off by rounding
    assert 0 not in walks(codes)[0]


def test_nearest_against_brute_force() -> None:
    rows = RNG.random((700, 20), np.float32)
    rows[500] = rows[100]  # a tie
    queries = np.concatenate([RNG.random((30, 20), np.float32), rows[[0, 100, 699]]])
    squared = np.square(queries[:, None].astype(np.float64) - rows).sum(2)
    expected: NDArray[np.int64] = squared.argmin(1)
    for size in (64, 699, 700):
        position, distance = nearest(queries, (rows[i : i + size] for i in range(0, 700, size)))
        assert (position == expected).all()
        assert np.allclose(distance, squared.min(1), rtol=1e-6, atol=1e-9)
    assert distance[-3:].max() < 1e-9  # copies
