"""Models on test images with known true accuracies, and how often intervals hold what they should.

A model is right on an image if ability + seed + ease of the image + (model x image) + (seed x image) > 0, all normal.
`python tests/metrics/simulated.py` prints the figures of docs/protocol/statistics.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from unsup.metrics.differences import Sample, typical_interaction
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
