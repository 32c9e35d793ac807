"""What an evaluation leaves behind for new images: the linear probe, the cluster centres, what is usual."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.metrics.pairwise import euclidean_distances

from unsup.evaluation.diagnostics import sample

REFERENCES = 2_000  # training codes that the code of a new image is compared with
USUAL = 0.99  # share of validation images that are not called unusual

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """A fitted linear probe: standardises codes, then gives each class a share."""

    mean: Floats  # (D,)
    scale: Floats  # (D,)
    weights: Floats  # (K, D)
    bias: Floats  # (K,)
    classes: Ids  # (K,) the class of each row

    @classmethod
    def of(cls, fitted: Any, mean: NDArray[Any], scale: NDArray[Any]) -> Self:
        """From scikit-learn's LogisticRegression, fitted on (codes - mean) / scale.

        For two classes that has one row of weights, of the second class against the first: the first gets zeros.
        """
        weights, bias = fitted.coef_, fitted.intercept_
        if len(fitted.classes_) == 2:
            weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
        return cls(
            mean=np.asarray(mean, np.float32),
            scale=np.asarray(scale, np.float32),
            weights=np.asarray(weights, np.float32),
            bias=np.asarray(bias, np.float32),
            classes=np.asarray(fitted.classes_, np.int64),
        )

    def probabilities(self, codes: Floats) -> Floats:
        """(n, K): rows sum to 1."""
        shares: Floats = np.asarray(softmax(self._scores(codes), axis=1), np.float32)
        return shares

    def predict(self, codes: Floats) -> Ids:
        """(n,) classes."""
        return self.classes[self._scores(codes).argmax(axis=1)]

    def _scores(self, codes: Floats) -> Floats:
        scores: Floats = np.asarray((codes - self.mean) / self.scale @ self.weights.T + self.bias, np.float32)
        return scores


@dataclass(frozen=True)
class Heads:
    """Of a run: k-means centres, codes of training images, and the probe where there are labels.

    Codes of more than 1,024 dimensions are seen by k-means and by distances as principal components.
    """

    centres: Floats  # (k, d)
    reference: Floats  # (m, d) codes of some training images
    usual: float  # distance to the nearest of them that 99 % of validation images keep
    axes: Floats | None  # (d, D) principal components, as d = D otherwise
    origin: Floats | None  # (D,) mean of the training codes, subtracted before
    probe: Probe | None

    @classmethod
    def fit(cls, compact: Mapping[str, Floats], centres: Floats, axes: PCA | None, probe: Probe | None) -> Self:
        """From the codes that k-means saw of "train" and "val", (n, d) each, and how they were made of longer ones."""
        reference = compact["train"][sample(len(compact["train"]), REFERENCES)]
        usual = float(np.quantile(_nearest(compact["val"], reference)[1], USUAL))
        if axes is None:
            return cls(centres, reference, usual, None, None, probe)
        return cls(centres, reference, usual, axes.components_, axes.mean_, probe)

    def compact(self, codes: Floats) -> Floats:
        """(n, D) -> (n, d)."""
        if self.axes is None or self.origin is None:
            return codes
        found: Floats = np.asarray((codes - self.origin) @ self.axes.T, np.float32)
        return found

    def centre_distances(self, codes: Floats) -> Floats:
        """(n, k) Euclidean distances to the k-means centres."""
        distances: Floats = euclidean_distances(self.compact(codes), self.centres).astype(np.float32)
        return distances

    def cluster(self, codes: Floats) -> Ids:
        """(n,) the k-means cluster of each code."""
        return _nearest(self.compact(codes), self.centres)[0]

    def distance(self, codes: Floats) -> Floats:
        """(n,) Euclidean distance to the nearest training code, in units of `usual`: above 1, unlike anything seen."""
        return (_nearest(self.compact(codes), self.reference)[1] / self.usual).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it, for a file; `of` reads it back."""
        found: dict[str, NDArray[Any]] = {
            "centres": self.centres,
            "reference": self.reference,
            "usual": np.array(self.usual),
        }
        if self.axes is not None and self.origin is not None:
            found |= {"axes": self.axes, "origin": self.origin}
        if self.probe is not None:
            found |= {f"probe.{name}": value for name, value in vars(self.probe).items()}
        return found

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The heads from their `arrays`."""
        probe = {name.removeprefix("probe."): value for name, value in arrays.items() if name.startswith("probe.")}
        return cls(
            centres=arrays["centres"],
            reference=arrays["reference"],
            usual=float(arrays["usual"]),
            axes=arrays.get("axes"),
            origin=arrays.get("origin"),
            probe=Probe(**probe) if probe else None,
        )


def _nearest(queries: Floats, rows: Floats) -> tuple[Ids, NDArray[np.float64]]:
    """Of each query (n, d) the position of the nearest row (m, d), and its Euclidean distance."""
    at, distances = pairwise_distances_argmin_min(queries, rows)
    return at.astype(np.int64), distances
