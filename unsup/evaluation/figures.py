"""Pictures beside a report, from arrays alone: reconstructions, clusters, confusion, a map of the codes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]

PAIRS = 16  # reconstructions shown
ROW = 12  # images of a cluster
ROWS = 20  # clusters shown, largest first
NAMED = 20  # classes that still get a colour and a number each
POINTS = 2000  # codes in the map: t-SNE of these takes 5 s of one core
INK = "#333333"
STYLE: dict[Any, Any] = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#cccccc",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def write_figures(
    folder: Path,
    images: Array,
    codes: Array,
    clusters: Array,
    labels: Array | None = None,
    predicted: Array | None = None,
    reconstructions: Array | None = None,
    class_names: tuple[str, ...] = (),
) -> dict[str, str]:
    """Draw every picture that the arrays allow into `folder`/figures; all arrays follow the order of the test images.

    Args:
        folder: where report.md lies.
        images: (n, C, H, W), uint8 or in [0, 1]; C is 1 or 3.
        codes: (n, D).
        clusters: (n,) cluster ids from 0.
        labels: (n,) classes, None where there are none.
        predicted: (n,) classes given by the linear probe.
        reconstructions: (m, C, H, W) of the first m images, in about [0, 1].
        class_names: one for each class, in label order.

    Returns:
        {path relative to `folder`: what the picture shows}, for the report's `figures`.
    """
    target = folder / "figures"
    target.mkdir(exist_ok=True)
    names = class_names or tuple(str(c) for c in range(0 if labels is None else int(labels.max()) + 1))
    shown = {}
    if reconstructions is not None:
        shown["reconstructions.png"] = draw_reconstructions(
            target / "reconstructions.png", images[: len(reconstructions)], reconstructions
        )
    shown["clusters.png"] = draw_clusters(target / "clusters.png", images, clusters, labels, names)
    if labels is not None and predicted is not None:
        shown["confusion.png"] = draw_confusion(target / "confusion.png", labels, predicted, names)
    shown["map.png"] = draw_map(target / "map.png", codes, clusters if labels is None else labels, names)
    return {f"figures/{name}": title for name, title in shown.items()}


def draw_reconstructions(path: Path, originals: Array, reconstructions: Array) -> str:
    """Lines of originals, each with the line of their reconstructions below."""
    title = "Test images and their reconstructions"
    pairs = [(_rgb(originals[i]), _rgb(reconstructions[i])) for i in range(min(PAIRS, len(originals)))]
    lines = [line for i in range(0, len(pairs), 8) for line in zip(*pairs[i : i + 8], strict=True)]
    _draw_lines(path, title, lines, ["original", "reconstructed"] * (len(lines) // 2))
    return title


def draw_clusters(path: Path, images: Array, clusters: Array, labels: Array | None, names: tuple[str, ...]) -> str:
    """A line of random images of each k-means cluster, largest cluster first."""
    ids, sizes = np.unique(clusters, return_counts=True)
    rng = np.random.default_rng(0)
    lines, texts = [], []
    for i in np.argsort(-sizes, kind="stable")[:ROWS]:
        members = np.flatnonzero(clusters == ids[i])
        lines.append([_rgb(images[j]) for j in np.sort(rng.permutation(members)[:ROW])])
        text = f"{sizes[i]:,} image{'s' if sizes[i] > 1 else ''}"
        if labels is not None:
            counts = np.bincount(labels[members], minlength=len(names))
            text += f"\n{counts.max() / sizes[i]:.0%} are {_short(names[counts.argmax()])}"
        texts.append(text)
    which = "Each k-means cluster" if len(ids) <= ROWS else f"The {ROWS} largest of {len(ids)} k-means clusters"
    title = f"{which}: test images drawn at random"
    _draw_lines(path, title, lines, texts)
    return title


def draw_confusion(path: Path, labels: Array, predicted: Array, names: tuple[str, ...]) -> str:
    """Percent of each true class (row) that the linear probe calls each class (column)."""
    k = len(names)
    counts = np.zeros((k, k))
    np.add.at(counts, (labels, predicted), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    title = "Linear probe: percent of each true class by the class it was given"
    side = max(6.0, 0.5 * k) if k <= NAMED else 8.0
    with _figure(path, (side, side), title) as figure:
        axis = figure.subplots()
        # the square root separates 1 % from 0 % without drowning the diagonal
        axis.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1.1)
        axis.set_xlabel("class given by the probe")
        axis.set_ylabel("true class")
        if k > NAMED:
            return title
        short = [_short(name) for name in names]
        long = max(map(len, short)) > 3
        axis.set_xticks(range(k), short, rotation=45 if long else 0, ha="right" if long else "center")
        axis.set_yticks(range(k), short)
        axis.spines[:].set_visible(False)
        for row, column in np.argwhere(share >= 0.005):
            value = share[row, column]
            colour = "white" if value > 0.3 else INK
            axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=8.5)
    return title


def draw_map(path: Path, codes: Array, groups: Array, names: tuple[str, ...]) -> str:
    """A plane with one point a code, coloured by class, or by cluster where `names` is empty."""
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    chosen = np.sort(np.random.default_rng(0).permutation(len(codes))[:POINTS])
    method, points = _plane(codes[chosen])
    groups = groups[chosen]
    ids = np.unique(groups)
    by = "class" if names else "k-means cluster"
    title = f"{method} of {len(chosen):,} test codes, coloured by {by}"
    palette = colormaps["tab10" if len(ids) <= 10 else "tab20" if len(ids) <= NAMED else "turbo"]
    with _figure(path, (8.0, 6.5), title) as figure:
        axis = figure.subplots()
        named: list[Array] = []  # where names stand already
        span = np.ptp(points, axis=0) + 1e-12
        for i, group in enumerate(ids):
            mine = points[groups == group]
            middle = np.median(mine, axis=0)
            name = _short(names[group]) if names else str(group)
            colour = palette(i if len(ids) <= NAMED else i / len(ids))
            axis.scatter(mine[:, 0], mine[:, 1], s=10, color=colour, alpha=0.75, linewidths=0, label=name)
            if len(ids) <= NAMED and not any((np.abs(middle - other) < (0.12, 0.03) * span).all() for other in named):
                named.append(middle)
                text = axis.text(middle[0], middle[1], name, weight="bold", size=11, ha="center", va="center")
                text.set_path_effects([withStroke(linewidth=3, foreground="white")])
        axis.set_xticks([])
        axis.set_yticks([])
        if len(ids) <= NAMED:
            axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5, title=by)
    return title


def _plane(codes: Array) -> tuple[str, Array]:
    """Two coordinates a code (n, 2), and how they were made."""
    n, d = codes.shape
    if d <= 2 or n <= 2:
        return "First two dimensions", np.pad(codes[:, :2], ((0, 0), (0, max(0, 2 - d))))
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # t-SNE starts from the leading components of at most 50, so its time depends on n alone
    leading = PCA(min(50, n, d), random_state=0).fit_transform(codes)
    if n < 100 or leading[:, 0].std() == 0:
        return "First two principal components", leading[:, :2]
    with threadpool_limits(1):  # a second thread mostly waits
        return "t-SNE map", TSNE(init="pca", max_iter=500, random_state=0).fit_transform(leading)


@contextmanager
def _figure(path: Path, size: tuple[float, float], title: str) -> Iterator["Figure"]:
    """A figure in the common style, saved at the end; no window system and no global state is touched."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        figure.suptitle(title)
        yield figure
        figure.savefig(path, bbox_inches="tight", pad_inches=0.15)


def _draw_lines(path: Path, title: str, lines: Sequence[Sequence[Array]], texts: list[str]) -> None:
    """Images (H, W, 3) of one size in lines, with a text at the left of each line."""
    height, width, _ = lines[0][0].shape
    gap = max(1, round(width / 14))
    columns = max(map(len, lines))
    canvas = np.ones((len(lines) * (height + gap) - gap, columns * (width + gap) - gap, 3))
    for i, line in enumerate(lines):
        for j, image in enumerate(line):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = image
    side = 0.7  # inches an image
    with _figure(path, (side * columns + 1.2, side * len(lines) * height / width + 0.4), title) as figure:
        axis = figure.subplots()
        axis.set_anchor("N")
        axis.imshow(canvas)
        axis.spines[:].set_visible(False)
        axis.set_xticks([])
        axis.set_yticks([i * (height + gap) + height / 2 - 0.5 for i in range(len(lines))], texts)


def _rgb(image: Array) -> Array:
    """(C, H, W), uint8 or about [0, 1] -> (H, W, 3) in [0, 1]."""
    pixels = image / 255 if image.dtype == np.uint8 else np.clip(image, 0, 1)
    return np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, -1)


def _short(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"
