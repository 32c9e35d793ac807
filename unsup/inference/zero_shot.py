"""Names for the clusters of a run, chosen by an image-text encoder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from unsup.core.files import replace_file
from unsup.core.tables import table
from unsup.data.base import ImageData, Split
from unsup.data.originals import originals
from unsup.inference.encode_folder import code_columns
from unsup.inference.image_text import ImageText, load_image_text
from unsup.metrics.diagnostics import subsample
from unsup.metrics.readout import Readout
from unsup.models.base import Model
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.runs.encoder import Encoder
from unsup.runs.run import Run

MAX_IMAGES = 2_000  # of a split
NAME_COLUMNS = ("cluster", "images", "name", "cosine", "second", "second_cosine")

Clustered = tuple[Tensor, Ids]  # images (n, C, H, W), and the cluster of each


@dataclass(frozen=True)
class ClusterNames:
    """The names of k clusters, and how well they fit test images."""

    rows: list[dict[str, Any]]  # one a cluster, with the keys NAME_COLUMNS
    accuracy: float | None = None  # share of test images whose cluster has the name of their class, if these are words
    ceiling: float | None = None  # the same for the image-text encoder alone, image by image


def name_run(run: Run, words: Sequence[str], encoder: str) -> tuple[Path, ClusterNames]:
    """Name the clusters of a run in RUN/zero_shot.csv, and return both.

    Clusters are the model's own, or those of k-means if it has none. Training images give the names.

    Args:
        run: the run, evaluated.
        words: at least two, all different.
        encoder: as in `load_image_text`.

    Raises:
        UserError: the run is not evaluated, its images are not available, or as in `name_clusters`, `load_image_text`.
    """
    readout, image_text = run.readout, load_image_text(encoder)
    data, model = run.data(), Encoder(run.model())
    number = getattr(model.model, "num_clusters", len(readout.centres))
    rows = name_clusters(image_text, words, number, clustered_images(model, readout, data, "train"))
    labels, names = data.labels("test"), ClusterNames(rows)
    if labels is not None and set(words) <= set(data.class_names):
        test = clustered_images(model, readout, data, "test")
        truth = np.array(data.class_names)[labels[subsample(len(labels), MAX_IMAGES)]]
        names = ClusterNames(rows, *accuracies(image_text, words, rows, test, truth))
    path = run.folder / "zero_shot.csv"
    replace_file(path, table(NAME_COLUMNS, ([row[column] for column in NAME_COLUMNS] for row in rows)))
    return path, names


def clustered_images(encoder: Encoder, readout: Readout, data: ImageData, split: Split) -> Clustered:
    """Return at most 2,000 images of a split with their clusters."""
    positions = subsample(data.size(split), MAX_IMAGES)
    images = list(data.batches(split, positions=positions))
    columns = [code_columns(encoder, readout, x) for x in pictures_of(encoder.model, data, split, positions) or images]
    return torch.cat(images), np.concatenate([part.get("own_cluster", part["cluster"]) for part in columns])


def pictures_of(model: Model, data: ImageData, split: Split, positions: Ids) -> Iterator[Tensor] | None:
    """Return pictures that an encoder from elsewhere makes of images, None for others."""
    if not isinstance(model, ForeignEncoder):
        return None
    batches = originals(data, split, positions)
    return (torch.from_numpy(np.stack([image.picture(model.cut) for image in batch])) for batch in batches)


def name_clusters(image_text: ImageText, words: Sequence[str], number: int, train: Clustered) -> list[dict[str, Any]]:
    """Name each cluster by the word nearest to the mean direction of its images.

    Args:
        image_text: the encoder of images and words.
        words: at least two, all different.
        number: the number of clusters.
        train: images with their clusters.

    Returns:
        A row for each cluster, with empty texts for an empty cluster.

    Raises:
        UserError: fewer than two words, or one of them twice; embeddings of a wrong shape.
    """
    if len(words) < 2 or len(set(words)) < len(words):
        raise UserError(f"zero_shot needs two words or more, each once: {', '.join(map(printable, words)) or 'none'}")
    x, clusters = train
    images, meanings = unit_vectors(image_text.images(x), len(x)), unit_vectors(image_text.words(words), len(words))
    if images.shape[1] != meanings.shape[1]:
        name = type(image_text).__name__
        raise UserError(f"{name}: images have {images.shape[1]} dimensions, words {meanings.shape[1]}")
    sums = np.zeros((number, images.shape[1]), np.float32)
    np.add.at(sums, clusters, images)
    means = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    cosines, sizes = means @ meanings.T, np.bincount(clusters, minlength=number).tolist()
    rows = []
    for cluster, size in enumerate(sizes):
        nearest = np.argsort(-cosines[cluster], kind="stable")[:2].tolist()
        values = [value for at in nearest for value in (words[at], round(float(cosines[cluster, at]), 4))]
        rows.append(dict(zip(NAME_COLUMNS, (cluster, size, *(values if size else [""] * 4)), strict=True)))
    return rows


def accuracies(
    image_text: ImageText, words: Sequence[str], rows: list[dict[str, Any]], test: Clustered, truth: NDArray[np.str_]
) -> tuple[float, float]:
    """Return the accuracies of the cluster names and of the encoder alone."""
    x, clusters = test
    names = np.array([row["name"] for row in rows])[clusters]
    cosines = unit_vectors(image_text.images(x), len(x)) @ unit_vectors(image_text.words(words), len(words)).T
    by_image = np.array(words)[cosines.argmax(axis=1)]
    return float((names == truth).mean()), float((by_image == truth).mean())


def unit_vectors(vectors: Tensor, n: int) -> NDArray[np.float32]:
    """Scale n rows to length 1. Raise UserError if there are not n finite rows."""
    if vectors.ndim != 2 or len(vectors) != n or not vectors.isfinite().all():
        raise UserError(f"the image-text encoder gave {tuple(vectors.shape)}: {n} finite rows are expected")
    return np.asarray(F.normalize(vectors.detach().cpu().float(), dim=1).numpy(), np.float32)


def cluster_table(names: ClusterNames) -> Table:
    """Return a table with one line per cluster."""
    caption = None
    if names.accuracy is not None:
        fit = f"names fit the class of {names.accuracy:.3f} of the test images"
        caption = f"{fit}; the encoder alone {names.ceiling:.3f}"
    table = Table(box=box.SIMPLE_HEAD, title="clusters, named", caption=caption, caption_justify="left")
    for column in NAME_COLUMNS:
        table.add_column(column.replace("_", " "), justify="left" if column in ("name", "second") else "right")
    for row in names.rows:
        table.add_row(*(printable(f"{value}") for value in row.values()))
    return table
