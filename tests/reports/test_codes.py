"""Pictures exist, show something, and show the right thing."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from unsup.reports.figures.codes import (
    PicturedClusters,
    draw_clusters,
    draw_confusion,
    draw_map,
    draw_reconstructions,
    plane_of,
    write_figures,
)
from unsup.reports.figures.samples import (
    draw_arcs,
    draw_lines_between,
    draw_nearest,
    draw_progress,
    draw_samples,
    draw_walks,
)

IMAGES, LABELS = load_digits(return_X_y=True)
IMAGES = (IMAGES[:120] * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
LABELS = LABELS[:120].astype(np.int64)
CODES = IMAGES.reshape(120, -1)[:, 20:28].astype(np.float32)
NAMES = tuple("0123456789")


def apart(clusters: NDArray[np.int64]) -> NDArray[np.float32]:
    """Distances (n, k) to centres of which each image is near that of its cluster."""
    return 1 - np.eye(clusters.max() + 1, dtype=np.float32)[clusters]


def kmeans(clusters: NDArray[np.int64]) -> PicturedClusters:
    return PicturedClusters.of_kmeans(clusters, apart(clusters))


def pixels(path: Path) -> NDArray[np.uint8]:
    """A picture as it looks on a white page."""
    picture = Image.open(path).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB"))


def assert_shows_something(path: Path, size: int = 1_000_000) -> None:
    shown = pixels(path)
    height, width, _ = shown.shape
    assert 150 <= height <= 2000 and 300 <= width <= 1600
    assert shown.std() > 5 and (shown[0] == 255).all()  # not blank; white at the border
    assert path.stat().st_size < size


@pytest.mark.parametrize("colour", [False, True])
def test_all_pictures_of_labelled_images(tmp_path: Path, colour: bool) -> None:
    images = np.repeat(IMAGES, 3, axis=1) if colour else IMAGES / 255
    shown = write_figures(tmp_path, images, plane_of(CODES), [kmeans(LABELS % 4)], LABELS, LABELS[::-1], NAMES)
    assert list(shown) == ["clusters", "confusion", "map"]
    for name, title in shown.items():
        assert_shows_something(tmp_path / f"{name}.png")
        assert len(title.split()) >= 5
    assert "t-SNE map of 120 test codes, coloured by class" in shown.values()


def test_unlabelled_images(tmp_path: Path) -> None:
    shown = write_figures(tmp_path, IMAGES, plane_of(CODES), [kmeans(LABELS % 3)])
    assert list(shown) == ["clusters", "map"]
    assert shown["map"].endswith("coloured by k-means cluster")
    for name in shown:
        assert_shows_something(tmp_path / f"{name}.png")


def test_a_models_own_clusters_have_a_picture_and_colour_the_map_of_unlabelled_images(tmp_path: Path) -> None:
    own = PicturedClusters.of_model(LABELS % 2 * 3, CODES)  # clusters 0 and 3 of four: two are empty
    shown = write_figures(tmp_path, IMAGES, plane_of(CODES), [kmeans(LABELS % 3), own])
    assert list(shown) == ["clusters", "own_clusters", "map"]
    assert shown["own_clusters"].startswith("Each own cluster") and shown["map"].endswith("coloured by own cluster")
    assert_shows_something(tmp_path / "own_clusters.png")


def test_written_again_the_files_are_the_same(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_figures(tmp_path / folder, IMAGES, plane_of(CODES), [kmeans(LABELS % 3)], LABELS, LABELS, NAMES)
    for name in ("clusters", "confusion", "map"):
        first, second = (tmp_path / folder / f"{name}.png" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes(), name


def plain(n: int, colour: tuple[float, float, float]) -> NDArray[np.float64]:
    """n images (3, 8, 8) of one colour."""
    return np.broadcast_to(np.array(colour)[:, None, None], (n, 3, 8, 8))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 64, 48)])
def test_pictures_that_a_model_made(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    made = np.random.default_rng(0).uniform(-0.1, 1.1, (100, *shape)).astype(np.float32)  # outside of [0, 1] too
    titles = [
        draw_reconstructions(tmp_path / "0.png", made[:16], made[16:32]),
        draw_samples(tmp_path / "1.png", made),
        draw_nearest(tmp_path / "2.png", made[:10], made[10:20], np.full(50, 1234.5), np.full(50, 0.125)),
        draw_walks(
            tmp_path / "3.png",
            made[:22].reshape(2, 11, *shape),
            np.array([7, 30]),
            np.array([1, 0.01]),
            np.linspace(-2.5, 2.5, 11),
            64,
        ),
        draw_lines_between(
            tmp_path / "4.png", made[:54].reshape(6, 9, *shape), made[:12].reshape(6, 2, *shape), "classes"
        ),
        draw_arcs(tmp_path / "5.png", made[:54].reshape(6, 9, *shape)),
    ]
    draw_progress(tmp_path / "6.png", {1: made[:10], 1000: (255 * made[10:20].clip(0, 1)).astype(np.uint8)})
    for i in range(7):
        assert_shows_something(tmp_path / f"{i}.png", size=5_000_000)
    assert all(len(title.split()) >= 5 and "\n" not in title for title in titles)
    assert "distance 1,234.50, for validation images 0.12 (50 of each)" in titles[2]
    assert "2 of 64 that vary most" in titles[3] and "-2.5 to +2.5 standard" in titles[3]


RED, BLUE, GREEN, PINK = (0.9, 0.0, 0.0), (0.0, 0.0, 0.9), (0.0, 0.9, 0.0), (0.9, 0.0, 0.9)


def where(path: Path, colour: tuple[float, float, float]) -> NDArray[np.int64]:
    """(n, 2): row and column of the pixels of a colour."""
    return np.argwhere(np.abs(pixels(path) / 255 - colour).max(axis=2) < 0.01)


def test_reconstructions_are_below_their_originals(tmp_path: Path) -> None:
    draw_reconstructions(tmp_path / "x.png", plain(16, RED), plain(16, BLUE))
    red, blue = (np.unique(where(tmp_path / "x.png", c)[:, 0]) for c in (RED, BLUE))
    lines = [np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) for rows in (red, blue)]
    assert [len(found) for found in lines] == [2, 2]  # two lines of pairs
    order = sorted((rows[0], name) for found, name in zip(lines, ("red", "blue"), strict=True) for rows in found)
    assert [name for _, name in order] == ["red", "blue", "red", "blue"]


def columns(path: Path, colour: tuple[float, float, float]) -> list[tuple[int, int]]:
    """First and last column of each block of a colour, from left to right."""
    found = np.unique(where(path, colour)[:, 1])
    return [(part[0], part[-1]) for part in np.split(found, np.flatnonzero(np.diff(found) > 1) + 1) if len(part)]


def test_clusters_show_their_own_images_the_largest_first(tmp_path: Path) -> None:
    images = np.concatenate([plain(5, BLUE), plain(30, RED)])
    order = np.random.default_rng(0).permutation(35)
    ids = np.repeat([2, 7], [5, 30])[order]
    draw_clusters(tmp_path / "x.png", images[order], kmeans(ids), None, ())
    red, blue = where(tmp_path / "x.png", RED), where(tmp_path / "x.png", BLUE)
    assert red[:, 0].max() < blue[:, 0].min()
    assert len(red) / len(blue) == pytest.approx(14 / 5, rel=0.05)  # at most 7 and 7, and no image of the five twice


def test_typical_and_borderline_members(tmp_path: Path) -> None:
    """Of one cluster of 40, eight at a time are: near the centre, near another, far from both, and the rest."""
    colours = [BLUE, RED, GREEN, PINK, PINK]
    images = np.concatenate([plain(8, colour) for colour in colours])
    own, other = np.repeat([[1, 3, 5, 2, 2], [9, 3.1, 9, 9, 9]], 8, axis=1)
    order = np.random.default_rng(0).permutation(40)
    distances = np.stack([other, own], axis=1).astype(np.float32)[order]
    draw_clusters(
        tmp_path / "x.png", images[order], PicturedClusters.of_kmeans(distances.argmin(axis=1), distances), None, ()
    )
    typical, borderline = columns(tmp_path / "x.png", BLUE), columns(tmp_path / "x.png", RED)
    assert len(typical) == len(borderline) == 7
    assert borderline[0][0] - typical[-1][1] > typical[0][1] - typical[0][0]  # the gap is wider than an image
    assert len(where(tmp_path / "x.png", GREEN)) == len(where(tmp_path / "x.png", PINK)) == 0


def test_with_one_centre_nothing_is_borderline(tmp_path: Path) -> None:
    one = PicturedClusters.of_kmeans(np.zeros(30, np.int64), np.ones((30, 1), np.float32))
    draw_clusters(tmp_path / "x.png", plain(30, RED), one, None, ())
    assert len(columns(tmp_path / "x.png", RED)) == 7


def test_confusion_is_read_by_rows(tmp_path: Path) -> None:
    """Class 0 is always called 1, class 1 always 1: the right column is dark, the left one empty."""
    draw_confusion(tmp_path / "x.png", np.array([0, 0, 1, 1]), np.array([1, 1, 1, 1]), ("a", "b"))
    blue = (pixels(tmp_path / "x.png").astype(int) @ [1, 0, -1]) < -60  # clearly blue
    rows, columns = np.nonzero(blue)
    height, width = blue.shape
    assert columns.min() > 0.45 * width and rows.max() - rows.min() > 0.7 * height


@pytest.mark.slow
@pytest.mark.parametrize("classes", [20, 100])
def test_many_classes(tmp_path: Path, classes: int) -> None:
    labels = np.arange(120) % classes
    names = tuple(f"name {i}" for i in range(classes))
    shown = write_figures(tmp_path, IMAGES, plane_of(CODES), [kmeans(labels)], labels, labels, names)
    for name in shown:
        assert_shows_something(tmp_path / f"{name}.png")
    assert shown["clusters"].startswith("The 20 largest of 100" if classes == 100 else "Each k-means")


@pytest.mark.parametrize(
    ("codes", "method"),
    [
        (CODES, "t-SNE map"),
        (CODES[:60], "First two principal components"),
        (CODES[:, :2], "First two dimensions"),
        (CODES[:, :1], "First two dimensions"),
        (CODES[:1], "First two dimensions"),
        (np.zeros((120, 8), np.float32), "First two principal components"),  # collapsed codes
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_the_map_says_how_it_was_made(tmp_path: Path, codes: NDArray[np.float32], method: str) -> None:
    title = draw_map(tmp_path / "x.png", plane_of(codes), LABELS[: len(codes)], NAMES, "class")
    assert title.startswith(f"{method} of {len(codes)} test codes")
    assert pixels(tmp_path / "x.png").std() > 2


def test_the_map_keeps_to_2000_codes(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    assert "of 2,000 test codes" in draw_map(
        tmp_path / "x.png", plane_of(codes), np.zeros(3000, np.int64), ("all",), "class"
    )


def test_a_line_of_codes_is_between_its_originals(tmp_path: Path) -> None:
    draw_lines_between(tmp_path / "x.png", plain(3, BLUE)[None], plain(2, RED)[None], "classes")
    red, blue = (np.unique(where(tmp_path / "x.png", colour)[:, 1]) for colour in (RED, BLUE))
    assert red.min() < blue.min() and blue.max() < red.max()
    assert not ((blue.min() < red) & (red < blue.max())).any()


def test_long_titles_stay_on_the_picture(tmp_path: Path) -> None:
    samples = plain(10, RED)
    draw_samples(tmp_path / "a.png", samples)
    draw_nearest(tmp_path / "b.png", samples, samples, np.ones(10), np.ones(10))
    widths = [pixels(tmp_path / name).shape[1] for name in ("a.png", "b.png")]
    assert widths[1] < widths[0] + 1.5 * 120  # no wider than the texts at the left make it
