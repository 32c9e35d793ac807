"""Names for the clusters of a run, from a list of words: what an image-text encoder says of their members."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from torch import Tensor

from unsup.core.arrays import Ids
from unsup.core.errors import UserError, printable
from unsup.core.files import write_atomically
from unsup.data.base import ImageData, Split
from unsup.inference.encode_folder import code_columns
from unsup.inference.image_text import ImageText, load_image_text
from unsup.metrics.diagnostics import sample
from unsup.metrics.readout import Readout
from unsup.runs.encoder import Encoder
from unsup.runs.run import Run

MAX_IMAGES = 2_000  # training images whose clusters are looked at, and test images that are scored
NAME_COLUMNS = ("cluster", "images", "name", "cosine", "second", "second_cosine")


@dataclass(frozen=True)
class ClusterNames:
    """What K words say of k clusters.

    Attributes:
        sizes: (k,) images of each cluster among those that were looked at.
        cosines: (k, K) between the mean direction of a cluster's images and each word; 0 for an empty cluster.
        accuracy: share of labelled test images whose cluster is called as their class; None: not known, or the words
            are not all class names.
        ceiling: the same of the image-text encoder alone, image by image.
    """

    words: list[str]
    sizes: Ids
    cosines: NDArray[np.float32]
    accuracy: float | None = None
    ceiling: float | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One a cluster: its name is the word of the highest cosine; an empty one has none."""
        found = []
        for cluster, (size, cosines) in enumerate(zip(self.sizes.tolist(), self.cosines, strict=True)):
            first, second = np.argsort(-cosines, kind="stable")[:2].tolist()
            said = [value for at in (first, second) for value in (self.words[at], round(float(cosines[at]), 4))]
            found.append(dict(zip(NAME_COLUMNS, (cluster, size, *(said if size else [""] * 4)), strict=True)))
        return found


def name_run(run: Run, words: Sequence[str], encoder: str, moved: Mapping[str, str]) -> tuple[Path, ClusterNames]:
    """Name the clusters of a run and write the names into RUN/zero_shot.csv; return that file and the names.

    Clusters are the model's own where it has any, else those of k-means. Training images give the names, test images
    are scored.

    Args:
        run: the run, evaluated.
        words: any words.
        encoder: as in `load_image_text`.
        moved: where the data lie now, if not where the run found them: options of the data set (root, images).

    Raises:
        UserError: the run is not evaluated, its images are not at hand, or as in `name_clusters`, `load_image_text`.
    """
    readout, both = run.readout, load_image_text(encoder)
    data, model = run.data(moved), run.model()
    number = getattr(model, "num_clusters", len(readout.centres))
    seen = sample_images(Encoder(model), readout, data, "train")
    named = name_clusters(both, words, number, seen)
    if data.labels("test") is not None and set(words) <= set(data.class_names):
        named = with_accuracy(named, both, sample_images(Encoder(model), readout, data, "test"), data.class_names)
    path = run.folder / "zero_shot.csv"
    with write_atomically(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, NAME_COLUMNS)
        table.writeheader()
        table.writerows(named.rows)
    return path, named


@dataclass(frozen=True)
class ClusteredImages:
    """Images x (n, C, H, W), the cluster of each, and its label where there are labels."""

    x: Tensor
    clusters: Ids
    labels: Ids | None


def sample_images(encoder: Encoder, readout: Readout, data: ImageData, split: Split) -> ClusteredImages:
    """At most 2,000 images of a split."""
    at, labels = sample(data.size(split), MAX_IMAGES), data.labels(split)
    images = list(data.batches(split, at=at))
    found = [code_columns(encoder, readout, x) for x in images]
    clusters = np.concatenate([columns.get("own_cluster", columns["cluster"]) for columns in found])
    return ClusteredImages(torch.cat(images), clusters, None if labels is None else labels[at])


def name_clusters(both: ImageText, words: Sequence[str], number: int, seen: ClusteredImages) -> ClusterNames:
    """How near each word is to the images of each cluster.

    Args:
        both: the image-text encoder.
        words: at least two, all different.
        number: how many clusters there are.
        seen: images, of which those in one cluster are taken together.

    Raises:
        UserError: fewer than two words, or one of them twice; embeddings of a wrong shape.
    """
    if len(words) < 2 or len(set(words)) < len(words):
        raise UserError(f"zero_shot needs two words or more, each once: {', '.join(map(printable, words)) or 'none'}")
    pictures, meanings = unit_vectors(both.images(seen.x), len(seen.x)), unit_vectors(both.words(words), len(words))
    if pictures.shape[1] != meanings.shape[1]:
        raise UserError(f"{type(both).__name__}: images have {pictures.shape[1]} dimensions, words {meanings.shape[1]}")
    sums = np.zeros((number, pictures.shape[1]), np.float32)
    np.add.at(sums, seen.clusters, pictures)
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return ClusterNames(list(words), np.bincount(seen.clusters, minlength=number), means @ meanings.T)


def with_accuracy(
    named: ClusterNames, both: ImageText, test: ClusteredImages, class_names: Sequence[str]
) -> ClusterNames:
    """With the shares of labelled images that their cluster's name, and the encoder alone, call by their class."""
    assert test.labels is not None
    truth = np.array(class_names)[test.labels]
    names = np.array([row["name"] for row in named.rows])[test.clusters]
    alone = unit_vectors(both.images(test.x), len(test.x)) @ unit_vectors(both.words(named.words), len(named.words)).T
    by_image = np.array(named.words)[alone.argmax(1)]
    return replace(named, accuracy=float((names == truth).mean()), ceiling=float((by_image == truth).mean()))


def unit_vectors(found: Tensor, n: int) -> NDArray[np.float32]:
    """(n, E), rows of length 1."""
    if found.ndim != 2 or len(found) != n or not found.isfinite().all():
        raise UserError(f"the image-text encoder gave {tuple(found.shape)}: {n} finite rows are expected")
    return np.asarray(F.normalize(found.detach().cpu().float(), dim=1).numpy(), np.float32)


def cluster_table(named: ClusterNames) -> Table:
    """One line a cluster."""
    caption = None
    if named.accuracy is not None and named.ceiling is not None:
        caption = (
            f"names fit the class of {named.accuracy:.3f} of the test images; the encoder alone {named.ceiling:.3f}"
        )
    table = Table(box=box.SIMPLE_HEAD, title="clusters, named", caption=caption, caption_justify="left")
    for column in NAME_COLUMNS:
        table.add_column(column.replace("_", " "), justify="left" if column in ("name", "second") else "right")
    for row in named.rows:
        table.add_row(*(printable(f"{value}") for value in row.values()))
    return table
