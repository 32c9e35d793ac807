"""The worth of near-duplicates of test images among the training images."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from unsup.core.array_files import Arrays
from unsup.core.arrays import Ids
from unsup.metrics.differences import Sample, differences
from unsup.metrics.logistic import fit_logistic
from unsup.metrics.near_duplicates import NearDuplicates
from unsup.metrics.neighbours import NeighbourVotes
from unsup.metrics.probes import LinearProbe, Splits

FEWEST_OF_A_CLASS = 5  # training images that must be left to fit a probe again
FEWEST_TESTED = 50  # test images without a copy that a score can be of


@dataclass(frozen=True)
class Copies:
    """Near-duplicates of test images.

    Attributes:
        pairs: how many pairs there are.
        expected: how many by chance.
        test: positions of test images with a copy.
        train_val: positions of their copies in training images before validation images.
    """

    pairs: int
    expected: float
    test: Ids
    train_val: Ids

    @classmethod
    def of(cls, duplicates: NearDuplicates) -> Self:
        return cls(
            len(duplicates.first), duplicates.expected, np.unique(duplicates.first), np.unique(duplicates.second)
        )

    def arrays(self) -> Arrays:
        numbers = {"pairs": np.array(self.pairs), "expected": np.array(self.expected)}
        return {**numbers, "test": self.test, "train_val": self.train_val}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        return cls(int(arrays["pairs"]), float(arrays["expected"]), arrays["test"], arrays["train_val"])


def copy_scores(
    copies: Copies,
    splits: Splits | None,
    probe: LinearProbe | None,
    votes: NeighbourVotes | None,
) -> dict[str, Any]:
    """Return how many copies there are, and scores without them.

    The probe, with the same C, is fitted again without the copies, and neighbours are counted without them; both score
    all test images, and the difference is paired. The scores of test images without a copy are those of the first fit.

    Args:
        copies: of the test images.
        splits: standardised codes; None without labels, and so are `probe` and `votes`.
        probe: fitted on all training and validation images.
        votes: of training images, with the copies and without.
    """
    scores: dict[str, Any] = {"pairs": copies.pairs, "expected": copies.expected, "test": len(copies.test)}
    if not copies.pairs or splits is None or probe is None or votes is None:
        return scores
    keep = np.setdiff1d(np.arange(len(splits.train_val)), copies.train_val)
    train = keep[keep < splits.n_train]
    scores |= {"removed": len(splits.train_val) - len(keep), "without": len(splits.test) - len(copies.test)}
    results: dict[str, dict[str, Any]] = {"linear_probe": {}, "knn": {}}
    before = {"linear_probe": probe.correct, "knn": votes.correct}
    left = np.bincount(splits.train_val_labels[train], minlength=int(splits.train_val_labels.max()) + 1)
    if left.min() >= FEWEST_OF_A_CLASS:
        fitted = fit_logistic(splits.train_val[keep], splits.train_val_labels[keep], probe.C)
        after = {"linear_probe": fitted.predict(splits.test) == splits.test_labels, "knn": votes.correct_without}
        for name, correct in after.items():
            (paired,) = differences([Sample.of(before[name]), Sample.of(correct)], [(1, 0)])
            results[name] = {"accuracy": float(np.mean(correct)), "difference": paired}
    if scores["without"] >= FEWEST_TESTED:
        without = np.setdiff1d(np.arange(len(splits.test)), copies.test)
        for name, correct in before.items():
            results[name]["accuracy_without"] = float(np.mean(correct[without], dtype=np.float64))
    return scores | {name: result for name, result in results.items() if result}
