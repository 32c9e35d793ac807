"""Clusterings beyond k-means: known answers, and inputs that such methods break on."""

from importlib.util import find_spec
from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from unsup.metrics import mixtures
from unsup.metrics.clustering import kmeans
from unsup.metrics.clustering import matched_accuracy as accuracy
from unsup.metrics.mixtures import (
    affordable_starts,
    agglomerative,
    components,
    fit_mixture,
    gaussian_mixture,
    umap_mixture,
)

# what a clustering does not reach is a failure here, not a line on the screen
pytestmark = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")

needs_umap = pytest.mark.skipif(find_spec("umap") is None, reason="the package umap-learn is not installed")
every_method = pytest.mark.parametrize(
    "method", [gaussian_mixture, agglomerative, pytest.param(umap_mixture, marks=needs_umap)]
)


def blobs(n, dim=6, k=4, spread=0.3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    centres = 3 * rng.normal(size=(k, dim))
    return (centres[labels] + spread * rng.normal(size=(n, dim))).astype(np.float32), labels


def partition(ids):
    """The clusters as sets of positions, whatever their names."""
    return {frozenset(np.flatnonzero(ids == one)) for one in np.unique(ids)}


@every_method
def test_clear_clusters_are_found_in_images_it_was_not_fitted_on(method):
    codes, labels = blobs(500)
    found = method(codes[:300], codes[300:], 4)
    assert accuracy(labels[:300], found.train) == accuracy(labels[300:], found.test) == 1
    assert found.train.dtype == found.test.dtype == np.int64
    assert (found.k, found.fitted_on, found.dim) == (4, 300, 6)


@pytest.mark.parametrize(("method", "most"), [(gaussian_mixture, 10_000), (agglomerative, 5_000)])
def test_a_sample_is_fitted_and_every_image_gets_a_cluster(method, most):
    codes, labels = blobs(11_000, k=3)
    found = method(codes, codes[:100], 3)
    assert found.fitted_on == most
    assert accuracy(labels, found.train) == 1


def test_a_mixture_tells_long_clusters_apart_that_kmeans_cuts_across():
    rng = np.random.default_rng(0)
    labels = np.arange(1200) % 2
    codes = np.stack([3 * rng.normal(size=1200) + 1.5 * labels, 0.5 * rng.normal(size=1200) + 4 * labels], axis=1)
    codes = codes.astype(np.float32)
    assert accuracy(labels, kmeans(codes, codes, 2).train) < 0.75
    assert accuracy(labels, gaussian_mixture(codes, codes, 2).train) > 0.99


def test_a_mixture_of_few_wide_codes_reads_test_images_too():
    """By all of 64 components .37: each Gaussian holds its 45 images alone, and one takes most others."""
    codes, labels = blobs(300, dim=512, k=5, spread=15.0)
    found = gaussian_mixture(codes[:225], codes[225:], 5)
    assert found.dim == 10 and accuracy(labels[225:], found.test) > 0.9


def test_the_start_with_the_highest_likelihood_stays():
    codes = components(6, blobs(600, k=8, spread=1.5)[0])[0]
    likelihoods = [fit_mixture(codes, 8, count).lower_bound_ for count in (1, 2, 3, 4)]
    assert np.all(np.diff(likelihoods) >= 0) and likelihoods[-1] > likelihoods[0]
    assert fit_mixture(codes, 8).lower_bound_ == likelihoods[-1]


def test_fewer_starts_where_one_takes_long():
    assert (affordable_starts(10, 32), affordable_starts(10, 64), affordable_starts(50, 32)) == (4, 1, 1)


def ward(codes, k):
    """Merge the two clusters whose union adds least to the sum of squared distances to the means, until k are left."""
    clusters = [frozenset([i]) for i in range(len(codes))]

    def spread(members):
        return ((codes[list(members)] - codes[list(members)].mean(axis=0)) ** 2).sum()

    while len(clusters) > k:
        a, b = min(combinations(clusters, 2), key=lambda pair: spread(pair[0] | pair[1]) - sum(map(spread, pair)))
        clusters = [c for c in clusters if c not in (a, b)] + [a | b]
    return set(clusters)


@pytest.mark.parametrize("k", [2, 3, 6])
def test_agglomerative_is_wards_method(k):
    codes = np.random.default_rng(k).normal(size=(18, 3)).astype(np.float32)
    assert partition(agglomerative(codes, codes, k).train) == ward(codes.astype(np.float64), k)


@needs_umap
def test_umap_finds_rings_that_a_mixture_cannot_tell_apart():
    rng = np.random.default_rng(0)
    labels, angle = np.arange(800) % 2, rng.uniform(0, 2 * np.pi, 800)
    rings = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.where(labels, 3, 1)[:, None]
    codes = (rings + 0.05 * rng.normal(size=(800, 2))).astype(np.float32)
    assert accuracy(labels[600:], agglomerative(codes[:600], codes[600:], 2).test) < 0.8
    assert accuracy(labels[600:], umap_mixture(codes[:600], codes[600:], 2).test) == 1


@every_method
def test_real_digits_beat_chance_by_far(method):
    images, labels = load_digits(return_X_y=True)
    codes = images.astype(np.float32)
    assert accuracy(labels[1400:], method(codes[:1400], codes[1400:], 10).test) > 0.6


@every_method
def test_the_same_bits_again_and_with_any_number_of_threads(method):
    codes, _ = blobs(900, dim=20, k=8, spread=3.0)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            found.append(method(codes[:700], codes[700:], 8))
    for other in found[1:]:
        assert np.array_equal(found[0].train, other.train) and np.array_equal(found[0].test, other.test)


@every_method
def test_the_global_generator_plays_no_part(method):
    codes, _ = blobs(300, k=6, spread=3.0)
    np.random.seed(1)
    first = method(codes, codes[:50], 6)
    np.random.seed(2)
    assert np.array_equal(first.train, method(codes, codes[:50], 6).train)


@every_method
def test_a_test_image_gets_its_cluster_whatever_the_others_are(method):
    codes, _ = blobs(440, k=6, spread=2.0)
    together = method(codes[:400], codes[400:], 6)
    assert [int(method(codes[:400], codes[i : i + 1], 6).test[0]) for i in (400, 420, 439)] == [
        *together.test[[0, 20, 39]]
    ]


@every_method
@pytest.mark.parametrize(("factor", "offset"), [(2.0**-40, 0), (2.0**40, 0), (1, 1000)])
def test_unit_and_offset_of_codes_do_not_matter(method, factor, offset):
    codes, labels = blobs(300)
    found = method(codes * np.float32(factor) + np.float32(offset), codes[:1], 4)
    assert accuracy(labels, found.train) == 1


def test_entries_that_hardly_vary_do_not_decide(monkeypatch):
    """Collapsed latents a thousandth of the others and heavy-tailed: a Gaussian each for middle and tails."""
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 2
    clouds, collapsed = rng.normal(size=(600, 2)) + 3 * labels[:, None], 1e-3 * rng.standard_t(1.5, size=(600, 3))
    codes = np.hstack([clouds, collapsed]).astype(np.float32)
    assert accuracy(labels, gaussian_mixture(codes, codes[:1], 2).train) > 0.97
    monkeypatch.setattr(mixtures, "ADDED_VARIANCE", 1e-6)  # scikit-learn's own
    assert accuracy(labels, gaussian_mixture(codes, codes[:1], 2).train) < 0.6


@every_method
def test_wide_codes_are_seen_as_principal_components(method):
    codes, labels = blobs(300, dim=200)
    found = method(codes[:200], codes[200:], 4)
    assert found.dim == (10 if method is gaussian_mixture else 64)
    assert accuracy(labels[200:], found.test) == 1


@every_method
def test_one_hot_codes(method):
    codes = np.eye(10, dtype=np.float32)[np.arange(400) % 10]
    found = method(codes, codes[:50], 10)
    assert accuracy(np.arange(400) % 10, found.train) == accuracy(np.arange(50) % 10, found.test) == 1


@every_method
def test_as_many_clusters_as_distinct_codes(method):
    codes = np.eye(3, dtype=np.float32)[np.arange(100) % 3]
    found = method(codes, codes[:6], 10)
    assert (found.k, len(np.unique(found.train))) == (3, 3)
    assert accuracy(np.arange(100) % 3, found.train) == 1


@every_method
@pytest.mark.parametrize("value", [0.0, 3.3])
def test_codes_that_are_all_the_same_are_one_cluster(method, value):
    codes = np.full((100, 5), value, np.float32)
    found = method(codes, codes[:7], 10)
    assert found.k == 1
    assert not found.train.any() and not found.test.any() and len(found.test) == 7


@every_method
@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize("n", [2, 3, 20, 25, 40, 45])
def test_hardly_more_images_than_clusters_or_fewer(method, n):
    codes = np.random.default_rng(n).normal(size=(n, 30)).astype(np.float32)
    found = method(codes, codes[:2], 20)
    assert (found.k, found.fitted_on) == (min(n, 20), n)
    assert len(np.unique(found.train)) == found.k


@every_method
@pytest.mark.parametrize("kind", ["rank one", "constant columns", "outliers"])
def test_degenerate_codes_are_clustered_all_the_same(method, kind):
    rng = np.random.default_rng(0)
    codes = {
        "rank one": rng.normal(size=(400, 1)) @ rng.normal(size=(1, 20)),
        "constant columns": np.hstack([rng.normal(size=(400, 3)), np.full((400, 5), 7.7)]),
        "outliers": np.vstack([rng.normal(size=(397, 8)), 1e6 * rng.normal(size=(3, 8))]),
    }[kind].astype(np.float32)
    found = method(codes, codes[:60], 5)
    assert found.train.shape == (400,) and found.test.shape == (60,)
    assert 2 <= len(np.unique(found.train)) <= 5


def test_without_the_package_umap_is_left_out(monkeypatch):
    monkeypatch.setattr(mixtures, "find_spec", lambda name: None)
    assert list(mixtures.methods()) == ["gaussian mixture", "agglomerative"]
    monkeypatch.setattr(mixtures, "find_spec", lambda name: "there")
    assert list(mixtures.methods()) == ["gaussian mixture", "agglomerative", "UMAP + Gaussian mixture"]


def test_components_keep_distances_and_have_a_mean_variance_of_one():
    codes, _ = blobs(200, dim=5, spread=2.0)
    seen, some = components(5, codes, codes[:10])
    assert seen.var(axis=0, ddof=1).mean() == pytest.approx(1, rel=1e-5)
    ratio = np.linalg.norm(seen[0] - seen[1:], axis=1) / np.linalg.norm(codes[0] - codes[1:], axis=1)
    assert ratio == pytest.approx(ratio[0], rel=1e-4)
    assert some == pytest.approx(seen[:10], abs=1e-5)
    assert seen.dtype == np.float32
