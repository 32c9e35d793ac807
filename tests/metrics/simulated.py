"""Models on test images with known true accuracies, and how often intervals hold what they should.

A model is right on an image if ability + seed + ease of the image + (model x image) + (seed x image) > 0, all normal.
`python tests/metrics/simulated.py` prints the figures of docs/protocol/statistics.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import binom

from unsup.metrics.differences import Sample, differences, differences_from_best, typical_interaction
from unsup.metrics.intervals import LEAST_DF, accuracy_interval, accuracy_over_seeds
from unsup.metrics.variance import SeedSpread

TASTE, LUCK = 0.5, 0.4  # deviations of model x image and of seed x image; ease of the image: 1


@dataclass(frozen=True)
class Method:
    """A model whose seeds deviate in ability."""

    ability: float
    seed: float = 0.0  # deviation over seeds
    taste: float = TASTE
    luck: float = LUCK

    @property
    def accuracy(self) -> float:
        """The accuracy over all images and seeds."""
        return float(ndtr(self.ability / np.sqrt(1 + self.taste**2 + self.seed**2 + self.luck**2)))

    def runs(self, ease: NDArray[np.float64], seeds: int, rng: np.random.Generator) -> "Runs":
        """Train `seeds` times; ease (n,) of the test images."""
        score = self.ability + ease + rng.normal(0, self.taste, len(ease))
        shift = rng.normal(0, self.seed, (seeds, 1))
        correct = score + shift + rng.normal(0, self.luck, (seeds, len(ease))) > 0
        here = ndtr(score / np.sqrt(self.seed**2 + self.luck**2)).mean() if self.luck else float((score > 0).mean())
        over_images = ndtr((self.ability + shift[:, 0]) / np.sqrt(1 + self.taste**2 + self.luck**2))
        return Runs(correct.astype(np.float64), float(here), over_images)


@dataclass(frozen=True)
class Runs:
    """What a model's runs get right, and what is true."""

    correct: NDArray[np.float64]  # (s, n)
    on_these_images: float  # accuracy over all seeds
    over_images: NDArray[np.float64]  # (s,) accuracy of each run over all images

    @property
    def accuracies(self) -> list[float]:
        return self.correct.mean(axis=1).tolist()


def pooled(table: Sequence[Runs]) -> tuple[SeedSpread | None, list[Sample]]:
    """Return the spread over seeds and the samples of all models of a table."""
    spread = SeedSpread.of([runs.accuracies for runs in table])
    interaction = typical_interaction([runs.correct for runs in table])
    return spread, [Sample.of(runs.correct, spread, interaction) for runs in table]


DEVIATIONS = (0.03, 0.12)  # over seeds, in ability: one and four points of accuracy
PRIOR = 4.0  # models differ in it as recorded ones do by few labels: σ² = d₀ s₀² / χ²(d₀)
TABLES = {  # seeds of eight models; of the first and the third one are the figures of a single interval
    "1, half of the models 3": [1, 3] * 4,
    "1, one model 3": [1, 3, *[1] * 6],
    "3": [3] * 8,
    "5": [5] * 8,
}
IMAGES = 1000


def scattered(deviation: float, models: int, rng: np.random.Generator, prior: float = PRIOR) -> list[float]:
    """Return deviations over seeds of models."""
    return (deviation * np.sqrt(prior / rng.chisquare(prior, models))).tolist()


def coverage(seeds: Sequence[int], deviation: float, times: int) -> dict[str, float]:
    """Return how often each kind of interval holds the truth, in tables of models and one baseline."""
    rng, held = np.random.default_rng(0), []
    for _ in range(times):
        ease = rng.normal(size=IMAGES)
        methods = [Method(1.3 + 0.15 * rng.normal(), one) for one in scattered(deviation, len(seeds), rng)]
        runs = [method.runs(ease, count, rng) for method, count in zip(methods, seeds, strict=True)]
        baseline = Method(1.2, luck=0)
        spread, samples = pooled(runs)
        samples.append(Sample.of(baseline.runs(ease, 1, rng).correct))
        truth = [method.accuracy for method in [*methods, baseline]]
        first, third = runs[0], runs[2]
        of_one = {
            "planned": (differences([samples[0], samples[2]], [(0, 1)])[0], truth[0] - truth[2]),
            "two runs": (
                differences([Sample.of(one.correct[0]) for one in (first, third)], [(0, 1)])[0],
                first.over_images[0] - third.over_images[0],
            ),
            "accuracy": (_bounds(accuracy_interval(first.correct[0])), first.over_images[0]),
        }
        if seeds[0] > LEAST_DF:
            of_one["mean"] = (accuracy_over_seeds(first.accuracies, spread), first.on_these_images)
        best, from_best = differences_from_best(samples)
        own = differences(samples, [(i, len(runs)) for i in range(len(runs))])
        families = {
            "baselines": [(one, t - truth[-1]) for one, t in zip(own, truth, strict=False)],
            "best": [(one, t - truth[best]) for one, t in zip(from_best, truth, strict=True)],
        }
        held.append(
            {name: _holds(*one) for name, one in of_one.items()}
            | {name: all(_holds(*one) for one in several) for name, several in families.items()}
        )
    return {name: float(np.mean([one[name] for one in held])) for name in held[0]}


def few_label_coverage(seeds: int, times: int, images: int = 4000) -> dict[str, float]:
    """Return coverage of the difference by few labels of two models, and of two runs with and without the ten draws.

    A draw moves the ability of each model, in part alike; as on codes of MNIST the difference deviates by 1.8 points.
    The spread over seeds is known from four models.
    """
    rng, held = np.random.default_rng(0), []
    common, own, deviation = 0.1, 0.05, 0.03  # of draws, of draws and model, over seeds, in ability
    width = np.sqrt(1 + TASTE**2 + LUCK**2 + common**2 + own**2)
    for _ in range(times):
        ease, shared = rng.normal(size=images), rng.normal(0, common, 10)
        shares, draws, runs = [], [], []  # by model: (s, n); (s, 10); accuracy of its first run
        for i, ability in enumerate((0.8, 0.7, 0.7, 0.7)):
            number = seeds if i < 2 else max(3, seeds)
            shift = ability + rng.normal(0, deviation, (number, 1, 1))
            score = ease + rng.normal(0, TASTE, images) + (shared + rng.normal(0, own, 10))[:, None] + shift
            correct = score + rng.normal(0, LUCK, score.shape) > 0  # (s, 10, n)
            shares.append(correct.mean(axis=1))
            draws.append(correct.mean(axis=2))
            runs.append(ndtr(shift[0, 0, 0] / width))
        spread = SeedSpread.of([share.mean(axis=1).tolist() for share in shares])
        interaction = typical_interaction(shares)
        models = [Sample.of(shares[i], spread, interaction, draws[i].mean(axis=0)) for i in (0, 1)]
        firsts = [Sample.of(shares[i][0], draws=draws[i][0]) for i in (0, 1)]
        truth = np.subtract(*ndtr(np.array([0.8, 0.7]) / np.hypot(width, deviation)))
        cases = {
            "methods": (models, truth),
            "runs": (firsts, runs[0] - runs[1]),
            "runs, draws left out": ([Sample(one.share) for one in firsts], runs[0] - runs[1]),
        }
        held.append({name: _holds(differences(sides, [(0, 1)])[0], true) for name, (sides, true) in cases.items()})
    return {name: float(np.mean([one[name] for one in held])) for name in held[0]}


def family_wise_error(seeds: Sequence[int], times: int, prior: float = PRIOR) -> dict[str, float]:
    """Return how often any of equal models is called different.

    From the best one, or from a baseline that is as good and that no seed changes.
    """
    rng, errors = np.random.default_rng(0), []
    for _ in range(times):
        baseline = Method(1.3, luck=0)
        methods = [
            Method(1.3 * float(np.sqrt((1 + TASTE**2 + LUCK**2 + one**2) / (1 + TASTE**2))), one)
            for one in scattered(0.06, len(seeds), rng, prior)
        ]
        ease = rng.normal(size=IMAGES)
        _, samples = pooled([method.runs(ease, count, rng) for method, count in zip(methods, seeds, strict=True)])
        samples.append(Sample.of(baseline.runs(ease, 1, rng).correct))
        _, from_best = differences_from_best(samples)
        own = differences(samples, [(i, len(seeds)) for i in range(len(seeds))])
        errors.append([any(one["separable"] for one in family) for family in (from_best, own)])
    best, baselines = np.mean(errors, axis=0)
    return {"best": float(best), "baselines": float(baselines)}


def wilson_coverage(images: int) -> tuple[float, float]:
    """Return the least and the mean coverage of an accuracy's interval, exactly, for .50 to .995."""
    accuracies = np.linspace(0.5, 0.995, 100)
    bounds = np.array([accuracy_interval(np.arange(images) < right) for right in range(images + 1)])
    inside = (bounds[:, 0] <= accuracies[:, None]) & (accuracies[:, None] <= bounds[:, 1])
    held = (inside * binom.pmf(np.arange(images + 1), images, accuracies[:, None])).sum(axis=1)
    return float(held.min()), float(held.mean())


def _bounds(interval: tuple[float, float]) -> dict[str, float]:
    return dict(zip(("low", "high"), interval, strict=True))


def _holds(interval: Mapping[str, float], truth: float) -> bool:
    return bool(interval["low"] <= truth <= interval["high"])


def main() -> None:
    """Print the figures of docs/protocol/statistics.md."""
    names = ("planned", "two runs", "mean", "accuracy", "baselines", "best")
    print(f"| seeds | deviation | {' | '.join(names)} |")
    for text, seeds in TABLES.items():
        for deviation in DEVIATIONS:
            figures = coverage(seeds, deviation, 1000)
            cells = (f"{figures[name]:.3f}" if name in figures else "" for name in names)
            print(f"| {text} | {deviation} | {' | '.join(cells)} |", flush=True)
    for number in (1, 3, 5):
        print("few labels", number, few_label_coverage(number, 600), flush=True)
    for prior in (PRIOR, 2 * PRIOR):
        for text, seeds in {"1, half of the models 3": [1, 3] * 10, "3": [3] * 20, "5": [5] * 20}.items():
            print(f"twenty equal models, d0 = {prior:g}:", text, family_wise_error(seeds, 500, prior), flush=True)
    for images in (100, 1000, 10_000):
        print("accuracy, least and mean coverage", images, wilson_coverage(images), flush=True)


if __name__ == "__main__":
    main()
