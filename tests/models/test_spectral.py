"""Cutting the graph of neighbours: planted groups, rings that k-means cannot see, the same bits again."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unsup.models.parts.spectral import nearest_by_cosine, neighbour_graph, spectral_clusters


def bundles(k: int, n: int, spread: float) -> tuple[torch.Tensor, NDArray[np.int64]]:
    """n codes about each of k random directions, and which."""
    torch.manual_seed(0)
    centres = torch.randn(k, 16)
    ids = torch.arange(k).repeat_interleave(n)
    return centres[ids] + spread * torch.randn(k * n, 16), ids.numpy()


def same_partition(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    pairs = {(int(x), int(y)) for x, y in zip(a, b, strict=True)}
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


def test_neighbours_by_hand() -> None:
    angle = torch.tensor([0.0, 10.0, 25.0, 90.0]).deg2rad()
    codes = torch.stack([angle.cos(), angle.sin()], dim=1) * torch.tensor(
        [[1.0], [5.0], [0.2], [1.0]]
    )  # length is free
    assert nearest_by_cosine(codes, 2).tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    graph = neighbour_graph(codes, 1).toarray()
    assert graph.tolist() == [[0, 2, 0, 0], [2, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


def test_neighbours_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, _ = bundles(3, 50, 1.0)
    whole = nearest_by_cosine(codes, 4)
    monkeypatch.setattr("unsup.models.parts.spectral.COSINE_ROWS", 7)
    assert torch.equal(nearest_by_cosine(codes, 4), whole)
    assert not (whole == torch.arange(150)[:, None]).any()


def test_planted_groups_are_found() -> None:
    codes, ids = bundles(6, 60, 0.4)
    assert same_partition(spectral_clusters(neighbour_graph(codes, 8), 6), ids)


def test_rings_are_found_where_means_are_equal() -> None:
    """Two circles of latitude about one axis have one centre direction; only neighbourhoods tell them apart."""
    turn = torch.linspace(0, 2 * torch.pi, 201)[:200]
    rings = [torch.stack([r * turn.cos(), r * turn.sin(), torch.ones(200)], dim=1) for r in (0.3, 1.5)]
    ids = spectral_clusters(neighbour_graph(torch.cat(rings), 5), 2)
    assert same_partition(ids, np.repeat([0, 1], 200))


def test_a_second_graph_joins_what_the_first_keeps_apart() -> None:
    codes, ids = bundles(4, 60, 0.3)
    other = torch.randn(2, 5)[torch.from_numpy(ids) // 2] + 0.1 * torch.randn(240, 5)
    joined = neighbour_graph(codes, 6) + neighbour_graph(other, 6)
    assert same_partition(spectral_clusters(joined, 2), ids // 2)


def test_the_same_graph_gives_the_same_clusters() -> None:
    codes, _ = bundles(5, 80, 1.2)
    graph = neighbour_graph(codes, 6)
    assert np.array_equal(spectral_clusters(graph, 5), spectral_clusters(graph, 5))
