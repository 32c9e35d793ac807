"""What a trained run says about new pictures: class, cluster, and whether they are unlike anything seen."""

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
from unsup.inference.encode_folder import encode_folder
from unsup.metrics.probes import FEW_LABEL_C
from unsup.metrics.readout import Probe, Readout
from unsup.runs.run import Run

ROWS_AT_A_TIME = 10_000  # codes looked at at a time
FOLDS = 50  # of the named images, to see how well their names can be told apart; up to 50 images: leave one out


@dataclass(frozen=True)
class Classification:
    """What is said about n images, in the order of their names."""

    files: list[str]  # relative to the folder of images
    classes: list[str] | None  # None: the run had no labels and no images were named
    confidence: Floats | None  # of the class, in (0, 1]
    clusters: NDArray[np.int64]
    cluster_names: list[str]  # of the cluster of each image
    code_distance: Floats  # to the nearest training code, against the usual
    error: Floats | None  # of reconstruction, against the usual; None: the model does not reconstruct
    distance: Floats  # the larger of these; above 1: unlike anything seen
    unreadable: dict[str, str]  # the other files, and why
    labelled: NDArray[np.bool_]  # the user named the image
    num_labelled: int  # images whose names decided the classes; 0: they did not
    own_clusters: bool  # the clusters are those of the model itself, not of k-means
    cross_val_correct: int | None  # of these, by a classifier fitted without them; None: not known

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """Positions by class, or by name of the cluster where there are no classes; the surest first.

        Images that are unlike anything seen are in none of them, but for those that the user named.
        """
        labels = self.cluster_names if self.classes is None else self.classes
        sure = -self.distance if self.confidence is None else self.confidence
        found: dict[str, list[int]] = {}
        for at in np.argsort(-sure, kind="stable").tolist():
            if self.distance[at] <= 1 or self.labelled[at]:
                found.setdefault(labels[at], []).append(at)
        return {label: found[label] for label in sorted(found, key=_natural)}

    @cached_property
    def unfamiliar(self) -> list[int]:
        """Positions of the images without a given name that are unlike anything seen, the least like first."""
        order = np.argsort(-self.distance, kind="stable").tolist()
        return [at for at in order if self.distance[at] > 1 and not self.labelled[at]]


def classify_folder(run: Run, images: Path, labels: Path | None = None) -> Classification:
    """Class, cluster and distance of all images below a folder.

    Class and confidence are those of the linear probe that the evaluation kept; where images of at least two names are
    named, those of one fitted on these. Where there are classes, a named image keeps its name as its class, with
    confidence 1. Clusters are the model's own where it has any, else those of k-means. A cluster is called as most of
    its named images are, or "cluster 7".

    Args:
        run: the run, evaluated.
        images: the folder of images, in any arrangement.
        labels: a table (CSV) with the columns `file` (relative to `images`) and `name`, of some of the images.

    Raises:
        UserError: the run is not evaluated, `labels` does not fit the images, or as in `encode_folder`.
    """
    readout = run.readout
    labelled = read_names(labels) if labels else {}
    encoded = encode_folder(run, images, readout)
    row = {file: at for at, file in enumerate(encoded.files)}
    for file in labelled:
        if file not in row:
            raise UserError(f"{labels}: {printable(file)} is none of the images that were read in {images}")
    at, names = np.array([row[file] for file in labelled], np.int64), np.array(list(labelled.values()), np.str_)
    columns = encoded.columns
    classes, confidence = columns.get("class"), columns.get("confidence")
    clusters = columns.get("own_cluster", columns["cluster"])
    cross_val_correct = None
    decided = len(set(labelled.values())) > 1
    if decided:
        classes, confidence, cross_val_correct = classify_by_names(readout, columns["codes"], at, names)
    if classes is not None and confidence is not None:
        classes = classes.astype(object)  # names of any length
        classes[at], confidence[at] = names, 1
    return Classification(
        files=encoded.files,
        classes=None if classes is None else classes.tolist(),
        confidence=confidence,
        clusters=clusters,
        cluster_names=names_of_clusters(clusters, at, names),
        own_clusters="own_cluster" in columns,
        code_distance=columns["code_distance"],
        error=columns.get("error"),
        distance=columns["distance"],
        unreadable=encoded.unreadable,
        labelled=np.isin(np.arange(len(encoded.files)), at),
        num_labelled=len(labelled) if decided else 0,
        cross_val_correct=cross_val_correct,
    )


def read_names(path: Path) -> dict[str, str]:
    """{file: name} from a table with the columns `file` and `name`; rows without a name are passed over.

    Raises:
        UserError: no such table, or one that gives an image two names.
    """
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file)
            if not {"file", "name"} <= set(reader.fieldnames or ()):
                raise UserError(f"{path}: the first line must name the columns file,name")
            for row in reader:
                image, name = row["file"] or "", (row["name"] or "").strip()
                if name and found.setdefault(image, name) != name:
                    raise UserError(printable(f"{path} calls {image} both {found[image]} and {name}"))
    except OSError as e:
        raise UserError(f"cannot read {path}: {e.strerror}") from e
    except csv.Error as e:
        raise UserError(f"{path} is not a table in CSV: {e}") from e
    if not found:
        raise UserError(f"{path} names no images: a line is file,name")
    return found


@threadpool_limits.wrap(limits=1)
def classify_by_names(
    readout: Readout, codes: Floats, at: NDArray[np.int64], names: NDArray[np.str_]
) -> tuple[NDArray[np.str_], Floats, int | None]:
    """Class and confidence of each code (n, D), by logistic regression on those in rows `at` (m,) that have `names`.

    And how many of these the same regression recognises when it is fitted without them: each is left out once, alone or
    in one of 50 folds; None where a name has a single image.

    Settings of the few-label score; codes centred and divided by one number, their deviation over training images. On
    MNIST test images, 10 named a class: .85 (dae) and .77 (conv_ae) right, where naming clusters gives .62 and .63.
    """
    kinds = np.unique(names)
    mean = readout.reference.mean(axis=0)
    scale = float(np.sqrt(readout.reference.var(axis=0).mean())) or 1.0
    few = (readout.compact(codes[at]) - mean) / scale
    labels = np.searchsorted(kinds, names)
    regression = LogisticRegression(C=FEW_LABEL_C, max_iter=10_000)
    cross_val_correct = None
    if np.bincount(labels).min() > 1:
        folds = np.empty(len(labels), np.int64)
        folds[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS  # not all of a name in one fold
        cross_val_correct = int((cross_val_predict(regression, few, labels, cv=PredefinedSplit(folds)) == labels).sum())
    probe = Probe.of(regression.fit(few, labels), mean, np.full_like(mean, scale))
    parts = [codes[start : start + ROWS_AT_A_TIME] for start in range(0, len(codes), ROWS_AT_A_TIME)]
    shares = np.concatenate([probe.probabilities(readout.compact(part)) for part in parts])
    return kinds[shares.argmax(axis=1)], shares.max(axis=1), cross_val_correct


def names_of_clusters(clusters: NDArray[np.int64], at: NDArray[np.int64], names: NDArray[np.str_]) -> list[str]:
    """For each image the name of its cluster (n,): the one most of its images in rows `at` (m,) have in `names`.

    Of equally many the first in the alphabet.
    """
    called = {}
    for cluster in np.unique(clusters).tolist():
        counts = Counter(sorted(names[clusters[at] == cluster].tolist()))
        called[cluster] = counts.most_common(1)[0][0] if counts else f"cluster {cluster}"
    return [called[cluster] for cluster in clusters.tolist()]


def _natural(name: str) -> tuple[str, int]:
    """Sorts "cluster 10" after "cluster 9"."""
    text = name.rstrip("0123456789")
    return text, int(name[len(text) :] or 0)
