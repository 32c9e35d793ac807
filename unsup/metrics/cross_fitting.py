"""Predictions for images that a classifier was not fitted on."""

import numpy as np
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.metrics.calibration import temperature
from unsup.metrics.logistic import Doubles, fit_with_chosen_c, log_probabilities
from unsup.metrics.subsets import stratified, stratified_folds

FOLDS = 5
TREES = 100
SURE = 0.9  # probability of another class for a label to be in doubt
HARDLY = 0.1  # and at most that of its own


def folds_by_group(labels: Ids, groups: Ids) -> list[tuple[Ids, Ids]]:
    """Return positions to fit on and to hold out, with no group (n,) on both sides."""
    folds = min(FOLDS, len(np.unique(groups)), int(np.unique(labels, return_counts=True)[1].max()))
    if folds < 2:
        return []
    shuffled = np.random.default_rng(0).permutation(len(labels))
    splitter = StratifiedGroupKFold(folds)
    pairs = splitter.split(np.zeros((len(labels), 1)), labels[shuffled], groups[shuffled])
    return [(np.sort(shuffled[fit]), np.sort(shuffled[held])) for fit, held in pairs]


@threadpool_limits.wrap(limits=1)
def forest_accuracy(features: Floats, labels: Ids, groups: Ids) -> float:
    """Return the balanced accuracy of a random forest on groups that it has not seen."""
    predicted = np.full(len(labels), -1)
    for fit, held in folds_by_group(labels, groups):
        forest = RandomForestClassifier(TREES, min_samples_leaf=2, class_weight="balanced", random_state=0)
        predicted[held] = forest.fit(features[fit], labels[fit]).predict(features[held])
    return float(np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels)]))


@threadpool_limits.wrap(limits=1)
def linear_probabilities(features: Floats, labels: Ids, groups: Ids, most: int) -> Doubles:
    """Return probabilities (n, K) of a linear probe on groups that it has not seen.

    K are the classes in label order; the probe is fitted on at most `most` images. All are 0 for an image that no fold
    holds out, and where the others are of one class or each of another. If the probe is surer than it is right, as one
    of few images that are hard to tell apart, a temperature makes up for it.
    """
    classes = np.unique(labels)
    parts = list[tuple[Ids, Ids, Doubles]]()  # images, classes that the probe knows, log probabilities
    judged = list[tuple[Doubles, Ids]]()  # log probabilities of images of these classes, and their columns
    for fit, held in folds_by_group(labels, groups):
        part = fit[stratified(labels[fit], most)]
        scaler = StandardScaler().fit(features[part])
        x, y = scaler.transform(features[part]).astype(np.float32), labels[part]
        inner = stratified_folds(y, FOLDS)[:1]
        if len(np.unique(y)) < 2 or not inner:
            continue
        probe = fit_with_chosen_c(x, y, inner)
        at = np.searchsorted(classes, probe.classes_)
        logs = log_probabilities(probe, scaler.transform(features[held]).astype(np.float32))
        known = np.isin(labels[held], probe.classes_)
        parts.append((held, at, logs))
        judged.append((logs[known], np.searchsorted(probe.classes_, labels[held][known])))
    divisor = max(1.0, temperature(judged))
    probabilities = np.zeros((len(labels), len(classes)))
    for held, at, logs in parts:
        probabilities[np.ix_(held, at)] = softmax(logs / divisor, axis=1)
    return probabilities


def doubtful(probabilities: Doubles, labels: Ids) -> tuple[Ids, float]:
    """Return positions whose label a probe contradicts, the surest first.

    The probability (n, K) of another class is 0.9 or more, and that of the label (0 to K - 1) 0.1 or less. The second
    result is how many there would be if all labels were drawn by those probabilities.
    """
    sure = probabilities.max(axis=1) >= SURE
    own = probabilities[np.arange(len(labels)), labels]
    contradicted = np.flatnonzero(sure & (own <= HARDLY))
    expected = np.where(probabilities <= HARDLY, probabilities, 0)[sure].sum()
    return contradicted[np.argsort(own[contradicted], kind="stable")], float(expected)
