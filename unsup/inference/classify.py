"""Classes, clusters and novelty of new images, by a trained run."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unsup.core.arrays import Floats
from unsup.core.commands import suggest
from unsup.core.errors import printable
from unsup.inference.by_names import ByNames, classify_by_names, scaled_by
from unsup.inference.encode_folder import EncodedFolder, encode_folder
from unsup.inference.names import Name, check_two_names
from unsup.runs.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Classification(EncodedFolder):
    """Classes and clusters of n images, next to the columns of `encode_folder`."""

    classes: list[str] | None  # None if the run had no labels and the user named no images
    confidence: Floats | None  # of the class, in (0, 1]
    cluster_names: list[str]  # for each image
    is_named: NDArray[np.bool_]  # whether the user named the image
    by_names: ByNames | None  # how names decided the classes; None if they did not
    false_alarm_rate: float  # of images like the training images that count as unlike; 0: novelty is not known
    false_alarm_limit: float  # that this share exceeds in 1 of 20 cases

    @property
    def distance(self) -> Floats:
        """Distance of each image (n,) from the training images, in units of the threshold."""
        return self.columns["distance"]

    @property
    def unlike(self) -> NDArray[np.bool_]:
        """Whether each image (n,) is unlike the training images."""
        return self.columns["unlike"]

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """Positions of familiar images by class or cluster, the surest first."""
        labels = self.classes or self.cluster_names
        certainty = -self.distance if self.confidence is None else self.confidence
        groups: dict[str, list[int]] = {}
        for i in np.argsort(-certainty, kind="stable").tolist():
            if not self.unlike[i] or self.is_named[i]:
                groups.setdefault(labels[i], []).append(i)
        return {label: groups[label] for label in sorted(groups, key=_natural)}

    @cached_property
    def unfamiliar(self) -> list[int]:
        """Positions of unnamed images unlike all training images, worst first."""
        order = np.argsort(-self.distance, kind="stable").tolist()
        return [i for i in order if self.unlike[i] and not self.is_named[i]]


def classify_folder(run: Run, images: Path, given: Mapping[str, Name] | None = None) -> Classification:
    """Classify all images below a folder.

    Classes come from the linear probe of the evaluation, or from the names that the user gives
    (`classify_by_names`). Named images keep their names as classes, with confidence 1. Clusters are the model's own, or
    those of k-means if it has none. The name of a cluster is the most frequent one given to its images, or "cluster 7".
    No image of the run's own folder counts as unlike the training images.

    Args:
        run: the run, evaluated.
        images: the folder of images, in any arrangement.
        given: names of some images (`read_names`).

    Raises:
        UserError: the run is not evaluated, the images that can be read have one name only, or as in `encode_folder`.
    """
    readout = run.readout
    encoded = encode_folder(run, images, readout)
    if is_own_folder(run.config, images):  # how near they are to themselves says nothing
        encoded.columns["unlike"] = np.zeros_like(encoded.columns["unlike"])
    columns, row_of = encoded.columns, {file: i for i, file in enumerate(encoded.files)}
    given = given or {}
    if unread := [file for file in given if file not in row_of]:
        log.warning("%d named images cannot be read (the first: %s)", len(unread), printable(unread[0]))
    if not readout.false_alarm_rate:
        why = "confidences are not calibrated, and images unlike anything seen are not noticed"
        log.warning("%s was evaluated by an earlier version: %s: %s", run, why, suggest("evaluate", run=run))
    read = {file: name for file, name in given.items() if file in row_of}
    rows = np.array([row_of[file] for file in read], np.int64)
    names = np.array([name.name for name in read.values()], np.str_)
    classes, confidence, by_names = columns.get("class"), columns.get("confidence"), None
    if given:
        check_two_names(read.values())
        is_random = np.array([name.asked == "random" for name in read.values()], np.bool_)
        by_names = classify_by_names(scaled_by(columns["codes"], columns["codes"]), rows, names, is_random)
        classes, confidence = by_names.classes, by_names.confidence
    if classes is not None and confidence is not None:
        classes, confidence = classes.astype(object), confidence.copy()  # object: names of any length
        classes[rows], confidence[rows] = names, 1
    return Classification(
        **vars(encoded),
        classes=None if classes is None else classes.tolist(),
        confidence=confidence,
        cluster_names=names_of_clusters(encoded.clusters, rows, names),
        is_named=np.isin(np.arange(len(encoded.files)), rows),
        by_names=by_names,
        false_alarm_rate=readout.false_alarm_rate,
        false_alarm_limit=readout.false_alarm_limit,
    )


def is_own_folder(config: dict[str, Any], images: Path) -> bool:
    """Return whether a folder is the one that a run was trained on."""
    own = config.get("data", {}).get("init_args", {}).get("images")
    return bool(own) and Path(str(own)).expanduser().resolve() == images.resolve()


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
