"""A page shows the right image for each point, exact pixels, and the most confident mistakes."""

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from unsup.reports.figures.code_map import HEIGHT, MISTAKES, WIDTH, CodeMap, draw, hardest, palette
from unsup.reports.figures.codes import Plane
from unsup.reports.figures.data_uri import SIDE, encoded_picture, image, sprite

RNG = np.random.default_rng(0)


def decoded(uri: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2]))).convert("RGB"))


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def grey(values: Any, side: int = 6) -> NDArray[np.uint8]:
    """(n, 1, side, side): plain images of these values."""
    return np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), 1, side, side))


def code_map(n: int = 40, labelled: bool = True) -> CodeMap:
    labels = np.arange(n) % 3
    predicted = np.where(np.arange(n) % 7 == 0, (labels + 1) % 3, labels)
    some = {"labels": labels, "predicted": predicted, "names": ("cat", "dog", "<b>")} if labelled else {}
    return CodeMap(plane("t-SNE map", RNG.normal(size=(n, 2))), grey(5 * np.arange(n)), np.arange(n) % 5, **some)


def plane(method: str, points: NDArray[np.float64]) -> Plane:
    """A plane of all codes."""
    return Plane(method, np.arange(len(points)), points)


def test_coloured_noise_fits_into_a_sprite() -> None:
    noise = RNG.integers(0, 256, (400, 3, 32, 32), np.uint8)  # a JPEG of more bytes than it has pixels
    found = sprite(noise)
    assert found.uri.startswith("data:image/jpeg;base64,") and decoded(found.uri).shape[:2] == found.size[::-1]


def test_a_map_of_other_codes_says_so_and_names_the_files() -> None:
    given = replace(code_map(labelled=False), files=[f"{i}.png" for i in range(40)], what="codes of a net")
    drawing = draw(given)
    assert drawing.title == "t-SNE map of 40 codes of a net, coloured by cluster"
    words = {point.description for group in drawing.groups for point in group.points}
    assert words == {f"{i}.png; cluster {i % 5}" for i in range(40)}


@pytest.mark.parametrize("labelled", [True, False])
def test_each_point_has_its_own_image_and_words(labelled: bool) -> None:
    given = code_map(labelled=labelled)
    drawing = draw(given)
    sheet, found = decoded(drawing.sprite.uri), drawing.sprite
    points = [(group.name, point) for group in drawing.groups for point in group.points]
    assert len(points) == 40
    seen = set()
    for k, (name, point) in enumerate(points):
        top, left = k // found.columns * found.height, k % found.columns * found.width
        tile = sheet[top : top + found.height, left : left + found.width]
        assert tile.shape == (6, 6, 3) and np.ptp(tile) == 0
        i = int(tile[0, 0, 0]) // 5  # which image this is
        seen.add(i)
        assert point.description.endswith(f"cluster {i % 5}")
        assert name == (("cat", "dog", "<b>")[i % 3] if labelled else f"cluster {i % 5}")
        assert point.wrong == (labelled and i % 7 == 0) and ("probe says" in point.description) == point.wrong
    assert seen == set(range(40))
    assert drawing.wrong == labelled


def test_each_point_knows_the_points_with_the_nearest_codes() -> None:
    """Image i of the plane has i + 1 and i + 2 as neighbours, wherever the points of its class are drawn."""
    nearest = (np.arange(40)[:, None] + [1, 2]) % 40
    drawing = draw(replace(code_map(), nearest=nearest))
    sheet, found = decoded(drawing.sprite.uri), drawing.sprite
    tops = [(k // found.columns * found.height, k % found.columns * found.width) for k in range(40)]
    image_of = [int(sheet[top, left, 0]) // 5 for top, left in tops]  # the image that each point shows
    rows = [[image_of[int(k)] for k in row.split()] for row in drawing.nearest.split(",")]
    assert rows == [nearest[i].tolist() for i in image_of]
    assert draw(code_map()).nearest == ""


def test_places_follow_the_plane_and_stay_on_the_map() -> None:
    given = code_map()
    points = {point.description + group.name: point for group in draw(given).groups for point in group.points}
    assert all(0 <= int(p.x) <= WIDTH and 0 <= int(p.y) <= HEIGHT for p in points.values())
    one = CodeMap(plane("First two dimensions", np.array([[0.0, 0.0], [1.0, 2.0]])), grey([1, 2]), np.array([0, 1]))
    (low,), (high,) = (group.points for group in draw(one).groups)
    assert int(low.x) < int(high.x) and int(low.y) > int(high.y)  # upwards is up


def test_collapsed_codes_and_a_single_one_are_drawn() -> None:
    for n in (1, 5):
        drawing = draw(CodeMap(plane("First two dimensions", np.zeros((n, 2))), grey([9] * n), np.zeros(n, np.int64)))
        assert {(p.x, p.y) for p in drawing.groups[0].points} == {("500", "360")}


def test_the_plane_chooses_rows_of_all_arrays() -> None:
    some = Plane("t-SNE map", np.array([1, 4]), np.array([[0.0, 0.0], [1.0, 1.0]]))
    drawing = draw(CodeMap(some, grey([0, 1, 2, 3, 4]), np.arange(5) + 10, np.arange(5), np.arange(5)[::-1].copy()))
    descriptions = [point.description for group in drawing.groups for point in group.points]
    assert descriptions == ["1; probe says 3; cluster 11", "4; probe says 0; cluster 14"]
    assert sorted(np.unique(decoded(drawing.sprite.uri))) == [1, 4]


def test_names_only_where_there_is_room() -> None:
    def named(k: int) -> list[bool]:
        points = np.stack([np.arange(k), np.arange(k) % 2], axis=1).astype(float)
        given = CodeMap(
            plane("map", points), grey([0] * k), np.arange(k), np.arange(k), None, [f"class {i}" for i in range(k)]
        )
        return [group.middle is not None for group in draw(given).groups]

    assert all(named(3)) and not any(named(30))
    same = CodeMap(plane("map", np.zeros((2, 2))), grey([0, 0]), np.arange(2), np.arange(2), None, ["a", "b"])
    assert [group.middle is not None for group in draw(same).groups] == [True, False]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2)."""
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("k", [1, 10, 20, 100])
def test_points_are_seen_on_white_and_on_black(k: int) -> None:
    colours = palette(k)
    assert len(colours) == k and len(set(colours)) > 0.9 * k
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) > 3 and (luminance(colour) + 0.05) / (luminance("#14171b") + 0.05) > 3


@pytest.mark.parametrize("channels", [1, 3])
def test_single_images_keep_their_pixels(channels: int) -> None:
    pixels = RNG.integers(0, 256, (channels, 20, 30), dtype=np.uint8)
    shown = decoded(image(pixels))
    assert np.array_equal(shown, np.broadcast_to(np.moveaxis(pixels, 0, 2), (20, 30, 3)))
    assert np.array_equal(decoded(image(pixels / 255)), shown)


def test_pictures_get_smaller_and_keep_their_pixels() -> None:
    grey_one = np.repeat(RNG.integers(0, 256, (80, 60, 1), dtype=np.uint8), 4, axis=2)
    grey_one[..., 3] = 255
    uri, width, height = encoded_picture(png(grey_one))
    assert (width, height) == (60, 80) and np.array_equal(decoded(uri), grey_one[..., :3])
    assert len(uri) < 0.5 * len(png(grey_one)) * 4 / 3
    colourful = RNG.integers(0, 256, (80, 60, 3), dtype=np.uint8)
    assert np.array_equal(decoded(encoded_picture(png(colourful))[0]), colourful)
    clear = np.zeros((4, 4, 4), np.uint8)  # transparent: handed on as it is
    assert base64.b64decode(encoded_picture(png(clear))[0].partition("base64,")[2]) == png(clear)


def test_a_sprite_of_large_colour_images_is_made_smaller() -> None:
    images = np.broadcast_to(np.array([0.9, 0.1, 0.1])[:, None, None], (5, 3, 96, 64))
    found = sprite(images)
    assert (found.width, found.height) == (round(64 * SIDE / 96), SIDE) and found.columns == 3
    assert found.size == (3 * found.width, 2 * found.height)
    sheet = decoded(found.uri)
    assert np.abs(sheet[: found.height].astype(int) - [230, 26, 26]).max() < 12  # JPEG
    assert found.uri.startswith("data:image/jpeg")


def test_the_most_confident_mistakes_come_first() -> None:
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.95, 0.05], [0.4, 0.6], [0.3, 0.7]])
    labels = np.array([0, 0, 1, 0, 1])
    found = hardest(probabilities, labels, grey(range(5)), ["a", "b"])
    assert [(one.true, one.predicted, one.confidence, int(one.image.max())) for one in found] == [
        ("b", "a", 0.95, 2),
        ("a", "b", 0.9, 0),
        ("a", "b", 0.6, 3),
    ]
    assert [one.true for one in hardest(probabilities, labels, grey(range(5)), [])] == ["1", "0", "0"]
    assert hardest(probabilities, probabilities.argmax(1), grey(range(5)), ["a", "b"]) == []


def test_columns_may_be_of_other_classes() -> None:
    """Class 1 has no training images: the probe has columns for 0 and 2."""
    found = hardest(
        np.array([[0.1, 0.9], [0.1, 0.9]]), np.array([2, 1]), grey([0, 1]), ["a", "b", "c"], np.array([0, 2])
    )
    assert [(one.true, one.predicted) for one in found] == [("b", "c")]


def test_equal_confidence_keeps_the_order_of_images_and_the_list_ends() -> None:
    n = 60
    found = hardest(np.tile([0.0, 1.0], (n, 1)), np.zeros(n, np.int64), grey(range(n)), ["a", "b"])
    assert [int(one.image.max()) for one in found] == list(range(MISTAKES))


def test_the_same_arrays_make_the_same_drawing() -> None:
    given = code_map()
    assert draw(given) == draw(given)
