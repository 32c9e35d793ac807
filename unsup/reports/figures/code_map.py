"""A map of codes for a page: a point for each image, and the images in one picture for whoever points at one."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from unsup.core.arrays import Array
from unsup.reports.figures.canvas import class_name, short_name
from unsup.reports.figures.codes import MAX_COLOURS, Plane
from unsup.reports.figures.data_uri import Sprite, sprite

WIDTH, HEIGHT, MARGIN = 1000, 720, 16  # of the map, in its own units
LETTER = 16  # width of a letter of a name on the map
COLOURS = (  # told apart from each other, and from white and from black alike
    "#1f77b4", "#d9660a", "#2b9a2b", "#d62728", "#9467bd", "#9a5f52", "#d05fae", "#7f7f7f", "#93921f", "#1495a6",
)  # fmt: skip
LUMINANCE = 0.2  # of any further colour, on a scale where white is 1


@dataclass(frozen=True)
class CodeMap:
    """What the map shows of m test images, all in one order."""

    method: str  # how the plane was made
    points: Array  # (m, 2)
    images: Array  # (m, C, H, W), uint8 or in [0, 1]
    clusters: Array  # (m,)
    labels: Array | None = None  # (m,) classes; None: unlabelled
    predicted: Array | None = None  # (m,) classes given by the linear probe
    names: Sequence[str] = ()  # one for each class, in label order

    @classmethod
    def of(
        cls,
        plane: Plane,
        images: Array,
        clusters: Array,
        labels: Array | None = None,
        predicted: Array | None = None,
        names: Sequence[str] = (),
    ) -> Self:
        """From arrays over all test images (n, ...): the rows that the plane chose."""
        at = plane.chosen
        return cls(
            plane.method,
            plane.points,
            images[at],
            clusters[at],
            None if labels is None else labels[at],
            None if predicted is None else predicted[at],
            names,
        )


class Point(NamedTuple):
    x: str
    y: str
    told: str  # what is known of it, in words
    wrong: bool


class Legend(NamedTuple):
    """Points of a class, or of a cluster where there are no classes."""

    name: str
    short: str
    colour: str
    points: list[Point]
    middle: tuple[float, float] | None  # where its name stands; None: no room, or too many groups


class Drawing(NamedTuple):
    title: str
    by: str
    wrong: bool  # some points are drawn as mistakes
    groups: list[Legend]
    sprite: Sprite  # images in the order of the groups' points


def draw(code_map: CodeMap) -> Drawing:
    """Places on the page, words and colours; the k-th point of all groups in turn is the k-th image of the sprite."""
    labelled = code_map.labels is not None
    of = code_map.clusters if code_map.labels is None else code_map.labels
    ids = np.unique(of)
    places, colours = _placed(code_map.points), palette(len(ids))
    taken: list[Array] = []
    groups, order = [], []
    for group, colour in zip(ids, colours, strict=True):
        members = np.flatnonzero(of == group)
        order.append(members)
        name = class_name(code_map.names, group) if labelled else f"cluster {group}"
        middle = np.median(places[members], axis=0)
        half = min(LETTER * len(short_name(name)) / 2, WIDTH / 2)
        middle[0] = np.clip(middle[0], half, WIDTH - half)
        room = len(ids) <= MAX_COLOURS and not any((np.abs(middle - other) < (90, 30)).all() for other in taken)
        if room:
            taken.append(middle)
        points = [_point(code_map, int(i), places[i]) for i in members]
        groups.append(
            Legend(name, short_name(name), colour, points, (round(middle[0], 1), round(middle[1], 1)) if room else None)
        )
    return Drawing(
        title=f"{code_map.method} of {len(places):,} test codes, coloured by {'class' if labelled else 'cluster'}",
        by="class" if labelled else "cluster",
        wrong=any(point.wrong for group in groups for point in group.points),
        groups=groups,
        sprite=sprite(code_map.images[np.concatenate(order)]),
    )


def _point(code_map: CodeMap, i: int, place: Array) -> Point:
    parts, wrong = [], False
    if code_map.labels is not None:
        parts.append(class_name(code_map.names, code_map.labels[i]))
        if code_map.predicted is not None and code_map.predicted[i] != code_map.labels[i]:
            wrong = True
            parts.append(f"probe says {class_name(code_map.names, code_map.predicted[i])}")
    parts.append(f"cluster {code_map.clusters[i]}")
    return Point(f"{place[0]:.0f}", f"{place[1]:.0f}", "; ".join(parts), wrong)


def _placed(points: Array) -> Array:
    """Points (m, 2) spread over the map, y upwards as in other figures."""
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    share = (points - low) / np.where(span > 0, span, 1) + np.where(span > 0, 0, 0.5)
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    return MARGIN + np.column_stack([share[:, 0], 1 - share[:, 1]]) * room


def palette(k: int) -> list[str]:
    """k colours as #rrggbb, none too near to white or black; up to ten are easily told apart."""
    if k <= len(COLOURS):
        return list(COLOURS[:k])
    return [_of_luminance(colorsys.hls_to_rgb(i / k, 0.5, 0.85 if i % 2 else 0.5)) for i in range(k)]


def _of_luminance(colour: tuple[float, float, float]) -> str:
    """A colour darkened, or mixed with white, until it is as bright as the others (WCAG 2, relative luminance)."""
    linear = np.array(colour) ** 2.2
    bright = float(linear @ (0.2126, 0.7152, 0.0722))
    white = max(0.0, (LUMINANCE - bright) / (1 - bright))
    linear = white + (1 - white) * linear if white else linear * LUMINANCE / bright
    return "#" + "".join(f"{round(255 * c):02x}" for c in linear ** (1 / 2.2))
