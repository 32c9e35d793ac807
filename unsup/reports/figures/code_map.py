"""Single images of a page, that is an interactive map of codes, and mistakes."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from unsup.core.arrays import Array
from unsup.reports.figures.canvas import class_name, short_name
from unsup.reports.figures.codes import MAX_COLOURS, Plane
from unsup.reports.figures.data_uri import Sprite, sprite
from unsup.reports.figures.labels import label_places

WIDTH, HEIGHT, MARGIN = 1000, 720, 16  # of the map, in its own units
LETTER, LINE = 22, 40  # width and height of a letter of a name on the map, on a phone
COLOURS = (  # distinct from each other, from white and from black
    "#1f77b4", "#d9660a", "#2b9a2b", "#d62728", "#9467bd", "#9a5f52", "#d05fae", "#7f7f7f", "#93921f", "#1495a6",
)  # fmt: skip
LUMINANCE = 0.2  # of any further colour, on a scale where white is 1
MISTAKES = 24  # at most


@dataclass(frozen=True)
class CodeMap:
    """The plane and its images, with arrays over all n images."""

    plane: Plane
    images: Array  # (n, C, H, W), uint8 or in [0, 1]
    clusters: Array  # (n,)
    labels: Array | None = None  # (n,) classes; None if unlabelled
    predicted: Array | None = None  # (n,) classes predicted by the linear probe
    names: Sequence[str] = ()  # one for each class, in label order
    files: Sequence[str] = ()  # n names; without them images go unnamed
    what: str = "test codes"
    nearest: Array | None = None  # (m, k) for each code on the plane, those on it with the nearest codes


class Point(NamedTuple):
    x: str
    y: str
    description: str
    wrong: bool


class Legend(NamedTuple):
    """Points of a class, or of a cluster if there are no classes."""

    name: str
    short: str
    colour: str
    points: list[Point]
    middle: tuple[float, float] | None  # where its name is drawn; None: no room, or too many groups


class Drawing(NamedTuple):
    title: str
    by: str
    wrong: bool  # some points are drawn as mistakes
    groups: list[Legend]
    sprite: Sprite  # images in the order of the groups' points
    nearest: str  # numbers of the points with the nearest codes, such as "4 7,0 2"; empty if they are not known


def draw(code_map: CodeMap) -> Drawing:
    """Compute places, words and colours.

    Point k, counted over all groups, is image k of the sprite.
    """
    method, chosen, points = code_map.plane
    labelled = code_map.labels is not None
    of = (code_map.clusters if code_map.labels is None else code_map.labels)[chosen]
    ids, places = np.unique(of), _places(points)
    members = [np.flatnonzero(of == group) for group in ids]
    names = [class_name(code_map.names, group) if labelled else f"cluster {group}" for group in ids]
    middles = _middles([places[some] for some in members], names)
    groups = [
        Legend(name, short_name(name), colour, [_point(code_map, chosen[i], places[i]) for i in some], middle)
        for name, colour, some, middle in zip(names, palette(len(ids)), members, middles, strict=True)
    ]
    by = "class" if labelled else "cluster"
    order, nearest = np.concatenate(members), ""
    if code_map.nearest is not None:
        nearest = ",".join(" ".join(map(str, row)) for row in np.argsort(order)[code_map.nearest[order]].tolist())
    return Drawing(
        title=f"{method} of {len(places):,} {code_map.what}, coloured by {by}",
        by=by,
        wrong=any(point.wrong for group in groups for point in group.points),
        groups=groups,
        sprite=sprite(code_map.images[chosen[order]]),
        nearest=nearest,
    )


def _middles(groups: Sequence[Array], names: Sequence[str]) -> list[tuple[float, float] | None]:
    """Return where each group's name is drawn, if anywhere."""
    if len(groups) > MAX_COLOURS:
        return [None] * len(groups)
    sizes = np.array([(LETTER * len(short_name(name)), LINE) for name in names])
    places = label_places(groups, sizes, np.zeros(2), np.array([WIDTH, HEIGHT]))
    return [None if place is None else (round(float(place[0]), 1), round(float(place[1]), 1)) for place in places]


def _point(code_map: CodeMap, i: int, place: Array) -> Point:
    parts, wrong = [code_map.files[i]] if code_map.files else [], False
    if code_map.labels is not None:
        parts.append(class_name(code_map.names, code_map.labels[i]))
        if code_map.predicted is not None and code_map.predicted[i] != code_map.labels[i]:
            wrong = True
            parts.append(f"probe says {class_name(code_map.names, code_map.predicted[i])}")
    parts.append(f"cluster {code_map.clusters[i]}")
    return Point(f"{place[0]:.0f}", f"{place[1]:.0f}", "; ".join(parts), wrong)


def _places(points: Array) -> Array:
    """Spread points (m, 2) over the map, y upwards as in other figures."""
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    share = (points - low) / np.where(span > 0, span, 1) + np.where(span > 0, 0, 0.5)
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    return MARGIN + np.column_stack([share[:, 0], 1 - share[:, 1]]) * room


def palette(k: int) -> list[str]:
    """Return k colours as #rrggbb, none too near to white or black."""
    if k <= len(COLOURS):
        return list(COLOURS[:k])
    return [_of_luminance(colorsys.hls_to_rgb(i / k, 0.5, 0.85 if i % 2 else 0.5)) for i in range(k)]


def _of_luminance(colour: tuple[float, float, float]) -> str:
    """Darken a colour, or mix it with white, to `LUMINANCE` as WCAG 2 defines it."""
    linear = np.array(colour) ** 2.2
    bright = float(linear @ (0.2126, 0.7152, 0.0722))
    white = max(0.0, (LUMINANCE - bright) / (1 - bright))
    linear = white + (1 - white) * linear if white else linear * LUMINANCE / bright
    return "#" + "".join(f"{round(255 * c):02x}" for c in linear ** (1 / 2.2))


class Mistake(NamedTuple):
    image: Array  # (C, H, W)
    true: str
    predicted: str
    confidence: float  # the probe's probability of the predicted class, in [0, 1]


def hardest(
    probabilities: Array, labels: Array, images: Array, names: Sequence[str], classes: Array | None = None
) -> list[Mistake]:
    """Return at most 24 mistakes, the most confident first.

    Args:
        probabilities: (n, K), each row a distribution over classes.
        labels: (n,) true classes.
        images: (n, C, H, W), uint8 or in [0, 1].
        names: one for each class, in label order; without a name a class goes by its number.
        classes: (K,) the class of each column, in label order if None.
    """
    columns, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    predicted = columns if classes is None else classes[columns]
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    return [
        Mistake(images[i], class_name(names, labels[i]), class_name(names, predicted[i]), float(confidence[i]))
        for i in order
    ]
