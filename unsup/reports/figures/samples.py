"""Pictures of images that a model made or holds for alike, from arrays."""

from pathlib import Path

from unsup.core.arrays import Array
from unsup.reports.figures.canvas import draw_lines

COLUMNS = 10  # samples in a line
PROGRESS = "Samples from the same noise while training went on"  # the title of a picture that training leaves behind


def draw_progress(path: Path, rows: dict[int, Array]) -> None:
    """Draw a line of samples (n, C, H, W) for each epoch."""
    draw_lines(path, [*rows.values()], [f"epoch {epoch:,}" for epoch in rows])


def draw_samples(path: Path, samples: Array) -> str:
    """Draw lines of samples (n, C, H, W)."""
    title = "Samples drawn from the model, not selected"
    draw_lines(path, [samples[i : i + COLUMNS] for i in range(0, len(samples), COLUMNS)])
    return title


def draw_nearest(path: Path, samples: Array, neighbours: Array, distances: Array, usual: Array) -> str:
    """Draw samples above the training images nearest to them, which shows copies.

    Args:
        path: of the picture.
        samples: (n, C, H, W).
        neighbours: (n, C, H, W), for each sample the training image nearest to it.
        distances: (m,) squared Euclidean distances of samples, shown or not, to their nearest training images.
        usual: (m,) the same of images that the model has not seen.
    """
    title = (
        f"Samples above their nearest training images; mean squared distance {distances.mean():,.2f}, "
        f"for validation images {usual.mean():,.2f} ({len(usual)} of each)"
    )
    draw_lines(path, [samples, neighbours], ["sample", "nearest\ntraining image"])
    return title


def draw_neighbours(path: Path, images: Array, neighbours: Array) -> str:
    """Draw test images (q, C, H, W), each before its neighbours (q, r, C, H, W)."""
    title = "Test images and their nearest training images, by the cosine of centred codes"
    lines = [[image, *others] for image, others in zip(images, neighbours, strict=True)]
    draw_lines(path, lines, heads=["test", "nearest", *[""] * (neighbours.shape[1] - 1)])
    return title


def draw_walks(path: Path, images: Array, entries: Array, deviations: Array, offsets: Array, dim: int) -> str:
    """Draw a line of decoded codes for each entry that is changed.

    Args:
        path: of the picture.
        images: (r, s, C, H, W).
        entries: (r,) positions in the code.
        deviations: (r,) standard deviations of these entries.
        offsets: (s,) standard deviations from the entry's mean.
        dim: size of the code.
    """
    which = f"the {len(entries)} of {dim:,} that vary most" if len(entries) < dim else "each in turn"
    title = (
        f"Decoded codes with one entry changed ({which}), from {offsets[0]:+g} to {offsets[-1]:+g} standard deviations "
        "around its mean; the others are those of the test image nearest to the mean code"
    )
    heads = [f"{offset:+g} sd" if offset else "mean" for offset in offsets]
    texts = [f"entry {entry}\nsd {deviation:.2g}" for entry, deviation in zip(entries, deviations, strict=True)]
    draw_lines(path, [*images], texts, heads)
    return title


def draw_lines_between(path: Path, images: Array, originals: Array, kind: str) -> str:
    """Draw decoded codes (r, s, C, H, W) between originals (r, 2, C, H, W)."""
    title = f"Straight lines between the codes of test images of different {kind}, decoded"
    lines = [[*ends[:1], *line, *ends[1:]] for line, ends in zip(images, originals, strict=True)]
    heads = ["original", "decoded", *[""] * (images.shape[1] - 2), "decoded", "original"]
    draw_lines(path, lines, heads=heads)
    return title


def draw_arcs(path: Path, images: Array) -> str:
    """Draw lines of samples, (r, s, C, H, W), along arcs of noise."""
    title = "Samples along arcs between random noise vectors"
    draw_lines(path, [*images])
    return title
