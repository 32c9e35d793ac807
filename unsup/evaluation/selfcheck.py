"""A check of the evaluator on codes whose scores are known."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from unsup.evaluation.copies import Copies, copy_scores
from unsup.metrics import clustering, diagnostics, generation, probes
from unsup.metrics.classification import calibration_errors, class_scores
from unsup.metrics.differences import Sample, differences
from unsup.metrics.mixtures import agglomerative, estimate_k, gaussian_mixture
from unsup.metrics.near_duplicates import LabelledImages, find_near_duplicates
from unsup.metrics.neighbours import NeighbourVotes, neighbour_votes
from unsup.metrics.probes import Splits
from unsup.metrics.variance import SeedSpread

CLASSES, DIMENSION = 10, 32
TRAIN, VAL, TEST = 800, 200, 2000
CHANCE = 0.03  # how far from 1 / CLASSES chance may fall: over four standard deviations of 2,000 guesses

CheckResult = tuple[str, bool, str]  # what was checked, passed, what was measured


def selfcheck() -> list[CheckResult]:
    """Run all checks, with the same draws every time, in some seconds."""
    rng = np.random.default_rng(0)
    labels = [np.arange(n) % CLASSES for n in (TRAIN, VAL, TEST)]
    one_hot = Splits.of([np.eye(CLASSES, dtype=np.float32)[y] for y in labels], labels)
    noise = Splits.of([_gaussian(rng, len(y)) for y in labels], labels)
    centres = 3 * _gaussian(rng, CLASSES)
    clouds = [centres[y] + 3 * _gaussian(rng, len(y)) for y in labels]
    clear = Splits.of(clouds, labels)
    permuted = Splits.of(clouds, [rng.permutation(labels[0]), rng.permutation(labels[1]), labels[2]])

    few = {name: probes.few_label(one_hot, 1, name == "standardised") for name in ("one scale", "standardised")}
    checks = [
        _exactly("one-hot codes: linear probe", probes.linear_probe(one_hot).accuracy, 1),
        *(_exactly(f"one-hot codes: kNN, {name}", share, 1) for name, share in _votes(one_hot).items()),
        *(
            _exactly(f"one-hot codes: one label per class, {name}", one.mean if one else 0, 1)
            for name, one in few.items()
        ),
        _exactly("one-hot codes: k-means, fitted on train, scored on test", _kmeans_accuracy(one_hot), 1),
        _chance("Gaussian noise: linear probe", probes.linear_probe(noise).accuracy),
        *(_chance(f"Gaussian noise: kNN, {name}", share) for name, share in _votes(noise).items()),
        _chance("Gaussian noise: k-means", _kmeans_accuracy(noise), slack=0.05),  # matching profits from luck
    ]
    learnt = probes.linear_probe(clear).accuracy
    checks.append(("right labels are learnt", learnt > 0.9, f"{learnt:.3f}"))
    names_clouds = probes.linear_probe(permuted).accuracy  # whole clouds are named alike, so that luck counts tenths
    checks.append(_chance("permuted training labels", names_clouds, slack=0.15))
    renamed = clustering.agreement(labels[2], rng.permutation(CLASSES)[labels[2]])
    checks += [_exactly(f"permuted cluster ids: {name}", value, 1) for name, value in renamed.items()]

    unequal = [(rng.random(n) < 0.1).astype(np.int64) for n in (TRAIN, VAL, TEST)]
    constant = Splits.of([np.ones((len(y), DIMENSION), dtype=np.float32) for y in unequal], unequal)
    share = float(np.mean(unequal[2] == 0))
    checks.append(
        _exactly("constant code, classes 9 to 1: linear probe", probes.linear_probe(constant).accuracy, share)
    )
    matched = clustering.matched_accuracy(unequal[2], np.zeros(TEST, np.int64))
    checks.append(_exactly("one cluster, classes 9 to 1: ACC", matched, share))
    rank = diagnostics.rankme(noise.train)
    checks.append(("RankMe of isotropic noise in 32 dimensions", 0.95 * DIMENSION < rank <= DIMENSION, f"{rank:.2f}"))
    flat = diagnostics.bits_per_dimension(np.zeros(TEST, np.float32), DIMENSION)
    checks.append(_exactly("uniform density: bits per dimension", flat, 8))
    checks += [
        *_shifted(rng),
        *_calibrated(rng),
        *_clustered(rng),
        *_copied(rng),
        _paired(rng),
        _paired_over_seeds(rng),
        *_generated(noise.test[:500]),
    ]
    return checks


def _votes(splits: Splits) -> dict[str, float]:
    votes: NeighbourVotes = neighbour_votes(splits.train, splits.train_labels, splits.test, splits.test_labels)
    return {name: getattr(votes, name) for name in ("centred", "raw", "unit_length", "weighted")}


def _shifted(rng: np.random.Generator) -> list[CheckResult]:
    """Check scores by class on two clouds, 19 to 1 in training, 1 to 1 in testing."""
    train = (rng.random(4 * TRAIN) < 0.05).astype(np.int64)
    labels = [train, train[:VAL], np.arange(TEST) % 2]
    codes = [np.where(y, 1, -1)[:, None] + _gaussian(rng, len(y))[:, :1] for y in labels]
    splits = Splits.of([z.astype(np.float32) for z in codes], labels).standardised()
    probe = probes.linear_probe(splits)
    scores, best = class_scores(probe, splits.train_val_labels, labels[2]), float(ndtr(1))
    right, chance = abs(scores.balanced_accuracy - best) < CHANCE, scores.chance
    plain = f"{scores.balanced_accuracy:.3f}, without it {probe.accuracy:.3f}, macro F1 {scores.macro_f1:.3f}"
    lower = max(probe.accuracy, scores.macro_f1) < best - CHANCE
    return [
        (f"classes 19 to 1: the prior subtracted, balanced accuracy = {best:.3f}", right and lower, plain),
        _exactly("classes 19 to 1 in training alone: chance", chance, 0.5),
    ]


def _calibrated(rng: np.random.Generator) -> list[CheckResult]:
    """Check a probe's probabilities, of noise and of planted confidences."""
    labels = [np.arange(n) % CLASSES for n in (TRAIN, VAL, TEST)]
    splits = Splits.of([np.zeros((len(y), 2), np.float32) for y in labels], labels)
    scores = class_scores(probes.linear_probe(splits), splits.train_val_labels, labels[2])
    nll, brier = scores.nll or 0.0, scores.brier or 0.0
    uniform = abs(nll - np.log(CLASSES)) < 1e-3 and abs(brier - (1 - 1 / CLASSES)) < 1e-3
    confidence = rng.uniform(0.5, 1, TEST)
    right = (rng.random(TEST) < confidence).astype(np.float64)
    error, calibrated = calibration_errors(confidence, right)
    sure, sure_calibrated = calibration_errors(np.full(TEST, 0.95), right)
    errors = f"{error:.3f}, calibrated {calibrated:.3f}"
    return [
        ("one code for all: NLL = ln 10 and Brier = 0.9", uniform, f"{nll:.3f}, {brier:.3f}"),
        ("confidences that are right: the calibration error of a calibrated probe", error < 1.5 * calibrated, errors),
        ("confidence .95, right in .75: calibration error = 0.2", abs(sure - 0.2) < CHANCE, f"{sure:.3f}"),
        ("a calibrated probe of confidence .95: hardly any", sure_calibrated < 0.01, f"{sure_calibrated:.3f}"),
    ]


def _copied(rng: np.random.Generator) -> list[CheckResult]:
    """Check planted copies, and scores without them where only copies help.

    The shots of a scene share a random label, and all test images are of half of the scenes.
    """
    pictures = np.kron(rng.integers(0, 256, (120, 1, 8, 8)), np.ones((4, 4))).astype(np.uint8)
    darker = pictures[:20, :, :, ::-1] // 2
    found = find_near_duplicates(LabelledImages(darker, None), LabelledImages(pictures, None))
    all_found = np.array_equal(np.sort(found.first), np.arange(20)) and np.array_equal(found.first, found.second)
    scenes = [np.arange(TRAIN) % 80, np.arange(VAL) % 80, np.arange(TEST) % 40]
    label, centre = rng.integers(0, CLASSES, 80), 3 * rng.standard_normal((80, 128), dtype=np.float32)
    codes = [centre[at] + 0.1 * rng.standard_normal((len(at), 128), dtype=np.float32) for at in scenes]
    splits = Splits.of(codes, [label[at] for at in scenes])
    copied = np.flatnonzero(np.concatenate(scenes[:2]) < 40)
    copies = Copies(len(copied), 0.0, np.arange(TEST), copied)
    in_training = copied[copied < TRAIN]
    votes = neighbour_votes(splits.train, splits.train_labels, splits.test, splits.test_labels, in_training)
    scores = copy_scores(copies, splits, probes.linear_probe(splits), votes)
    values = {name: scores[name]["accuracy"] for name in ("linear_probe", "knn")}
    helped = all(scores[name]["difference"]["high"] < -0.5 for name in values)
    return [
        ("mirrored, darker copies: all found, and nothing else", all_found, f"{len(found.first)} of 20"),
        ("copies with random labels help", helped, f"{-scores['knn']['difference']['difference']:.3f}"),
        *(_chance(f"without them: {name}", value, slack=0.15) for name, value in values.items()),
    ]


def _clustered(rng: np.random.Generator) -> list[CheckResult]:
    """Check that every clustering finds distant clouds and counts them."""
    labels = [np.arange(n) % CLASSES for n in (TRAIN, TEST)]
    centres = 8 * _gaussian(rng, CLASSES)
    train, test = (centres[y] + _gaussian(rng, len(y)) for y in labels)
    clusters = {
        "Gaussian mixture": gaussian_mixture(train, test, CLASSES).test,
        "agglomerative": agglomerative(train, test, CLASSES).test,
    }
    accuracies = {name: clustering.matched_accuracy(labels[1], ids) for name, ids in clusters.items()}
    checks = [_exactly(f"far clouds: {name}", accuracy, 1) for name, accuracy in accuracies.items()]
    counts = estimate_k(train)
    return checks + [_exactly(f"far clouds: number of clusters by {name}", k, CLASSES) for name, k in counts.items()]


def _generated(real: NDArray[np.float32]) -> list[CheckResult]:
    """Check generation scores for the same, one repeated and distant images."""
    same = generation.image_scores(real, real)
    alike = generation.image_scores(np.repeat(real[:1], len(real), 0), real)
    far = generation.image_scores(real + 100, real)
    perfect = same["frechet"] < 1e-6 and same["precision"] == same["recall"] == 1
    return [
        ("generation, the same images: distance 0, precision and recall 1", perfect, f"{same['frechet']:.1e}"),
        ("generation, one image repeated: recall 0", alike["recall"] < 0.01, f"{alike['recall']:.3f}"),
        ("generation, images far away: precision 0", far["precision"] == 0, f"{far['precision']:.3f}"),
    ]


def _gaussian(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    return rng.standard_normal((n, DIMENSION), dtype=np.float32)


def _kmeans_accuracy(splits: Splits) -> float:
    return clustering.matched_accuracy(splits.test_labels, clustering.kmeans(splits.train, splits.test, CLASSES).test)


def _exactly(name: str, value: float, expected: float) -> CheckResult:
    return f"{name} = {expected:.3g}", abs(value - expected) < 1e-9, f"{value:.3f}"


def _chance(name: str, value: float, slack: float = CHANCE) -> CheckResult:
    return f"{name} = chance", abs(value - 1 / CLASSES) < slack, f"{value:.3f}"


def _paired(rng: np.random.Generator) -> CheckResult:
    """Check that five points are separable and models of equal skill are not."""
    base = rng.random(TEST) < 0.8
    equal, better = base.copy(), base.copy()
    equal[:500] = rng.permutation(base[:500])  # equally many right, on other images
    better[np.flatnonzero(~base)[:100]] = True
    same, gain = differences([Sample.of(x) for x in (base, equal, better)], [(1, 0), (2, 0)])
    passed = not same["separable"] and bool(gain["separable"]) and abs(gain["difference"] - 0.05) < 1e-9
    return "paired interval: five points separable, luck not", passed, f"{gain['low']:.3f} to {gain['high']:.3f}"


def _paired_over_seeds(rng: np.random.Generator) -> CheckResult:
    """Check that a gain over three seeds is separable and luck is not."""
    right = rng.random(TEST) < 0.8

    def seeds() -> NDArray[np.bool_]:  # each differs from the common pattern in a tenth of the images
        return np.array([np.where(rng.random(TEST) < 0.1, rng.random(TEST) < 0.8, right) for _ in range(3)])

    models = [seeds(), seeds(), seeds() | (rng.random(TEST) < 0.25)]
    spread = SeedSpread.of([model.mean(axis=1).tolist() for model in models])
    same, gain = differences([Sample.of(model, spread) for model in models], [(1, 0), (2, 0)])
    passed = not same["separable"] and gain["separable"] and gain["difference"] > 0.03
    return "paired over seeds: a gain separable, luck not", passed, f"{gain['low']:.3f} to {gain['high']:.3f}"
