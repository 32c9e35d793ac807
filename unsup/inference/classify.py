"""Classes, clusters and novelty of new images, by a trained run."""

import csv
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats
from unsup.core.errors import UserError, printable
from unsup.inference.encode_folder import EncodedFolder, encode_folder
from unsup.metrics.probes import FEW_LABEL_C
from unsup.metrics.readout import Probe, Readout
from unsup.runs.run import Run

ROWS_AT_A_TIME = 10_000  # codes
FOLDS = 50  # cross-validation folds; with at most 50 named images this is leave-one-out


@dataclass(frozen=True)
class Classification(EncodedFolder):
    """Classes and clusters of n images, next to the columns of `encode_folder`."""

    classes: list[str] | None  # None if the run had no labels and the user named no images
    confidence: Floats | None  # of the class, in (0, 1]
    cluster_names: list[str]  # for each image
    is_named: NDArray[np.bool_]  # whether the user named the image
    num_fitted: int  # images whose names decided the classes, 0 if only one name was given
    cross_val_correct: int | None  # of `num_fitted`; None if not known

    @property
    def distance(self) -> Floats:
        """Distance of each image (n,) from the training images, unfamiliar above 1."""
        return self.columns["distance"]

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """Positions of familiar images by class or cluster, the surest first."""
        labels = self.classes or self.cluster_names
        certainty = -self.distance if self.confidence is None else self.confidence
        groups: dict[str, list[int]] = {}
        for i in np.argsort(-certainty, kind="stable").tolist():
            if self.distance[i] <= 1 or self.is_named[i]:
                groups.setdefault(labels[i], []).append(i)
        return {label: groups[label] for label in sorted(groups, key=_natural)}

    @cached_property
    def unfamiliar(self) -> list[int]:
        """Positions of unnamed images unlike all training images, worst first."""
        order = np.argsort(-self.distance, kind="stable").tolist()
        return [i for i in order if self.distance[i] > 1 and not self.is_named[i]]


def classify_folder(run: Run, images: Path, labels: Path | None = None) -> Classification:
    """Classify all images below a folder.

    Classes come from the linear probe of the evaluation, or, if the user gives at least two names, from a classifier
    fitted to the named images. These keep their names as classes, with confidence 1. Clusters are the model's own, or
    those of k-means if it has none. The name of a cluster is the most frequent one given to its images, or "cluster 7".

    Args:
        run: the run, evaluated.
        images: the folder of images, in any arrangement.
        labels: names of some images, a CSV with the columns `file` (relative to `images`) and `name`.

    Raises:
        UserError: the run is not evaluated, `labels` does not fit the images, or as in `encode_folder`.
    """
    readout = run.readout
    user_names = read_names(labels) if labels else {}
    encoded = encode_folder(run, images, readout)
    columns, row_of = encoded.columns, {file: i for i, file in enumerate(encoded.files)}
    for file in user_names:
        if file not in row_of:
            raise UserError(f"{labels}: {printable(file)} is none of the images that were read in {images}")
    rows, names = np.array([row_of[file] for file in user_names], np.int64), np.array([*user_names.values()], np.str_)
    classes, confidence, correct = columns.get("class"), columns.get("confidence"), None
    by_names = len(set(names)) > 1
    if by_names:
        classes, confidence, correct = classify_by_names(readout, columns["codes"], rows, names)
    if classes is not None and confidence is not None:
        classes, confidence = classes.astype(object), confidence.copy()  # object: names of any length
        classes[rows], confidence[rows] = names, 1
    return Classification(
        **vars(encoded),
        classes=None if classes is None else classes.tolist(),
        confidence=confidence,
        cluster_names=names_of_clusters(encoded.clusters, rows, names),
        is_named=np.isin(np.arange(len(encoded.files)), rows),
        num_fitted=len(rows) if by_names else 0,
        cross_val_correct=correct,
    )


def read_names(path: Path) -> dict[str, str]:
    """Return the name of each file in a CSV with the columns `file` and `name`.

    Raises:
        UserError: the table cannot be read, or gives an image two names.
    """
    names: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            if not {"file", "name"} <= set(reader.fieldnames or ()):
                raise UserError(f"{path}: the first line must name the columns file,name")
            for row in reader:
                image, name = row["file"] or "", (row["name"] or "").strip()
                if name and names.setdefault(image, name) != name:
                    raise UserError(printable(f"{path} calls {image} both {names[image]} and {name}"))
    except OSError as e:
        raise UserError(f"cannot read {path}: {e.strerror}") from e
    except csv.Error as e:
        raise UserError(f"{path} is not a table in CSV: {e}") from e
    if not names:
        raise UserError(f"{path} names no images: a line is file,name")
    return names


@threadpool_limits.wrap(limits=1)
def classify_by_names(
    readout: Readout, codes: Floats, rows: NDArray[np.int64], names: NDArray[np.str_]
) -> tuple[NDArray[np.str_], Floats, int | None]:
    """Classify all codes by a logistic regression on the named ones.

    The settings are those of the few-label score. Codes are centred, and divided by one number, their standard
    deviation over training images.

    Args:
        readout: of the run.
        codes: (n, D) of all images.
        rows: (m,) of the named ones.
        names: (m,) of these, at least two different ones.

    Returns:
        Class and confidence of each image; how many named ones are right in cross-validation, or None if a name has a
        single image.
    """
    classes = np.unique(names)
    mean = readout.reference.mean(axis=0)
    scale = float(np.sqrt(readout.reference.var(axis=0).mean())) or 1.0
    named_codes = (readout.compact(codes[rows]) - mean) / scale
    labels = np.searchsorted(classes, names)
    regression = LogisticRegression(C=FEW_LABEL_C, max_iter=10_000)
    correct = None
    if np.bincount(labels).min() > 1:
        folds = np.empty(len(labels), np.int64)
        folds[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS  # not all of a name in one fold
        correct = int((cross_val_predict(regression, named_codes, labels, cv=PredefinedSplit(folds)) == labels).sum())
    probe = Probe.of(regression.fit(named_codes, labels), mean, np.full_like(mean, scale))
    parts = [codes[start : start + ROWS_AT_A_TIME] for start in range(0, len(codes), ROWS_AT_A_TIME)]
    probabilities = np.concatenate([probe.probabilities(readout.compact(part)) for part in parts])
    return classes[probabilities.argmax(axis=1)], probabilities.max(axis=1), correct


def names_of_clusters(clusters: NDArray[np.int64], rows: NDArray[np.int64], names: NDArray[np.str_]) -> list[str]:
    """Return for each image the most frequent of `names` in its cluster."""
    by_cluster = {}
    for cluster in np.unique(clusters).tolist():
        counts = Counter(sorted(names[clusters[rows] == cluster].tolist()))
        by_cluster[cluster] = counts.most_common(1)[0][0] if counts else f"cluster {cluster}"
    return [by_cluster[cluster] for cluster in clusters.tolist()]


def _natural(name: str) -> tuple[str, int]:
    """Return a key that sorts "cluster 10" after "cluster 9"."""
    text = name.rstrip("0123456789")
    return text, int(name[len(text) :] or 0)
