"""Pictures of reconstructions, clusters, confusion and codes, from arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unsup.core.arrays import Array
from unsup.reports.figures.canvas import INK, draw_lines, figure_at, short_name
from unsup.reports.figures.labels import label_places

PAIRS = 16  # reconstructions shown
MEMBERS = 7  # typical images of a cluster, and as many borderline ones
ROWS = 20  # clusters shown, largest first
MAX_COLOURS = 20  # classes that still get a colour and a number each
LETTER, LINE = 0.018, 0.04  # width and height of a letter of a name, as shares of the map
POINTS = 2000  # codes in the map: t-SNE of these takes 5 s of one core


class Plane(NamedTuple):
    """Codes in two dimensions."""

    method: str  # how the coordinates were made
    chosen: Array  # (m,) which of the codes
    points: Array  # (m, 2)


class PicturedClusters(NamedTuple):
    """A cluster for each of the test images."""

    picture: str  # name of its picture
    kind: str  # what one of the clusters is called
    clusters: Array  # (n,)
    distances: Array  # (n, k) of the codes to the centres of the clusters

    @classmethod
    def of_kmeans(cls, clusters: Array, distances: Array) -> "PicturedClusters":
        """Return that of k-means in the codes."""
        return cls("clusters", "k-means cluster", clusters, distances)

    @classmethod
    def of_model(cls, clusters: Array, codes: Array) -> "PicturedClusters":
        """Return the model's own, with distances to the mean codes of its clusters."""
        distances = np.full((len(codes), clusters.max() + 1), np.inf)
        for i in np.unique(clusters):
            distances[:, i] = np.linalg.norm(codes - codes[clusters == i].mean(axis=0), axis=1)
        return cls("own_clusters", "own cluster", clusters, distances)


def write_figures(
    folder: Path,
    images: Array,
    plane: Plane,
    clusterings: Sequence[PicturedClusters],
    labels: Array | None = None,
    predicted: Array | None = None,
    class_names: tuple[str, ...] = (),
) -> dict[str, str]:
    """Draw clusters, confusion and map, and return their titles by name.

    Args:
        folder: of the pictures, <name>.png.
        images: (n, C, H, W), uint8 or in [0, 1]; C is 1 or 3.
        plane: of the codes.
        clusterings: at least one; the last one colours the map if there are no labels.
        labels: (n,) classes, None if there are none.
        predicted: (n,) classes predicted by the linear probe.
        class_names: one for each class, in label order.
    """
    names = class_names or tuple(str(c) for c in range(0 if labels is None else int(labels.max()) + 1))
    titles = {
        one.picture: draw_clusters(folder / f"{one.picture}.png", images, one, labels, names) for one in clusterings
    }
    if labels is not None and predicted is not None:
        titles["confusion"] = draw_confusion(folder / "confusion.png", labels, predicted, names)
    kind, groups = (clusterings[-1].kind, clusterings[-1].clusters) if labels is None else ("class", labels)
    titles["map"] = draw_map(folder / "map.png", plane, groups, names, kind)
    return titles


def draw_reconstructions(path: Path, originals: Array, reconstructions: Array) -> str:
    """Draw the first originals (n, C, H, W), each above its reconstruction."""
    title = "Test images and their reconstructions"
    pairs = [*zip(originals[:PAIRS], reconstructions[:PAIRS], strict=False)]
    lines = [line for i in range(0, len(pairs), 8) for line in zip(*pairs[i : i + 8], strict=True)]
    draw_lines(path, lines, ["original", "reconstructed"] * (len(lines) // 2))
    return title


def draw_clusters(
    path: Path, images: Array, clustering: PicturedClusters, labels: Array | None, names: tuple[str, ...]
) -> str:
    """Draw a line of typical and borderline images for each cluster.

    Typical images are nearest to the centre; borderline ones are about as near to another centre.
    The largest cluster is first, and no image is shown twice: of few members half are typical.
    """
    _, kind, clusters, distances = clustering
    ids, sizes = np.unique(clusters, return_counts=True)
    to_own = np.take_along_axis(distances, clusters[:, None], axis=1)
    others = np.where(np.arange(distances.shape[1]) == clusters[:, None], np.inf, distances)
    nearness, margins = to_own[:, 0], (others - to_own).min(axis=1)  # one centre: all margins are infinite
    lines, texts = [], []
    for i in np.argsort(-sizes, kind="stable")[:ROWS]:
        members = np.flatnonzero(clusters == ids[i])
        members = members[np.argsort(nearness[members], kind="stable")]
        typical, rest = np.split(members, [min(MEMBERS, (len(members) + 1) // 2)])
        rest = rest[np.isfinite(margins[rest])]
        borderline = rest[np.argsort(margins[rest], kind="stable")][:MEMBERS]
        line: list[Array | None] = [None] * (2 * MEMBERS + 1)
        line[: len(typical)] = [*images[typical]]
        line[MEMBERS + 1 : MEMBERS + 1 + len(borderline)] = [*images[borderline]]
        lines.append(line)
        text = f"cluster {ids[i]}: {sizes[i]:,} image{'s' if sizes[i] > 1 else ''}"
        if labels is not None:
            counts = np.bincount(labels[members], minlength=len(names))
            text += f"\n{counts.max() / sizes[i]:.0%} are {short_name(names[counts.argmax()])}"
        texts.append(text)
    which = f"Each {kind}" if len(ids) <= ROWS else f"The {ROWS} largest of {len(ids)} {kind}s"
    title = f"{which}: the test images nearest to its centre, and those about as near to another"
    heads = [""] * (2 * MEMBERS + 1)
    heads[MEMBERS // 2], heads[-1 - MEMBERS // 2] = "typical", "borderline"
    draw_lines(path, lines, texts, heads)
    return title


def draw_confusion(path: Path, labels: Array, predicted: Array, names: tuple[str, ...]) -> str:
    """Draw the percentages of each true class (row) by predicted class (column)."""
    k = len(names)
    counts = np.zeros((k, k))
    np.add.at(counts, (labels, predicted), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    title = "Linear probe: percent of each true class by the class it was given"
    side = max(6.0, 0.5 * k) if k <= MAX_COLOURS else 8.0
    with figure_at(path, (side, side)) as figure:
        axis = figure.subplots()
        # the square root separates 1 % from 0 % without drowning the diagonal
        axis.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1.1)
        axis.set_xlabel("class given by the probe")
        axis.set_ylabel("true class")
        if k > MAX_COLOURS:
            return title
        ticks = [short_name(name) for name in names]
        long = max(map(len, ticks)) > 3
        axis.set_xticks(range(k), ticks, rotation=45 if long else 0, ha="right" if long else "center")
        axis.set_yticks(range(k), ticks)
        axis.spines[:].set_visible(False)
        for row, column in np.argwhere(share >= 0.005):
            value = share[row, column]
            colour = "white" if value > 0.3 else INK
            axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8.5)
    return title


def draw_map(path: Path, plane: Plane, groups: Array, names: tuple[str, ...], by: str) -> str:
    """Draw a point for each chosen code, coloured by its group among `groups` (n,)."""
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    method, chosen, points = plane
    groups = groups[chosen]
    ids = np.unique(groups)
    title = f"{method} of {len(chosen):,} test codes, coloured by {by}"
    palette = colormaps["tab10" if len(ids) <= 10 else "tab20" if len(ids) <= MAX_COLOURS else "turbo"]
    texts = [short_name(names[group]) if names else str(group) for group in ids]
    low, high = points.min(axis=0), points.max(axis=0)
    members = [points[groups == group] for group in ids]
    sizes = np.array([(LETTER * len(text), LINE) for text in texts]) * (high - low)
    places = label_places(members, sizes, low, high) if len(ids) <= MAX_COLOURS else [None] * len(ids)
    with figure_at(path, (8.0, 6.5)) as figure:
        axis = figure.subplots()
        for i, (mine, text) in enumerate(zip(members, texts, strict=True)):
            colour = palette(i if len(ids) <= MAX_COLOURS else i / len(ids))
            axis.scatter(mine[:, 0], mine[:, 1], s=10, color=colour, alpha=0.75, linewidths=0, label=text)
        for text, place in zip(texts, places, strict=True):
            if place is not None:
                drawn = axis.text(place[0], place[1], text, weight="bold", size=11, ha="center", va="center")
                drawn.set_path_effects([withStroke(linewidth=3, foreground="white")])
        axis.set_xticks([])
        axis.set_yticks([])
        if len(ids) <= MAX_COLOURS:
            axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5, title=by)
    return title


def plane_of(codes: Array) -> Plane:
    """Return the plane of at most 2,000 of the codes (n, D), always the same ones."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(codes))[:POINTS])
    codes = codes[chosen]
    n, d = codes.shape
    if d <= 2 or n <= 2:
        return Plane("First two dimensions", chosen, np.pad(codes[:, :2], ((0, 0), (0, max(0, 2 - d)))))
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # t-SNE starts from the leading components of at most 50, so its time depends on n alone
    with np.errstate(invalid="ignore"):  # shares of a variance of 0
        leading = PCA(min(50, n, d), random_state=0).fit_transform(codes)
    if n < 100 or leading[:, 0].std() == 0:
        return Plane("First two principal components", chosen, leading[:, :2])
    with threadpool_limits(1):  # a second thread mostly waits
        return Plane("t-SNE map", chosen, TSNE(init="pca", max_iter=500, random_state=0).fit_transform(leading))
