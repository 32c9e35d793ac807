"""The fitted parts of an evaluation that are kept for new images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.metrics.pairwise import euclidean_distances

from unsup.core.arrays import Floats, Ids
from unsup.metrics.diagnostics import subsample

REFERENCE = 10_000  # training codes that are kept
NOVEL = 0.01  # share of validation images that may count as unlike anything seen


@dataclass(frozen=True)
class Probe:
    """A fitted linear probe with its standardisation."""

    mean: Floats  # (D,)
    scale: Floats  # (D,)
    weights: Floats  # (K, D)
    bias: Floats  # (K,)
    classes: Ids  # (K,) the class of each row

    @classmethod
    def of(cls, fitted: Any, mean: NDArray[Any], scale: NDArray[Any]) -> Self:
        """Convert scikit-learn's LogisticRegression, fitted on (codes - mean) / scale.

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
        """Return (n, K), whose rows sum to 1."""
        return np.asarray(softmax(self._scores(codes), axis=1), np.float32)

    def predict(self, codes: Floats) -> Ids:
        """Return classes (n,)."""
        return self.classes[self._scores(codes).argmax(axis=1)]

    def _scores(self, codes: Floats) -> Floats:
        return np.asarray((codes - self.mean) / self.scale @ self.weights.T + self.bias, np.float32)


class Novelty(NamedTuple):
    """Ratios of n images to thresholds of validation images, novel above 1."""

    code: Floats  # (n,) Euclidean distance of the code to the nearest training code
    error: Floats | None  # (n,) squared error of reconstruction; None: the model does not reconstruct

    @property
    def larger(self) -> Floats:
        """The larger of the two ratios (n,)."""
        return self.code if self.error is None else np.maximum(self.code, self.error)


@dataclass(frozen=True)
class Readout:
    """k-means centres, training codes, novelty thresholds and, with labels, the probe.

    Codes of more than 1,024 dimensions reach k-means and distances as principal components.
    """

    centres: Floats  # (k, d)
    reference: Floats  # (m, d) codes of some training images
    threshold: float  # distance to the nearest of them that nearly all validation images keep
    axes: Floats | None  # (d, D) principal components, as d = D otherwise
    origin: Floats | None  # (D,) mean of the training codes, subtracted before
    probe: Probe | None
    error_threshold: float | None = None  # squared error of reconstruction that nearly all validation images keep

    @classmethod
    def fit(
        cls,
        centres: Floats,
        train: Floats,
        val: Floats,
        errors: Floats | None = None,
        axes: Floats | None = None,
        origin: Floats | None = None,
        probe: Probe | None = None,
    ) -> Self:
        """Choose reference codes, and thresholds that about 1 % of validation exceeds.

        `centres` (k, d), `train` (n, d) and `val` (m, d) are codes as k-means gets them, `errors` (m,) the squared
        errors of reconstruction of the validation images, summed over an image.
        """
        reference = train[subsample(len(train), REFERENCE)]
        keep = 1 - (NOVEL if errors is None else NOVEL / 2)
        threshold = _positive(np.quantile(_nearest(val, reference)[1], keep))
        error_threshold = None if errors is None else _positive(np.quantile(errors.astype(np.float64), keep))
        return cls(centres, reference, threshold, axes, origin, probe, error_threshold)

    def compact(self, codes: Floats) -> Floats:
        """(n, D) -> (n, d)."""
        if self.axes is None or self.origin is None:
            return codes
        return np.asarray((codes - self.origin) @ self.axes.T, np.float32)

    def centre_distances(self, codes: Floats) -> Floats:
        """Return Euclidean distances (n, k) to the k-means centres."""
        return np.asarray(euclidean_distances(self.compact(codes), self.centres), np.float32)

    def cluster(self, codes: Floats) -> Ids:
        """Return the k-means cluster (n,) of each code."""
        return _nearest(self.compact(codes), self.centres)[0]

    def novelty(self, codes: Floats, errors: Floats | None = None) -> Novelty:
        """Compare codes (n, D) and squared reconstruction errors (n,) with the thresholds.

        The code alone is a poor judge: encoders often map unfamiliar images close to the training codes (a VAE of
        MNIST: uniform noise 1 %, photographs 23 % above the threshold), but cannot reconstruct them (both: 100 %).
        """
        code = (_nearest(self.compact(codes), self.reference)[1] / self.threshold).astype(np.float32)
        if errors is None or self.error_threshold is None:
            return Novelty(code, None)
        return Novelty(code, (errors / self.error_threshold).astype(np.float32))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the content of a file, which `of` reads."""
        values = {
            "centres": self.centres,
            "reference": self.reference,
            "usual": self.threshold,
            "usual_error": self.error_threshold,
            "axes": self.axes,
            "origin": self.origin,
            **({} if self.probe is None else {f"probe.{name}": value for name, value in vars(self.probe).items()}),
        }
        return {name: np.asarray(value) for name, value in values.items() if value is not None}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        probe = {name.removeprefix("probe."): value for name, value in arrays.items() if name.startswith("probe.")}
        return cls(
            centres=arrays["centres"],
            reference=arrays["reference"],
            threshold=float(arrays["usual"]),
            axes=arrays.get("axes"),
            origin=arrays.get("origin"),
            probe=Probe(**probe) if probe else None,
            error_threshold=float(arrays["usual_error"]) if "usual_error" in arrays else None,
        )


def _positive(value: float) -> float:
    """Return at least a tiny number to divide by, if all images have the same code."""
    return max(float(value), float(np.finfo(np.float32).tiny))


def _nearest(queries: Floats, rows: Floats) -> tuple[Ids, NDArray[np.float64]]:
    """Return the position of and Euclidean distance to the row nearest to each query."""
    at, distances = pairwise_distances_argmin_min(queries, rows)
    return at.astype(np.int64), distances
