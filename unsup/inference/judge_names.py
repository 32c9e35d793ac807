"""Encoders judged on the few images of a folder that a user named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from unsup.core.errors import UserError
from unsup.core.tables import table
from unsup.inference.by_names import scaled_by
from unsup.inference.encode_folder import encode_folder
from unsup.inference.names import Name, check_judges
from unsup.metrics.differences import Sample, differences_from_best
from unsup.metrics.intervals import accuracy_interval
from unsup.metrics.neighbours import NEIGHBOURS
from unsup.metrics.rule_choice import folds_of, held_out_logs
from unsup.reports.named import Named, NamedAccuracy
from unsup.runs.run import Run

CLASSIFIERS = {"probe": "few-label probe", "knn": "kNN"}


@dataclass(frozen=True)
class NamedScores:
    """Cross-validated predictions for n named images, each by the other named ones.

    Attributes:
        files: the images, relative to their folder.
        names: (n,) by the user.
        counted: (n,) which images the accuracies are of: those named at random, or all if none is marked as such.
        at_random: whether they are marked as such.
        predicted: names (n,) by each classifier.
    """

    files: list[str]
    names: NDArray[np.str_]
    counted: NDArray[np.bool_]
    at_random: bool
    predicted: dict[str, NDArray[np.str_]]

    def correct(self, classifier: str) -> NDArray[np.float64]:
        """Return 0 or 1 for each image that counts."""
        return (self.predicted[classifier] == self.names)[self.counted].astype(np.float64)

    def accuracy(self, classifier: str) -> tuple[float, float, float]:
        """Return the accuracy with Wilson's 95 % interval."""
        correct = self.correct(classifier)
        return float(correct.mean()), *accuracy_interval(correct)

    def record(self, labels: Path) -> Named:
        """Return the scores for a report."""
        probe, knn = (NamedAccuracy(accuracy=a, low=low, high=high) for a, low, high in map(self.accuracy, CLASSIFIERS))
        return Named(
            labels=str(labels),
            images=len(self.files),
            counted=int(self.counted.sum()),
            at_random=self.at_random,
            names=len(np.unique(self.names)),
            probe=probe,
            knn=knn,
        )

    def table(self) -> bytes:
        """Return a CSV file with a line for each image."""
        columns = ("file", "name", "counted", *self.predicted)
        counted = np.where(self.counted, "yes", "no")
        return table(
            columns, zip(self.files, self.names.tolist(), counted.tolist(), *self.predicted.values(), strict=True)
        )


def judge_names(run: Run, images: Path, given: Mapping[str, Name]) -> NamedScores:
    """Classify the named images of a folder, each by the others.

    The probe is that of few labels; kNN goes by the cosine of centred codes. Only the named images are encoded, and
    their mean and deviation scale the codes, so that nothing depends on which images the run trained on.

    Args:
        run: the run, evaluated.
        images: the folder of images.
        given: names of some of them.

    Raises:
        UserError: of those that can be read, fewer than ten count or all have one name; or as in `encode_folder`.
    """
    encoded = encode_folder(run, images, None, only=given.keys())
    given = {file: given[file] for file in encoded.files}
    check_judges(given.values())
    names = np.array([name.name for name in given.values()], np.str_)
    is_random = np.array([name.asked == "random" for name in given.values()], np.bool_)
    counted = is_random if is_random.any() else np.ones(len(names), np.bool_)
    codes = encoded.columns["codes"]
    predicted = cross_validated(scaled_by(codes, codes), names)
    return NamedScores(encoded.files, names, counted, bool(is_random.any()), predicted)


@threadpool_limits.wrap(limits=1)
def cross_validated(codes: NDArray[np.float32], names: NDArray[np.str_]) -> dict[str, NDArray[np.str_]]:
    """Return the name (n,) of each code by classifiers fitted without it."""
    classes, labels, counts = np.unique(names, return_inverse=True, return_counts=True)
    k = min(NEIGHBOURS, max(1, int(counts.min()) - 1))
    neighbours = KNeighborsClassifier(k, metric="euclidean")  # of unit length: by the cosine
    return {
        "probe": classes[held_out_logs(codes, labels, folds_of(labels)).argmax(axis=1)],
        "knn": classes[cross_val_predict(neighbours, normalize(codes), labels, cv=LeaveOneOut())],
    }


def compare_names(scores: Sequence[NamedScores], classifier: str) -> tuple[int, list[dict[str, float]]]:
    """Return the position of the best encoder, and differences from it.

    The differences are paired on the same images, and their 95 % intervals hold together
    (`differences.differences_from_best`).

    Raises:
        UserError: the encoders could not read the same images.
    """
    if len({tuple(one.files) for one in scores}) > 1:
        raise UserError("the runs read different named images: name images that all of them can read")
    return differences_from_best([Sample.of(one.correct(classifier)) for one in scores])
