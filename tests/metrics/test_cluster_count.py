"""The number of clusters without labels, where it is known."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from unsup.metrics import mixtures
from unsup.metrics.mixtures import components, estimate_k

pytestmark = pytest.mark.filterwarnings("error")


def planted(k, n=1000, dim=12, seed=0):
    """n points of k Gaussians of unit variance, about 15 apart."""
    rng = np.random.default_rng(seed)
    return (3 * rng.normal(size=(k, dim))[np.arange(n) % k] + rng.normal(size=(n, dim))).astype(np.float32)


@pytest.mark.parametrize("k", [3, 7])
def test_planted_gaussians_are_counted(k):
    assert estimate_k(planted(k)) == {"silhouette": k, "bic": k}


def test_clusters_of_unequal_size_and_shape_are_counted():
    rng = np.random.default_rng(0)
    sizes, stretch = [700, 200, 100], rng.uniform(0.3, 1.5, size=(3, 8))
    parts = [10 * np.eye(8)[i] + rng.normal(size=(n, 8)) * stretch[i] for i, n in enumerate(sizes)]
    assert estimate_k(np.concatenate(parts).astype(np.float32)) == {"silhouette": 3, "bic": 3}


def test_bic_sees_that_there_is_a_single_cluster():
    found = estimate_k(planted(1, n=500))
    assert found["bic"] == 1
    assert 2 <= found["silhouette"] <= 20  # which cannot say so


def test_repeated_points_are_as_many_clusters():
    points = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    assert estimate_k(points[np.arange(200) % 4]) == {"silhouette": 4, "bic": 4}


def test_more_clusters_than_are_tried():
    found = estimate_k(planted(40, n=2000, dim=30))
    assert max(found.values()) <= 20


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_images_bound_the_number(n):
    found = estimate_k(np.random.default_rng(n).normal(size=(n, 8)).astype(np.float32))
    assert 1 <= found["bic"] <= n
    assert found["silhouette"] == 1 if n == 2 else 2 <= found["silhouette"] < n


def test_codes_that_are_all_the_same_are_one_cluster():
    assert estimate_k(np.full((50, 4), 3.3, np.float32)) == {"silhouette": 1, "bic": 1}


def test_unit_and_offset_do_not_matter():
    codes = planted(5, n=300)
    assert estimate_k(codes) == estimate_k(codes * np.float32(1e-6)) == estimate_k(codes + 100)


def test_a_fixed_sample_is_seen_with_any_number_of_threads(monkeypatch):
    seen = []
    monkeypatch.setattr(mixtures, "COUNTED_IMAGES", 400)
    monkeypatch.setattr(mixtures, "components", lambda d, codes: seen.append(codes) or components(d, codes))
    codes = planted(3, n=2000)
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert estimate_k(codes) == {"silhouette": 3, "bic": 3}
    assert len(seen[0]) == 400 and np.array_equal(seen[0], seen[1])


def test_digits_are_about_ten():
    found = estimate_k(load_digits().data.astype(np.float32))
    assert all(7 <= k <= 13 for k in found.values())
