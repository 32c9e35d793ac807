"""Clusters against classes, checked by brute force and on known answers."""

from itertools import combinations, permutations

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import mutual_info_score
from threadpoolctl import threadpool_limits

from unsup.metrics.clustering import agreement, kmeans, kmeans_from, matched_accuracy


def brute_force(labels, clusters, k):
    """Best share of matches over all ways to rename k clusters."""
    return max(np.mean(np.array(names)[clusters] == labels) for names in permutations(range(k)))


def purity(labels, clusters):
    return sum(np.bincount(labels[clusters == c]).max() for c in np.unique(clusters)) / len(labels)


@pytest.mark.parametrize("k", [2, 3, 4, 5, 6])
def test_accuracy_equals_brute_force_over_all_permutations(k):
    rng = np.random.default_rng(k)
    for _ in range(5):
        labels = rng.integers(k, size=60)
        clusters = np.where(rng.random(60) < 0.5, (labels + 1) % k, rng.integers(k, size=60))
        assert matched_accuracy(labels, clusters) == pytest.approx(brute_force(labels, clusters, k), abs=1e-12)


@pytest.mark.parametrize(("classes", "clusters"), [(5, 3), (3, 5), (2, 6), (6, 1)])
def test_accuracy_equals_brute_force_with_another_number_of_clusters_than_classes(classes, clusters):
    """A cluster renamed to a class that does not exist is one without a partner."""
    rng, k = np.random.default_rng(classes), max(classes, clusters)
    for _ in range(5):
        labels = rng.integers(classes, size=60)
        found = np.where(rng.random(60) < 0.5, labels % clusters, rng.integers(clusters, size=60))
        assert matched_accuracy(labels, found) == pytest.approx(brute_force(labels, found, k), abs=1e-12)


@pytest.mark.parametrize(("classes", "clusters"), [(5, 3), (3, 5), (10, 40), (4, 1)])
def test_accuracy_is_at_most_purity_and_at_least_the_largest_match(classes, clusters):
    rng = np.random.default_rng(0)
    labels, found = rng.integers(classes, size=300), rng.integers(clusters, size=300)
    largest = max(np.mean((labels == a) & (found == b)) for a in range(classes) for b in range(clusters))
    assert largest <= matched_accuracy(labels, found) <= purity(labels, found)


def test_more_clusters_than_classes_cost_accuracy_though_purity_is_perfect():
    labels = np.array([0, 0, 0, 1, 1, 1])
    clusters = np.array([0, 0, 1, 2, 2, 3])
    assert purity(labels, clusters) == 1
    assert matched_accuracy(labels, clusters) == pytest.approx(4 / 6)


def test_fewer_clusters_than_classes_leave_a_class_unmatched():
    labels = np.array([0, 0, 0, 1, 1, 2])
    clusters = np.array([0, 0, 0, 1, 1, 1])
    assert matched_accuracy(labels, clusters) == pytest.approx(5 / 6)


def test_ids_are_names_only():
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=500)
    assert agreement(labels, rng.permutation(10)[labels] + 7) == pytest.approx({"acc": 1, "nmi": 1, "ari": 1})


def test_one_cluster_scores_the_largest_class():
    labels = np.array([0] * 90 + [1] * 10)
    assert agreement(labels, np.zeros(100, int)) == pytest.approx({"acc": 0.9, "nmi": 0, "ari": 0})


def test_random_clusters_have_no_adjusted_rand_index():
    rng = np.random.default_rng(0)
    found = [agreement(rng.integers(10, size=2000), rng.integers(10, size=2000))["ari"] for _ in range(10)]
    assert abs(np.mean(found)) < 1e-3


@pytest.mark.parametrize(("classes", "clusters"), [(4, 4), (3, 7), (6, 2)])
def test_adjusted_rand_index_equals_a_count_of_pairs(classes, clusters):
    """Hubert & Arabie 1985: pairs together in both, less those expected by chance, over the most there could be."""
    rng = np.random.default_rng(classes)
    labels = rng.integers(classes, size=80)
    found = np.where(rng.random(80) < 0.6, labels % clusters, rng.integers(clusters, size=80))
    pairs = list(combinations(range(80), 2))
    in_class = np.array([labels[i] == labels[j] for i, j in pairs])
    in_cluster = np.array([found[i] == found[j] for i, j in pairs])
    chance = in_class.sum() * in_cluster.sum() / len(pairs)
    most = (in_class.sum() + in_cluster.sum()) / 2
    expected = ((in_class & in_cluster).sum() - chance) / (most - chance)
    assert 0.05 < expected < 0.9
    assert agreement(labels, found)["ari"] == pytest.approx(expected)


def test_nmi_divides_by_the_arithmetic_mean_of_the_entropies():
    def entropy(ids):
        p = np.bincount(ids) / len(ids)
        return -(p[p > 0] * np.log(p[p > 0])).sum()

    labels = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    clusters = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    expected = mutual_info_score(labels, clusters) / ((entropy(labels) + entropy(clusters)) / 2)
    geometric = mutual_info_score(labels, clusters) / np.sqrt(entropy(labels) * entropy(clusters))
    assert agreement(labels, clusters)["nmi"] == pytest.approx(expected)
    assert abs(expected - geometric) > 0.01  # the two can be told apart here


def blobs(n, dim=8, k=5, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    centres = rng.normal(size=(k, dim))
    return (centres[labels] * 3 + spread * rng.normal(size=(n, dim))).astype(np.float32), labels


def test_kmeans_finds_clear_clusters_in_images_it_was_not_fitted_on():
    codes, labels = blobs(600, spread=0.2)
    found = kmeans(codes[:400], codes[400:], 5)
    assert matched_accuracy(labels[:400], found.train) == matched_accuracy(labels[400:], found.test) == 1


def test_kmeans_picks_the_restart_by_inertia_and_reports_all():
    codes, _ = blobs(500, spread=3.0, k=8)
    found = kmeans(codes[:300], codes[300:], 8, restarts=10)

    def inertia(ids):
        return sum(((codes[:300][ids == c] - codes[:300][ids == c].mean(0)) ** 2).sum() for c in np.unique(ids))

    alone = [kmeans(codes[:300], codes[300:], 8, restarts=n) for n in range(1, 11)]
    best_so_far = [inertia(fit.train) for fit in alone]
    assert best_so_far[0] > best_so_far[-1]  # restarts differ, and the first is not the best
    assert np.all(np.diff(best_so_far) <= 1e-3)
    assert len(found.restarts) == 10
    assert any(np.array_equal(found.test, ids) for ids in found.restarts)
    assert not all(np.array_equal(found.test, ids) for ids in found.restarts)


def test_kmeans_of_many_images_ends_as_low_as_from_all_of_them():
    codes, _ = blobs(24_000, dim=6, k=8, spread=3.0)
    found = kmeans(codes, codes[:100], 8)
    full = min((KMeans(8, n_init=1, random_state=seed).fit(codes) for seed in range(10)), key=lambda fit: fit.inertia_)
    inertia = float(((codes - found.centres[found.train]) ** 2).sum())
    assert inertia < 1.001 * full.inertia_ and len(found.restarts) == 10


def test_kmeans_gives_the_same_bits_with_any_number_of_threads():
    codes, _ = blobs(20_000, dim=40, k=10, spread=6.0)
    found = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads):
            found.append(kmeans(codes, codes[:100], 10, restarts=1))
    assert all(np.array_equal(found[0].centres, other.centres) for other in found[1:])


def test_kmeans_does_not_depend_on_the_global_generator():
    codes, _ = blobs(300, spread=4.0)
    np.random.seed(1)
    first = kmeans(codes, codes[:50], 5)
    np.random.seed(2)
    assert np.array_equal(first.train, kmeans(codes, codes[:50], 5).train)


def test_fewer_images_than_clusters():
    codes, _ = blobs(4)
    assert sorted(kmeans(codes, codes, 10).train) == [0, 1, 2, 3]


def test_kmeans_goes_on_from_centres_to_a_fixed_point_on_all_images():
    codes, _ = blobs(900, spread=3.0, k=6)
    ids = kmeans_from(kmeans(codes[:300], codes[300:], 6).centres, codes)
    centres = np.stack([codes[ids == c].mean(axis=0) for c in range(6)])
    nearest = ((codes[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == ids) > 0.995
    again = kmeans_from(centres.astype(np.float32), codes)
    assert np.mean(again == ids) > 0.995
