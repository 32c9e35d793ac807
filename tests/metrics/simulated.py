"""Models on test images with known true accuracies, and how often intervals hold what they should.

A model is right on an image if ability + seed + ease of the image + (model x image) + (seed x image) > 0, all normal.
`python tests/metrics/simulated.py` prints the figures of docs/protocol/statistics.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from unsup.metrics.differences import Sample, differences, differences_from_best, typical_interaction
from unsup.metrics.intervals import accuracy_interval, accuracy_over_seeds
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
PRIOR = 8.0  # models differ in it: σ² = d₀ s₀² / χ²(d₀)


def table(
    seeds: int, deviation: float, models: int, images: int, spread: float, rng: np.random.Generator
) -> tuple[list[Method], list[Runs]]:
    """Return models and their runs on the same images.

    With one seed every second model has three, which the spread over seeds is known from.
    """
    scatter = deviation * np.sqrt(PRIOR / rng.chisquare(PRIOR, models))
    methods = [Method(1.3 + spread * rng.normal(), float(one)) for one in scatter]
    ease = rng.normal(size=images)
    counts = [3 if seeds == 1 and i % 2 else seeds for i in range(models)]
    return methods, [method.runs(ease, count, rng) for method, count in zip(methods, counts, strict=True)]


def coverage(seeds: int, deviation: float, times: int) -> dict[str, float]:
    """Return how often each kind of interval holds the truth, in tables of eight models."""
    rng, held = np.random.default_rng(0), []
    for _ in range(times):
        methods, runs = table(seeds, deviation, 8, 1000, 0.15, rng)
        spread, samples = pooled(runs)
        truth = [method.accuracy for method in methods]
        (planned,) = differences([samples[0], samples[2]], [(0, 1)])
        best, from_best = differences_from_best(samples)
        pairs = [(i, 0) for i in range(1, 8)]  # the first one in the part of a baseline that all share
        family = differences(samples, pairs)
        over_seeds, over_images = accuracy_over_seeds(runs[0].accuracies, spread), accuracy_interval(runs[0].correct[0])
        held.append(
            {
                "planned": _holds(planned, truth[0] - truth[2]),
                "over seeds": over_seeds["low"] <= runs[0].on_these_images <= over_seeds["high"],
                "test images": over_images[0] <= runs[0].over_images[0] <= over_images[1],
                "family of baselines": all(
                    _holds(one, truth[i] - truth[j]) for one, (i, j) in zip(family, pairs, strict=True)
                ),
                "family of the best": all(
                    _holds(one, t - truth[best]) for one, t in zip(from_best, truth, strict=True)
                ),
            }
        )
    return {name: float(np.mean([one[name] for one in held])) for name in held[0]}


def few_label_coverage(seeds: int, times: int) -> dict[str, float]:
    """Return coverage of the difference of two models by few labels, ten draws of them.

    A draw moves the ability of each model, in part alike; as on codes of MNIST the difference deviates by 1.8 points.
    """
    rng, held = np.random.default_rng(0), []
    for _ in range(times):
        ease = rng.normal(size=1000)
        common, samples, truth = rng.normal(0, 0.1, 10), [], []
        for ability in (0.8, 0.7):
            draws = common + rng.normal(0, 0.05, 10)
            method = Method(ability, float(np.sqrt(0.1**2 + 0.05**2)))
            own = ability + ease + rng.normal(0, TASTE, 1000)
            luck = rng.normal(0, LUCK, (seeds, 10, 1000))
            correct = (own + draws[:, None] + luck > 0).astype(float)  # (seeds, 10, n); seeds differ by luck alone
            accuracies = correct.mean(axis=(0, 2))
            samples.append(Sample.of(correct.mean(axis=(0, 1)), draws=accuracies))
            truth.append(method.accuracy)
        without = [Sample(sample.share) for sample in samples]
        difference = truth[0] - truth[1]
        held.append(
            [_holds(differences(sides, [(0, 1)])[0], difference) for sides in (samples, without)],
        )
    with_draws, alone = np.mean(held, axis=0)
    return {"with draws": float(with_draws), "without": float(alone)}


def family_wise_error(seeds: int, times: int, models: int = 20) -> dict[str, float]:
    """Return how often any of twenty equal models is called different.

    From the best one, or from a baseline that is as good and that no seed changes.
    """
    rng, errors = np.random.default_rng(0), []
    for _ in range(times):
        scatter = 0.06 * np.sqrt(PRIOR / rng.chisquare(PRIOR, models))
        methods = [
            Method(1.3 * float(np.sqrt((1 + TASTE**2 + LUCK**2 + one**2) / (1 + TASTE**2))), one) for one in scatter
        ]
        ease = rng.normal(size=1000)
        counts = [3 if seeds == 1 and i % 2 else seeds for i in range(models)]
        runs = [method.runs(ease, count, rng) for method, count in zip(methods, counts, strict=True)]
        baseline = Method(1.3, luck=0).runs(ease, 1, rng)
        _, samples = pooled(runs)
        _, from_best = differences_from_best(samples)
        family = differences([*samples, Sample.of(baseline.correct)], [(i, models) for i in range(models)])
        errors.append([any(one["separable"] for one in some) for some in (from_best, family)])
    best, baselines = np.mean(errors, axis=0)
    return {"the best": float(best), "baselines": float(baselines)}


def _holds(found: dict[str, float], truth: float) -> bool:
    return bool(found["low"] <= truth <= found["high"])


def main() -> None:
    """Print the tables of docs/protocol/statistics.md."""
    names = ("planned", "over seeds", "test images", "family of baselines", "family of the best")
    print(f"| seeds | deviation | {' | '.join(names)} |")
    for seeds in (1, 3, 5):
        for deviation in DEVIATIONS:
            found = coverage(seeds, deviation, 600)
            print(f"| {seeds} | {deviation} | {' | '.join(f'{found[name]:.3f}' for name in names)} |", flush=True)
    for seeds in (1, 3, 5):
        print("few labels", seeds, few_label_coverage(seeds, 600), flush=True)
    for seeds in (1, 3):
        print("twenty equal models", seeds, family_wise_error(seeds, 300), flush=True)


if __name__ == "__main__":
    main()
