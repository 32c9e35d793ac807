"""A contact sheet, one HTML file with thumbnails of every class."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from unsup.core.errors import printable
from unsup.core.files import replace_file
from unsup.data.pixels import Reading
from unsup.data.thumbnail import thumbnail
from unsup.inference.classify import Classification
from unsup.reports.page import render

MAX_PER_GROUP = 100  # thumbnails of a class, and of images unlike anything seen
MAX_TOTAL = 2000  # with many classes there are fewer of each, but at least
MIN_PER_GROUP = 10
THUMBNAIL_SIDE = 112  # pixels


def write_sheet(
    path: Path, images: Path, classified: Classification, title: str, remark: str, reading: Reading | None = None
) -> None:
    """Write a section for each class, and one for images unlike anything seen.

    Args:
        path: the file.
        images: the folder of images.
        classified: their classes.
        title: heading of the page.
        remark: how the classes were found.
        reading: how pixels are read.
    """
    most = max(MIN_PER_GROUP, min(MAX_PER_GROUP, MAX_TOTAL // max(1, len(classified.groups))))
    order = "the most usual first" if classified.classes is None else "the surest first"
    groups = [(printable(label), order, members) for label, members in classified.groups.items()]
    if classified.unfamiliar:
        groups.append(("Unlike anything seen", "the least like first", classified.unfamiliar))
    visible = [i for _, _, members in groups for i in members[:most]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        thumbnails = pool.map(lambda i: thumbnail(images / classified.files[i], THUMBNAIL_SIDE, reading), visible)
        bar = tqdm(thumbnails, "sheet", len(visible), unit=" images", delay=2, leave=False, disable=None)
        pictures = {
            i: {"path": printable(classified.files[i]), "caption": caption(classified, i), **picture}
            for i, picture in zip(visible, bar, strict=True)
        }
    sections = []
    for label, note, members in groups:
        rest = f"; {len(members) - most:,} more are not shown" if len(members) > most else ""
        inside = [pictures[i] for i in members[:most]]
        sections.append({"title": label, "note": note + rest, "total": len(members), "pictures": inside})
    page = render(
        "sheet.html.j2",
        title=printable(title),
        remark=printable(remark),
        images=len(classified.files),
        kind="clusters" if classified.classes is None else "classes",
        sections=sections,
        groups=len(classified.groups),
        unlike=len(classified.unfamiliar),
        rate=f"{classified.false_alarm_rate:.1%}",
        left_out=len(classified.left_out),
        unreadable=[(printable(file), printable(why)) for file, why in sorted(classified.unreadable.items())],
    )
    replace_file(path, page)


def caption(classified: Classification, i: int) -> str:
    """Return a caption such as "98%", "named" or "cat 98%, 1.6 times the usual"."""
    confidence = "" if classified.confidence is None else f"{classified.confidence[i]:.0%}"
    if classified.is_named[i]:
        return "named"
    if not classified.unlike[i]:
        return confidence
    label = printable((classified.classes or classified.cluster_names)[i])
    return f"{label} {confidence}".rstrip() + f", {classified.distance[i]:.2g} times the usual"
