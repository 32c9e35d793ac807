"""The page of a first look at a folder of pictures."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from unsup.core.arrays import Ids
from unsup.core.commands import suggest
from unsup.core.errors import UserError, printable
from unsup.core.files import short_path, unless_default
from unsup.data.asked_names import AskedNames
from unsup.data.pixels import Reading
from unsup.data.thumbnail import thumbnail
from unsup.evaluation.audit import Audit
from unsup.evaluation.progress import say
from unsup.evaluation.similar_images import (
    NEAREST,
    Clusters,
    Neighbours,
    View,
    clusters,
    compare_neighbours,
    leading_components,
    levels,
    nearest_on_map,
)
from unsup.metrics.sample_size import images_needed
from unsup.models.foreign.names import parse_name
from unsup.reports.figures.code_map import CodeMap, draw
from unsup.reports.figures.codes import plane_of
from unsup.reports.page import render

SIDE = 80  # pixels of a thumbnail at most
QUERIES = 12  # images whose neighbours are shown
COLOURS = 15  # clusters on the map, at most
DISAGREEMENTS = (0.2, 0.3, 0.5)  # shares of images that one of two encoders gets right and the other wrong
DIFFERENCES = (0.1, 0.2)  # of two accuracies
TRAINED = "simclr"  # a recipe that suits photographs


class Suggestions(NamedTuple):
    """Commands in the form that the user types."""

    audit: str
    label: str
    evaluate: list[str]
    compare: str
    train: str
    classify: str

    @classmethod
    def of(
        cls,
        images: str,
        encoders: Sequence[str],
        runs: Path,
        dataset: str,
        names: Path | None,
        options: str,
    ) -> Self:
        """Return the commands that come next.

        Args:
            images: the folder, as the user named it.
            encoders: their names.
            runs: the folder of runs.
            dataset: the name of the folder's runs.
            names: the table in which the user names images, None if folders give the classes.
            options: of the data set.
        """
        labels, root = None if names is None else short_path(names), unless_default(runs)
        run = Path(short_path(runs), dataset, parse_name(encoders[0]).folder, "0-001")
        given: dict[str, Any] = {"images": images, "labels": labels}
        return cls(
            audit=suggest("audit", images=images, runs=root),
            label=suggest("label", options, encoder=encoders[0], images=images, runs=root),
            evaluate=[suggest("evaluate", options, encoder=name, runs=root, **given) for name in encoders],
            compare=suggest("compare", data=dataset, labels=labels, runs=root),
            train=suggest("train", options, model=TRAINED, images=images, runs=root),
            classify=suggest("classify", run=run, **given),
        )


@dataclass(frozen=True)
class StartPage:
    """The content of the page, with n images in the order of `paths`.

    Attributes:
        images: the folder, as the user named it.
        summary: the understanding of it, on one line.
        paths: (n,) of the files.
        files: (n,) names, printable.
        class_names: empty if unlabelled.
        reading: how files are read.
        findings: of the audit.
        views: of two encoders, the first of which makes clusters and map.
        asked: the images to be named, None if folders give the classes.
        suggestions: for what to do next.
    """

    images: str
    summary: str
    paths: list[Path]
    files: list[str]
    class_names: tuple[str, ...]
    reading: Reading
    findings: Audit
    views: tuple[View, View]
    asked: AskedNames | None
    suggestions: Suggestions


def page(content: StartPage) -> str:
    """Return the HTML of the page."""
    components = leading_components(content.views[0].codes)
    partitions = [clusters(components, k) for k in levels(len(components))]
    on_map = [partition for partition in partitions if len(partition.typical) <= COLOURS][-1]
    neighbours = compare_neighbours(*content.views)
    say("map")
    plane = plane_of(components)
    code_map = CodeMap(
        plane=plane,
        images=content.findings.images,
        clusters=on_map.of,
        labels=content.findings.labels,
        names=content.class_names,
        files=content.files,
        what=f"codes of {printable(content.views[0].name)}",
        nearest=nearest_on_map(content.views[0].codes[plane.chosen]),
    )
    asked = content.asked or AskedNames({}, 0)
    queries = range(min(QUERIES, len(neighbours.images)))
    say("thumbnails")
    shown: list[Ids] = [rows for partition in partitions for rows in partition.typical]
    shown += [neighbours.images[: len(queries)], neighbours.nearest[:, : len(queries)].ravel()]
    shown.append(np.array([*asked.images.values()], np.int64))
    pictures = thumbnails(content, np.unique(np.concatenate(shown)).tolist())

    def of(rows: Iterable[int]) -> list[dict[str, Any]]:
        return [pictures[int(i)] for i in rows]

    return render(
        "start.html.j2",
        title=f"First look at {printable(content.images)}",
        count=len(content.files),
        summary=printable(content.summary),
        findings=[printable(line) for line in content.findings.lines()],
        drawing=draw(code_map),
        levels=[[(size, note, of(rows)) for size, note, rows in described(one, content)] for one in partitions],
        on_map=len(on_map.typical),
        encoders=[(printable(view.name), view.preparation) for view in content.views],
        pairs=[(of([neighbours.images[i]])[0], *paired(neighbours, i, pictures)) for i in queries],
        compared=len(neighbours.images),
        different=neighbours.different,
        shared=f"{neighbours.shared:.1f}",
        nearest=NEAREST,
        needed=[(share, [images_needed(share, difference) for difference in DIFFERENCES]) for share in DISAGREEMENTS],
        labelled=content.asked is None,
        asked=[pictures[i] | {"label": f"row {row}"} for row, i in asked.images.items()],
        named=asked.named,
        suggestions=content.suggestions,
    )


def thumbnails(content: StartPage, images: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return pictures with names of some images, by their positions.

    Raises:
        UserError: a file cannot be read any more.
    """

    def picture(i: int) -> dict[str, Any]:
        labels = content.findings.labels
        label = "" if labels is None else content.class_names[labels[i]]
        try:
            small = thumbnail(content.paths[i], SIDE, content.reading)
        except Exception as e:  # damaged files raise anything
            raise UserError(f"{content.paths[i]} cannot be read any more: {e}") from e
        return {"file": content.files[i], "label": label, "both": False, **small}

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(images, pool.map(picture, images), strict=True))


def described(partition: Clusters, content: StartPage) -> list[tuple[int, str, Ids]]:
    """Return size, most frequent class if any, and typical images of each cluster."""
    rows = []
    for i, typical in enumerate(partition.typical):
        members, note = np.flatnonzero(partition.of == i), ""
        if content.findings.labels is not None:
            counts = np.bincount(content.findings.labels[members])
            note = f"{counts.max() / len(members):.0%} {content.class_names[counts.argmax()]}"
        rows.append((len(members), note, typical))
    return rows


def paired(neighbours: Neighbours, i: int, pictures: dict[int, dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the neighbours of an image by each encoder, with those of both marked."""
    first, second = neighbours.nearest[:, i].tolist()
    return [[pictures[j] | {"both": j in first and j in second} for j in rows] for rows in (first, second)]
