"""The choice between two classifiers of few labelled codes, and how sure it is."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from unsup.core.arrays import Floats, Ids
from unsup.metrics.calibration import held_out_loss, temperature
from unsup.metrics.logistic import Doubles, log_probabilities
from unsup.metrics.probes import FEW_LABEL_C

FOLDS = 50  # of a cross-validation; with at most 50 labelled images this is leave-one-out

Rule = Literal["probe", "propagation"]
RULES: tuple[Rule, ...] = ("probe", "propagation")  # the first is preferred where they are equal


class Choice(NamedTuple):
    """A rule and the temperature that calibrates it."""

    rule: Rule
    temperature: float

    def probabilities(self, logs: Doubles) -> Doubles:
        """Return calibrated probabilities (n, K) from log probabilities."""
        return np.asarray(softmax(logs / self.temperature, axis=1))


@dataclass(frozen=True)
class RuleChoice:
    """Two rules on m labelled images, each judged without the labels of its fold.

    Attributes:
        logs: log probabilities (m, K) by each rule, -inf for a label that only images of the fold have.
        labels: (m,) 0 to K - 1.
        folds: (m,).
        judges: (m,) which of the images calibrate, and tell how many are right.
    """

    logs: dict[Rule, Doubles]
    labels: Ids
    folds: Ids
    judges: NDArray[np.bool_]

    def correct(self, rule: Rule) -> NDArray[np.bool_]:
        """Return whether a rule is right about each image (m,).

        The only image of a label counts as wrong. About as many of all images as these are of those that were drawn at
        random have a label that nobody gave (Good 1953).
        """
        logs = self.logs[rule]
        return (logs.argmax(axis=1) == self.labels) & np.isfinite(logs[np.arange(len(logs)), self.labels])

    @property
    def is_calibrated(self) -> bool:
        """Whether some image that judges has a label that others have too."""
        return bool((self.judges & (np.bincount(self.labels)[self.labels] > 1)).any())

    def chosen(self, without: int | None = None) -> Choice:
        """Return the choice by all images, or by those outside a fold.

        The rule is the one with the smaller held-out loss at its best temperature, the probe where they are equal. Its
        temperature is fitted on the images that judge.
        """
        by = np.ones(len(self.labels), np.bool_) if without is None else self.folds != without
        losses = {rule: self._loss(rule, by) for rule in RULES}
        rule = min(RULES, key=lambda rule: losses[rule])
        return Choice(rule, temperature(self._parts(rule, by & self.judges)))

    def _loss(self, rule: Rule, by: NDArray[np.bool_]) -> float:
        """Return the held-out loss of a rule on some images (m,), 0 if none of them tells."""
        parts = self._parts(rule, by)
        return held_out_loss(parts, temperature(parts)) if parts else 0.0

    def _parts(self, rule: Rule, by: NDArray[np.bool_]) -> list[tuple[Doubles, Ids]]:
        """Return log probabilities and right columns by the labels that were known."""
        logs, labels = self.logs[rule][by], self.labels[by]
        known = np.isfinite(logs)
        patterns, pattern = np.unique(known, axis=0, return_inverse=True)
        parts = []
        for i, columns in enumerate(patterns):  # one, but for folds that hold all images of a label
            at = (pattern == i) & known[np.arange(len(labels)), labels]
            if columns.sum() > 1 and at.any():
                parts.append((logs[at][:, columns], np.searchsorted(np.flatnonzero(columns), labels[at])))
        return parts

    def judgement(self) -> tuple[NDArray[np.bool_], Doubles]:
        """Return which of the images that judge are right, and their confidences.

        The choice for an image is made by images of other folds, so that no image takes part in its own judgement.
        """
        correct, confidence = np.zeros(len(self.labels), np.bool_), np.zeros(len(self.labels))
        for fold in np.unique(self.folds[self.judges]).tolist():
            inside, choice = self.folds == fold, self.chosen(without=fold)
            correct[inside] = self.correct(choice.rule)[inside]
            confidence[inside] = choice.probabilities(self.logs[choice.rule][inside]).max(axis=1)
        return correct[self.judges], confidence[self.judges]


def folds_of(labels: Ids) -> Ids:
    """Return a fold for each image (n,), never one for all images of a label.

    A label of a single image cannot be in two.
    """
    folds = np.empty(len(labels), np.int64)
    folds[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    return folds


def probe() -> LogisticRegression:
    """Return a logistic regression with the settings of the few-label score."""
    return LogisticRegression(C=FEW_LABEL_C, max_iter=10_000)


def held_out_logs(codes: Floats, labels: Ids, folds: Ids) -> Doubles:
    """Return log probabilities (m, K) by probes fitted without the fold of a code.

    They are -inf for a label that only images of the fold have.
    """
    logs = np.full((len(labels), labels.max() + 1), -np.inf)
    for fold in np.unique(folds):
        fit, at = folds != fold, folds == fold
        classes = np.unique(labels[fit])
        one = len(classes) == 1  # nothing to fit
        logs[np.ix_(at, classes)] = 0 if one else log_probabilities(probe().fit(codes[fit], labels[fit]), codes[at])
    return logs
