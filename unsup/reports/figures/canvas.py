"""The style of all pictures, and lines of images with texts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unsup.core.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


INK = "#333333"
BETWEEN = "#767676"  # of text without a ground, as easy to read on white as on black
STYLE: dict[Any, Any] = {
    "figure.dpi": 120,
    "savefig.dpi": 120,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a class may be called "$x$"
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#cccccc",
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


@contextmanager
def figure_at(path: Path, size: tuple[float, float], ground: str = "white") -> Iterator["Figure"]:
    """Yield a figure in the common style, and save it at the end.

    Its title is a caption of the page, which has the size of the page's text on every screen.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained", facecolor=ground)
        FigureCanvasAgg(figure)
        yield figure
        figure.savefig(path, bbox_inches="tight", pad_inches=0.15)


def draw_lines(
    path: Path,
    lines: Sequence[Array | Sequence[Array | None]],
    texts: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> None:
    """Draw lines of images (C, H, W), with a text for each line and each column.

    None leaves a place free. There is no ground, so that pages may be light or dark.
    """
    height, width = next(image for image in lines[0] if image is not None).shape[1:]
    gap = max(1, round(width / 14))
    columns = max(map(len, lines))
    canvas = np.zeros(
        (len(lines) * (height + gap) - gap, columns * (width + gap) - gap, 4)
    )  # red, green, blue, opacity
    for i, line in enumerate(lines):
        for j, image in enumerate(line):
            top, left = i * (height + gap), j * (width + gap)
            if image is not None:
                canvas[top : top + height, left : left + width, :3] = rgb(image)
                canvas[top : top + height, left : left + width, 3] = 1
    side = 0.7  # inches an image
    wide = max(4.0, side * columns + (1.2 if texts else 0))
    high = side * len(lines) * height / width + 0.2 * bool(heads)
    with figure_at(path, (wide, high), ground="none") as figure:
        axis = figure.subplots()
        axis.set_anchor("N")
        axis.patch.set_visible(False)
        axis.tick_params(labelcolor=BETWEEN)
        axis.imshow(canvas)
        axis.spines[:].set_visible(False)
        axis.xaxis.tick_top()
        axis.set_xticks([j * (width + gap) + width / 2 - 0.5 for j in range(len(heads))], heads)
        axis.set_yticks([i * (height + gap) + height / 2 - 0.5 for i in range(len(texts))], texts)


def rgb(image: Array) -> Array:
    """Convert an image (C, H, W), uint8 or about [0, 1], to (H, W, 3) in [0, 1]."""
    pixels = image / 255 if image.dtype == np.uint8 else np.clip(image, 0, 1)
    return np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, -1)


def class_name(names: Sequence[str], i: int) -> str:
    """Return the name of a class, or its number if it has none."""
    return names[i] if i < len(names) else str(i)


def short_name(name: str) -> str:
    return name if len(name) <= 14 else f"{name[:13]}…"
