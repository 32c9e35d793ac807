"""The fitted parts of an evaluation that are kept for new images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics.pairwise import euclidean_distances

from unsup.core.arrays import Floats, Ids
from unsup.metrics.diagnostics import subsample
from unsup.metrics.novelty import false_alarm_limit, false_alarm_rate, nearest_of, p_values, threshold

REFERENCE = 10_000  # training codes that are kept


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

    def calibrated(self, temperature: float) -> Self:
        """Return the probe with its logits divided by a number, which changes no class."""
        factor = np.float32(1 / temperature)
        return replace(self, weights=self.weights * factor, bias=self.bias * factor)

    def probabilities(self, codes: Floats) -> Floats:
        """Return (n, K), whose rows sum to 1."""
        return np.asarray(softmax(self._scores(codes), axis=1), np.float32)

    def predict(self, codes: Floats) -> Ids:
        """Return classes (n,)."""
        return self.classes[self._scores(codes).argmax(axis=1)]

    def _scores(self, codes: Floats) -> Floats:
        return np.asarray((codes - self.mean) / self.scale @ self.weights.T + self.bias, np.float32)


class Novelty(NamedTuple):
    """How unlike the training images n images are."""

    code: Floats  # (n,) distance of the code to the nearest training code, in units of the threshold
    error: Floats | None  # (n,) squared error of reconstruction, the same; None: the model does not reconstruct
    p: NDArray[np.float64]  # (n,) conformal p-value
    unlike: NDArray[np.bool_]  # (n,) whether p is at most the rate of false alarms: a ratio is above 1

    @property
    def larger(self) -> Floats:
        """The larger of the two ratios (n,)."""
        return self.code if self.error is None else np.maximum(self.code, self.error)


@dataclass(frozen=True)
class Readout:
    """k-means centres, training codes, usual distances and, with labels, the probe.

    Codes of more than 1,024 dimensions reach k-means and distances as principal components.
    """

    centres: Floats  # (k, d)
    reference: Floats  # (m, d) codes of some training images
    distances: Floats  # (v,) of validation codes to the nearest of them, ascending; none in files of earlier versions
    errors: Floats | None  # (v,) squared errors of reconstruction of validation images, ascending
    axes: Floats | None  # (d, D) principal components, as d = D otherwise
    origin: Floats | None  # (D,) mean of the training codes, subtracted before
    probe: Probe | None

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
        """Choose reference codes, and measure validation images against them.

        `centres` (k, d), `train` (n, d) and `val` (v, d) are codes as k-means gets them, `errors` (v,) the squared
        errors of reconstruction of the validation images, summed over an image.
        """
        reference = train[subsample(len(train), REFERENCE)]
        distances = np.sort(nearest_of(val, reference)[1].astype(np.float32))
        usual_errors = None if errors is None else np.sort(errors.astype(np.float32))
        return cls(centres, reference, distances, usual_errors, axes, origin, probe)

    @property
    def false_alarm_rate(self) -> float:
        """The share of images like the training images that `novelty` flags, on average."""
        return false_alarm_rate(len(self.distances), self._statistics)

    @property
    def false_alarm_limit(self) -> float:
        """The share that is exceeded by bad luck in 1 of 20 cases."""
        return false_alarm_limit(len(self.distances), self._statistics)

    @property
    def _statistics(self) -> int:
        return 1 if self.errors is None else 2

    @cached_property
    def _thresholds(self) -> list[float]:
        """The distance and the error above which images are flagged."""
        rate = self.false_alarm_rate / self._statistics
        usual = [self.distances] if self.errors is None else [self.distances, self.errors]
        return [max(threshold(values, rate), float(np.finfo(np.float32).tiny)) for values in usual]

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
        return nearest_of(self.compact(codes), self.centres)[0]

    def novelty(self, codes: Floats, errors: Floats | None = None) -> Novelty:
        """Compare codes (n, D) and squared errors (n,) with validation images.

        The code alone is a poor judge: encoders often map unfamiliar images close to the training codes (a VAE of
        MNIST: uniform noise 1 %, photographs 23 % above the threshold), but cannot reconstruct them (both: 100 %). The
        smaller of two p-values is doubled (Bonferroni).
        """
        distances = nearest_of(self.compact(codes), self.reference)[1].astype(np.float32)
        p = p_values(distances, self.distances)
        code, error = distances / np.float32(self._thresholds[0]), None
        if errors is not None and self.errors is not None:
            p = np.minimum(1, 2 * np.minimum(p, p_values(errors.astype(np.float32), self.errors)))
            error = (errors / self._thresholds[1]).astype(np.float32)
        return Novelty(code, error, p, p <= self.false_alarm_rate * (1 + 1e-9))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the content of a file, which `of` reads."""
        values = {
            "centres": self.centres,
            "reference": self.reference,
            "distances": self.distances,
            "errors": self.errors,
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
            distances=arrays.get("distances", np.empty(0, np.float32)),
            errors=arrays.get("errors"),
            axes=arrays.get("axes"),
            origin=arrays.get("origin"),
            probe=Probe(**probe) if probe else None,
        )
