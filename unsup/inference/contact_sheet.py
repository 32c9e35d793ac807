"""The contact sheet of a classification: one HTML file with small pictures of every class."""

import base64
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from tqdm import tqdm

from unsup.core.errors import printable
from unsup.core.files import replace_file
from unsup.data.decode import FORMATS, read_image
from unsup.inference.classify import Classification
from unsup.reports.page import render

MAX_PER_GROUP = 100  # pictures of a class, and of those unlike anything seen
MAX_TOTAL = 2000  # fewer of a class where there are many classes, but at least
MIN_PER_GROUP = 10
THUMBNAIL_SIDE = 112  # pixels of a picture
BLOCKY_BELOW = 64  # smaller originals are kept as they are and shown in blocks


class SheetPicture(NamedTuple):
    """One picture of the sheet and what stands below it."""

    source: str  # data URI
    side: int  # pixels that it has
    path: str  # relative to the folder of images
    caption: str


class SheetSection(NamedTuple):
    """Pictures of one kind."""

    title: str
    note: str
    total: int
    pictures: list[SheetPicture]


def write_sheet(path: Path, images: Path, classified: Classification, title: str, remark: str) -> None:
    """Write the sheet: a section a class, the surest pictures first, then what is unlike anything seen.

    Args:
        path: the file.
        images: the folder of images.
        classified: what is said about them.
        title: heading of the page.
        remark: how the classes were found.
    """
    most = max(MIN_PER_GROUP, min(MAX_PER_GROUP, MAX_TOTAL // max(1, len(classified.groups))))
    order = "the most usual first" if classified.classes is None else "the surest first"
    kinds = [(printable(label), order, members) for label, members in classified.groups.items()]
    if classified.unfamiliar:
        kinds.append(("Unlike anything seen", "the least like first", classified.unfamiliar))
    shown = [at for _, _, members in kinds for at in members[:most]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(thumbnail, [images / classified.files[at] for at in shown])
        bar = tqdm(made, "sheet", len(shown), unit=" images", delay=2, leave=False, disable=None)
        pictures = {
            at: SheetPicture(source, side, printable(classified.files[at]), caption(classified, at))
            for at, (source, side) in zip(shown, bar, strict=True)
        }
    sections = []
    for label, note, members in kinds:
        rest = f"; {len(members) - most:,} more are not shown" if len(members) > most else ""
        sections.append(SheetSection(label, note + rest, len(members), [pictures[at] for at in members[:most]]))
    page = render(
        "sheet.html.j2",
        title=printable(title),
        remark=printable(remark),
        images=len(classified.files),
        kind="clusters" if classified.classes is None else "classes",
        sections=sections,
        groups=len(classified.groups),
        unlike=len(classified.unfamiliar),
        unreadable=[(printable(file), printable(why)) for file, why in sorted(classified.unreadable.items())],
    )
    replace_file(path, page)


def caption(classified: Classification, at: int) -> str:
    """98%, or that it was named; unlike anything seen: also label and distance, as in cat 98%, 1.6 times the usual."""
    words = "" if classified.confidence is None else f"{classified.confidence[at]:.0%}"
    if classified.labelled[at]:
        return "named"
    if classified.distance[at] <= 1:
        return words
    label = (classified.classes or classified.cluster_names)[at]
    return f"{printable(label)} {words}".rstrip() + f", {classified.distance[at]:.2g} times the usual"


def thumbnail(path: Path) -> tuple[str, int]:
    """An image as a data URI, cut as the encoder sees it, and the pixels of its side: at most 112."""
    with Image.open(path, formats=FORMATS) as file:
        side = min(THUMBNAIL_SIDE, *file.size)
    image = Image.fromarray(read_image(path, (3, side, side)).transpose(1, 2, 0))
    buffer = io.BytesIO()
    kind = "PNG" if side < BLOCKY_BELOW else "JPEG"
    image.save(buffer, kind, optimize=True, **({} if kind == "PNG" else {"quality": 82}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}", side
