"""Label-free diagnostics on codes whose answer is known."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import normalize

from unsup.metrics.diagnostics import dead_units, principal_components, rankme, silhouette, subsample, uniformity

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dimension", [2, 16, 64])
def test_rankme_of_isotropic_codes_is_their_dimension(dimension):
    assert rankme(rng.normal(size=(20_000, dimension)).astype(np.float32)) == pytest.approx(dimension, rel=0.01)


def test_rankme_of_one_direction_is_one():
    codes = np.outer(rng.normal(size=5000), rng.normal(size=32)).astype(np.float32)
    assert rankme(codes) == pytest.approx(1, abs=0.01)


def test_rankme_is_the_entropy_of_the_singular_values_of_codes_as_they_are():
    codes = rng.normal(size=(300, 7)).astype(np.float32) * [1, 2, 3, 4, 5, 6, 7] + 3  # not centred
    singular = np.linalg.svd(codes, compute_uv=False)
    p = singular / singular.sum()
    assert rankme(codes.astype(np.float32)) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-4)


def test_rankme_ignores_scale_and_survives_zeros():
    codes = rng.normal(size=(1000, 9)).astype(np.float32)
    assert rankme(codes * 1000) == pytest.approx(rankme(codes), rel=1e-5)
    assert rankme(np.zeros((100, 4), np.float32)) == 0


def test_dead_units_are_counted_whatever_the_scale():
    codes = rng.normal(size=(1000, 10)).astype(np.float32)
    assert dead_units(codes) == 0
    codes[:, 3], codes[:, 7] = 5, 1e-6 * codes[:, 7]
    assert dead_units(codes) == dead_units(codes * 1e-3) == 2
    assert dead_units(np.ones((50, 6), np.float32)) == 6


def test_silhouette_is_scikit_learns_on_a_small_set():
    codes, clusters = rng.normal(size=(500, 4)).astype(np.float32), rng.integers(3, size=500)
    assert silhouette(codes, clusters) == pytest.approx(silhouette_score(codes, clusters))


def test_silhouette_of_far_clusters_is_high_on_a_sample_of_a_large_set():
    clusters = np.repeat([0, 1, 2, 3], 5000)
    codes = (100 * np.eye(4)[clusters] + rng.normal(size=(20_000, 4))).astype(np.float32)
    found = silhouette(codes, clusters)
    assert found > 0.95
    assert found == silhouette(codes, clusters)


def test_one_cluster_has_no_silhouette():
    assert silhouette(np.ones((10, 2), np.float32), np.zeros(10, np.int64)) is None


def test_a_sample_is_fixed_sorted_and_without_repeats():
    chosen = subsample(1000, 100)
    assert np.array_equal(chosen, subsample(1000, 100))
    assert len(np.unique(chosen)) == 100 and np.all(np.diff(chosen) > 0)
    assert 350 < chosen.mean() < 650  # of the whole range, not its beginning
    assert np.array_equal(subsample(5, 100), np.arange(5))


def test_principal_components_are_fitted_on_a_fixed_sample():
    train = rng.normal(size=(400, 1100)).astype(np.float32)
    pca = principal_components(train)
    found = pca.transform(train)
    assert found.shape == (400, 256) and abs(found.mean(axis=0)).max() < 1e-3
    assert np.array_equal(principal_components(train).transform(train[:1]), pca.transform(train[:1]))
    assert principal_components(train[:20]).transform(train).shape == (400, 20)


def test_uniformity_on_known_codes():
    one_direction = np.outer(np.arange(1, 50), np.ones(4)).astype(np.float32)
    assert uniformity(one_direction) == pytest.approx(0, abs=1e-6)
    opposite = np.array([[1.0, 0], [-1, 0]], np.float32)
    assert uniformity(opposite) == pytest.approx(-8)
    spread = rng.normal(size=(800, 200)).astype(np.float32)
    assert uniformity(spread) == pytest.approx(-4, abs=0.1)
    assert uniformity(7 * spread) == pytest.approx(uniformity(spread))
    z = normalize(spread[:40].astype(float))
    pairs = [np.exp(-2 * np.square(z[i] - z[j]).sum()) for i in range(40) for j in range(40) if i != j]
    assert uniformity(spread[:40]) == pytest.approx(np.log(np.mean(pairs)))
