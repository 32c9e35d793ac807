"""One image file of any size and mode -> the array that is trained on."""

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unsup.data import decode as pictures
from unsup.data.decode import IMAGES_PER_TASK, TASKS_AHEAD, decode, unreadable_message
from unsup.data.pixels import read_image, read_picture

RED, GREY = (200, 30, 10), 97


def rgba() -> Image.Image:
    """Left half red, right half transparent."""
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((*RED, 255), (0, 0, 4, 8))
    return image


def palette(transparent: bool) -> Image.Image:
    """Left half red, right half black or transparent."""
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*RED, 0, 0, 0])
    image.paste(0, (0, 0, 4, 8))
    if transparent:
        image.info["transparency"] = 1
    return image


def deep(dtype: str) -> Image.Image:
    return Image.fromarray(np.full((8, 8), GREY * 257, dtype))


@pytest.mark.parametrize(
    ("make", "name", "left", "right"),
    [
        (lambda: Image.new("RGB", (8, 8), RED), "a.png", RED, RED),
        (lambda: Image.new("L", (8, 8), GREY), "a.png", (GREY,) * 3, (GREY,) * 3),
        (lambda: Image.new("LA", (8, 8), (GREY, 0)), "a.png", (255,) * 3, (255,) * 3),
        (lambda: Image.new("1", (8, 8), 1), "a.bmp", (255,) * 3, (255,) * 3),
        (rgba, "a.png", RED, (255,) * 3),
        (rgba, "a.webp", RED, (255,) * 3),
        (lambda: palette(False), "a.png", RED, (0,) * 3),
        (lambda: palette(True), "a.png", RED, (255,) * 3),
        (lambda: palette(True), "a.gif", RED, (255,) * 3),
        (lambda: Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "a.jpg", (254, 0, 0), (254, 0, 0)),
        (lambda: deep("uint16"), "a.png", (GREY,) * 3, (GREY,) * 3),
        (lambda: deep("uint16"), "a.tif", (GREY,) * 3, (GREY,) * 3),
        (lambda: deep("uint16"), "a.pgm", (GREY,) * 3, (GREY,) * 3),
    ],
)
def test_every_mode(
    tmp_path: Path, make: Callable[[], Image.Image], name: str, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    lossless = {"lossless": True} if name.endswith("webp") else {}
    make().save(tmp_path / name, **lossless)
    tolerance = 3 if name.endswith("jpg") else 0
    colour = read_image(tmp_path / name, (3, 8, 8))
    assert colour.shape == (3, 8, 8) and colour.dtype == np.uint8
    assert np.abs(colour[:, 4, 0].astype(int) - left).max() <= tolerance
    assert np.abs(colour[:, 4, 7].astype(int) - right).max() <= tolerance
    grey = read_image(tmp_path / name, (1, 8, 8))
    luminance = np.array([0.299, 0.587, 0.114]) @ left
    assert grey.shape == (1, 8, 8) and abs(int(grey[0, 4, 0]) - luminance) <= 1 + tolerance


def test_shorter_side_is_scaled_and_the_middle_cut_out(tmp_path: Path) -> None:
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, :13], wide[:, 13:27], wide[:, 27:] = RED, (0, 255, 0), (0, 0, 255)
    for name, pixels in (("wide.png", wide), ("high.png", wide.transpose(1, 0, 2))):
        Image.fromarray(pixels).save(tmp_path / name)
        assert (read_image(tmp_path / name, (3, 5, 5)) == np.array([0, 255, 0])[:, None, None]).all()
    Image.fromarray(wide).resize((4, 1)).save(tmp_path / "small.png")  # enlarged as well
    assert read_image(tmp_path / "small.png", (3, 5, 5)).shape == (3, 5, 5)


def test_resizing_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert np.abs(read_image(tmp_path / "stripes.png", (1, 8, 8)).astype(int) - 127.5).max() < 20


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((32, 32), np.uint8)
    upright[:16, :16] = 255  # a white corner on the upper left
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # quarter turns, against the clock, that the camera made
    image = Image.fromarray(np.rot90(upright, turns))
    exif = Image.Exif()
    exif[274] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg", (1, 32, 32))[0].astype(int) - upright).mean() < 3


def test_large_jpeg_agrees_with_full_decoding(tmp_path: Path) -> None:
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)).resize((800, 600))
    smooth.save(tmp_path / "a.jpg", quality=95)
    smooth.save(tmp_path / "a.png")
    difference = read_image(tmp_path / "a.jpg", (3, 32, 32)).astype(int) - read_image(tmp_path / "a.png", (3, 32, 32))
    assert np.abs(difference).mean() < 2


def test_little_is_decoded_ahead_of_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(pictures.os, "cpu_count", lambda: 2)
    opened: list[Path] = []
    monkeypatch.setattr(pictures, "read_picture", lambda path, *rest: opened.append(path) or read_picture(path, *rest))
    paths = [tmp_path / "a.png"] * 1000
    chunks = decode(paths, (1, 4, 4))
    next(chunks)
    chunks.close()  # waits for what was begun
    assert len(opened) <= IMAGES_PER_TASK * (2 * TASKS_AHEAD + 1)
    assert sum(len(some) for some in decode(paths, (1, 4, 4))) == 1000


def test_what_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    Image.new("L", (8, 8), GREY).save(tmp_path / "a.png")
    (tmp_path / "b\n\x1b.png").write_bytes(b"no image")
    paths = [tmp_path / "a.png", tmp_path / "b\n\x1b.png", tmp_path / "none.png"]
    ((image, *reasons),) = decode(paths, (1, 4, 4))
    assert not isinstance(image, str) and (image.pixels == GREY).all()
    assert reasons == ["not an image", "No such file or directory"]


def test_no_warning_of_pillow_reaches_the_user(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[305] = "software"
    Image.new("L", (8, 8), GREY).save(tmp_path / "a.tif", exif=exif)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    (start,) = struct.unpack_from("<I", data, 4)
    tag = next(at for at in range(start + 2, len(data), 12) if struct.unpack_from("<H", data, at) == (305,))
    struct.pack_into("<II", data, tag + 4, 1000, 2**31)
    (tmp_path / "a.tif").write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_image(tmp_path / "a.tif", (1, 4, 4))
        assert len(caught) > 0  # by itself Pillow warns
        caught.clear()
        (pictures,) = decode([tmp_path / "a.tif"] * 3, (1, 4, 4))
    assert not caught and not any(isinstance(picture, str) for picture in pictures)


def test_a_message_names_five_unreadable_images_and_counts_the_others() -> None:
    names = [f"{i}.png" for i in range(1, 7)]
    five, six = (unreadable_message(dict.fromkeys(names[:n], "cut short"), 40) for n in (5, 6))
    listed = "1.png (cut short), 2.png (cut short), 3.png (cut short), 4.png (cut short), 5.png (cut short)"
    assert five == f"5 of 40 images cannot be read: {listed}"
    assert six == f"6 of 40 images cannot be read: {listed} and 1 more"
