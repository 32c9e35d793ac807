"""A page on which people name pictures, one file that needs no server."""

import base64
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from unsup.core.arrays import Floats, Ids
from unsup.core.errors import UserError, printable
from unsup.data.encoded_pictures import EncodedPictures
from unsup.data.thumbnail import thumbnail
from unsup.inference.names import Asked, Name
from unsup.inference.thumbnail_sheets import thumbnail_sheets
from unsup.metrics.clustering import kmeans
from unsup.metrics.neighbours import nearest_by_cosine
from unsup.reports.figures.code_map import COLOURS
from unsup.reports.figures.codes import plane_of
from unsup.reports.page import render

log = logging.getLogger(__name__)

MOST = 20_000  # pictures on a page
BYTES = 20_000_000  # of a page, at most
LEVELS = (100, 40, 15)  # clusters, the finest first
PER_CLUSTER = 10  # pictures that a cluster has on average, at least
LEADING = 50  # components that clusters go by
DIMENSIONS = 24  # numbers by which the page finds similar pictures
LARGE_SIDE = 240  # pixels of a picture that is asked for
SCALE = 4095  # of coordinates on the map
SPREAD = 0.006  # of the map's width, between pictures that share their place on it

Members = list[list[int]]  # positions of the pictures of each cluster


@dataclass(frozen=True)
class AskList:
    """Pictures that the page asks to name, in order.

    Attributes:
        title: such as "Drawn at random".
        asked: the value of the column `asked` of pictures that are named here.
        images: their positions.
        reasons: one for each picture, why it is asked for; none if that goes without saying.
    """

    title: str
    asked: Asked
    images: Sequence[int]
    reasons: Sequence[str] = ()


def label_page(
    pictures: EncodedPictures, lists: Sequence[AskList], given: Mapping[str, Name], notes: Sequence[str] = ()
) -> str:
    """Return the HTML of the page.

    Of more than 20,000 pictures it has those that are asked for, those that are named, and others drawn at random.

    Args:
        pictures: of the folder, with their codes.
        lists: pictures to ask for.
        given: names so far, by file.
        notes: sentences about these.

    Raises:
        UserError: a file cannot be read any more.
    """
    shown = shown_pictures(pictures.files, lists, given)
    place = {int(i): at for at, i in enumerate(shown)}
    files = [pictures.files[i] for i in shown]
    position = {file: at for at, file in enumerate(files)}
    if missing := sum(file not in position for file in given):
        log.warning("left out: %d names of pictures that cannot be read", missing)
    codes = pictures.codes[shown]
    log.info("clusters and map of %s pictures", f"{len(files):,}")
    leading = components(codes, LEADING)
    levels = partitions(leading)
    names = [[position[file], *name] for file, name in given.items() if file in position]
    content: dict[str, Any] = {
        "key": digest([pictures.identity, *files]),
        "files": files,
        "levels": levels,
        "codes": base64.b64encode(small_codes(codes).tobytes()).decode(),
        **map_places(codes),
        "given": {"names": names, "digest": digest(names)},
        "colours": COLOURS,
        "lists": [
            {
                "title": one.title,
                "asked": one.asked,
                "images": [place[i] for i in one.images],
                "reasons": list(one.reasons),
                "pictures": [large(pictures, i) for i in one.images],
            }
            for one in lists
        ],
    }
    order = [i for members in levels[0] for i in members]  # so that a row of pictures needs few sheets
    log.info("thumbnails")
    paths = [pictures.images / files[i] for i in order]
    sheets = thumbnail_sheets(paths, pictures.reading, BYTES - len(html_of(pictures, content, notes)))
    content["slots"] = np.argsort(order).tolist()
    content["sheets"] = [(sheet.uri, sheet.columns, sheet.size[1] // sheet.height) for sheet in sheets]
    content["side"] = sheets[0].width
    return html_of(pictures, content, notes)


def html_of(pictures: EncodedPictures, content: dict[str, Any], notes: Sequence[str]) -> str:
    """Return the page with some content."""
    script = render("label.js.j2", title="")
    return render(
        "label.html.j2",
        title=f"Name the pictures in “{printable(pictures.images.resolve().name)}”",
        encoder=printable(pictures.encoder),
        shown=len(content["files"]),
        notes=notes,
        total=len(pictures.files),
        remark=remark_of(content),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        content=json.dumps(content, separators=(",", ":")).replace("<", "\\u003c"),
    )


def remark_of(content: dict[str, Any]) -> str:
    """Return how the map was made."""
    others = "" if content["mapped"] == len(content["files"]) else "; each other one next to the nearest of these"
    return f"{content['method']} of {content['mapped']:,} pictures{others}."


def shown_pictures(files: Sequence[str], lists: Sequence[AskList], given: Mapping[str, Name]) -> Ids:
    """Return the positions of the pictures on the page, in order."""
    if len(files) <= MOST:
        return np.arange(len(files))
    first = {i for one in lists for i in one.images} | {i for i, file in enumerate(files) if file in given}
    others = [i for i in np.random.default_rng(0).permutation(len(files)).tolist() if i not in first]
    return np.array(sorted([*first, *others[: max(0, MOST - len(first))]]))


def components(codes: Floats, most: int) -> Floats:
    """Return the leading principal components (n, d) of codes (n, D)."""
    return np.asarray(PCA(min(most, *codes.shape), random_state=0).fit_transform(codes), np.float32)


def partitions(codes: Floats) -> list[Members]:
    """Return clusters of k-means, from fine to coarse.

    The cluster whose pictures agree most is first, and in each the picture nearest to its centre.
    """
    numbers = [k for k in LEVELS if k * PER_CLUSTER <= len(codes)] or [max(1, len(codes) // PER_CLUSTER)]
    return [clusters(codes, k) for k in numbers]


def clusters(codes: Floats, k: int) -> Members:
    """Return the positions of the pictures of each cluster, as in `partitions`."""
    fitted = kmeans(codes, codes, k, 1)
    sizes = np.bincount(fitted.train, minlength=k)[fitted.train, None]
    centres = fitted.centres[fitted.train]
    order = np.argsort(np.linalg.norm(codes - centres, axis=1), kind="stable")
    # by the cosine, as centres near the middle of all codes have near pictures of any kind; with the mean of the others
    others = unit(sizes * centres - codes) * (sizes > 1)
    cosines = (unit(codes) * others).sum(axis=1)
    members = [order[fitted.train[order] == i] for i in np.unique(fitted.train)]
    return [rows.tolist() for rows in sorted(members, key=lambda rows: -float(cosines[rows].mean()))]


def unit(codes: Floats) -> Floats:
    """Return codes (n, D) of unit length, those of length 0 as they are."""
    lengths = np.linalg.norm(codes, axis=1, keepdims=True)
    return np.asarray(codes / np.where(lengths > 0, lengths, 1), np.float32)


def small_codes(codes: Floats) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Return directions (n, 24) of centred codes as whole numbers up to 127."""
    return np.rint(127 * unit(components(codes, DIMENSIONS))).astype(np.int8)


def map_places(codes: Floats) -> dict[str, Any]:
    """Return the places of all pictures on the map of the report.

    It is made of 2,000 of them. Each other one is put next to the nearest of these.
    """
    method, chosen, points = plane_of(codes)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    share = np.where(span > 0, (points - low) / np.where(span > 0, span, 1), 0.5)
    others = np.setdiff1d(np.arange(len(codes)), chosen)
    places = np.empty((len(codes), 2))
    places[chosen] = share
    nearest = nearest_by_cosine(codes[chosen], codes[others], 1)[:, 0]
    places[others] = share[nearest] + np.random.default_rng(0).normal(0, SPREAD, (len(others), 2))
    whole = np.rint(places.clip(0, 1) * SCALE).astype(int)
    return {"method": method, "mapped": len(chosen), "places": whole.ravel().tolist()}


def large(pictures: EncodedPictures, i: int) -> str:
    """Return a picture as a data URI, large enough to be named."""
    path = pictures.images / pictures.files[i]
    try:
        return str(thumbnail(path, LARGE_SIDE, pictures.reading)["source"])
    except Exception as e:  # damaged files raise anything
        raise UserError(f"{path} cannot be read any more: {e}") from e


def digest(content: object) -> str:
    """Return a short hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
