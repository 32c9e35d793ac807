"""Ranges, metadata, size and frames of image files."""

import inspect
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from unsup.data.folder import Folder
from unsup.data.formats import image_suffixes, readable_formats
from unsup.data.pixels import Reading, read_image, read_picture

RAMP = np.tile(np.linspace(0, 1, 32), (32, 1))
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def ends(path: Path, **options: Any) -> tuple[int, int]:
    """Return the first and the last value of a ramp."""
    row = read_image(path, (1, 32, 32), Reading(**options))[0, 16]
    return int(row[0]), int(row[-1])


# ---- ranges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "name", "value_range"),
    [
        (255 * RAMP, "int32.tif", (0, 255)),
        (2000 * RAMP - 1000, "int32.tif", (-1000, 1000)),
        (2e9 * RAMP, "int32.tif", (0, 2e9)),
        (2000 * RAMP, "int16.tif", (0, 2000)),
        (4e9 * RAMP, "uint32.tif", (0, 4e9)),
        (RAMP, "float32.tif", (0, 1)),
        (2 * RAMP - 1, "float32.tif", (-1, 1)),
    ],
)
def test_a_range_that_is_not_known_is_refused_or_stated(
    tmp_path: Path, values: np.ndarray, name: str, value_range: tuple[float, float]
) -> None:
    save_tiff(tmp_path / name, values.astype(name.removesuffix(".tif")))
    kind = "floats" if "float" in name else "signed or 32-bit integers"
    with pytest.raises(ValueError, match=f"^{kind} from .* to .*: data.value_range must say which are black and white"):
        ends(tmp_path / name)
    assert ends(tmp_path / name, value_range=value_range) == (0, 255)
    low, high = value_range
    half = ends(tmp_path / name, value_range=(low, (low + high) / 2))
    assert half == (0, 255)  # clipped
    assert ends(tmp_path / name, value_range=(low, 2 * high - low))[1] in (127, 128)


def save_tiff(path: Path, values: np.ndarray) -> None:
    """Write an uncompressed grey TIFF of any type of numbers."""
    height, width = values.shape
    sample_format = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags = [(256, width), (257, height), (258, 8 * values.itemsize), (259, 1), (262, 1), (273, 8), (277, 1)]
    tags += [(278, height), (279, values.nbytes), (339, sample_format)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in tags)
    data = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"))).tobytes()
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_sixteen_bits_are_scaled_and_their_highest_value_is_known(tmp_path: Path, name: str) -> None:
    for most in (65535, 4095):
        Image.fromarray((most * RAMP).astype(np.uint16)).save(tmp_path / name)
        picture = read_picture(tmp_path / name, (1, 32, 32))
        assert picture.highest == most and picture.pixels.max() == (255 if most == 65535 else 16)
        stated = read_picture(tmp_path / name, (1, 32, 32), Reading(value_range=(0, most)))
        assert stated.highest is None and stated.pixels.max() == 255


def test_a_stated_range_leaves_8_bits_alone(tmp_path: Path) -> None:
    Image.fromarray((100 * RAMP).astype(np.uint8)).save(tmp_path / "a.png")
    assert ends(tmp_path / "a.png", value_range=(0, 4095)) == ends(tmp_path / "a.png") == (0, 100)
    assert read_picture(tmp_path / "a.png", (1, 8, 8)).highest is None


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="pixels that are not finite"):
        read_image(tmp_path / "a.tif", (1, 8, 8), Reading(value_range=(0, 1)))


def test_colour_of_16_bits_has_no_stated_range(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">24H", *range(4000, 4024)) for _ in range(8))  # 8 x 8 RGB
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert read_picture(tmp_path / "a.png", (3, 8, 8)).highest == 4095  # of upper bytes of 15
    with pytest.raises(ValueError, match="of 16-bit colour only 8 bits are read, so that data.value_range cannot be"):
        read_image(tmp_path / "a.png", (3, 8, 8), Reading(value_range=(0, 4095)))


# ---- metadata --------------------------------------------------------------------------------------------------------


def exif() -> Image.Exif:
    exif = Image.Exif()
    exif[271], exif[305], exif[282] = "maker", "software", 72.0
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return exif


def file_of(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, **options)
    return buffer.getvalue()


def metadata_of(kind: str, data: bytes) -> list[tuple[int, int]]:
    """Return where the metadata of a PNG, JPEG or WebP file are, without their headers."""
    places, start = [], {"PNG": 8, "JPEG": 2, "WEBP": 12}[kind]
    while start < len(data) and not (kind == "JPEG" and data[start + 1] == 0xDA):
        if kind == "PNG":
            n, name = struct.unpack_from(">I4s", data, start)
            head, whole, is_metadata = 8, n + 12, name not in (b"IHDR", b"IDAT", b"IEND")
        elif kind == "JPEG":
            (n,) = struct.unpack_from(">H", data, start + 2)
            head, whole, is_metadata = 4, n + 2, 0xE1 <= data[start + 1] <= 0xED or data[start + 1] == 0xFE
        else:
            name, n = struct.unpack_from("<4sI", data, start)
            head, whole, is_metadata = 8, n + 8 + n % 2, name in (b"EXIF", b"XMP ", b"ICCP")
        if is_metadata:
            places.append((start + head, start + whole))
        start += whole
    return places


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_damaged_metadata_cost_no_picture(tmp_path: Path, kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    text = PngInfo()
    text.add_text("a", "x" * 300, zip=True)
    text.add_itxt("b", "y" * 300, zip=True)
    options: dict[str, Any] = {"PNG": {"pnginfo": text, "dpi": (72, 72)}, "JPEG": {"xmp": b"<x/>", "comment": b"c"}}
    whole = file_of(kind, exif=exif(), icc_profile=profile, **options.get(kind, {"lossless": True, "xmp": b"<x/>"}))
    path = tmp_path / "a"
    path.write_bytes(whole)
    expected, places = read_image(path, (3, 16, 16)), metadata_of(kind, whole)
    assert len(places) >= 3
    rng = np.random.default_rng(0)
    for start, end in places:
        for garbage in (b"\xff", b"\0", None):
            for _ in range(10):
                low, high = np.sort(rng.integers(start, end + 1, 2))
                data = bytearray(whole)
                data[low:high] = rng.bytes(high - low) if garbage is None else garbage * (high - low)
                path.write_bytes(data)
                pixels = read_image(path, (3, 16, 16))
                assert sorted(pixels.ravel()) == sorted(expected.ravel())  # garbage may turn the image


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate"])
def test_damaged_tags_cost_no_tiff(tmp_path: Path, compression: str) -> None:
    whole = file_of("TIFF", compression=compression, exif=exif(), dpi=(72, 72))
    path = tmp_path / "a.tif"
    (directory,) = struct.unpack_from("<I", whole, 4)
    (count,) = struct.unpack_from("<H", whole, directory)
    damaged = 0
    for start in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", whole, start)[0] not in (271, 282, 305):
            continue
        for values in ((2, 2**32 - 1, 0), (2, 1000, 2**31), (13, 1, 5), (12, 3, len(whole) - 1)):
            data = bytearray(whole)
            struct.pack_into("<HII", data, start + 2, *values)
            path.write_bytes(data)
            assert (read_image(path, (3, 16, 16)) == PIXELS.transpose(2, 0, 1)).all()
            damaged += 1
    assert damaged == 12


def test_too_much_text_or_profile_costs_no_picture(tmp_path: Path) -> None:
    text = PngInfo()
    text.add_text("Comment", "x" * (1 << 21), zip=True)
    turned = Image.Exif()
    turned[274] = 3
    for name, options in (("a.png", {"pnginfo": text}), ("b.png", {"icc_profile": bytes(2 << 20)})):
        (tmp_path / name).write_bytes(file_of("PNG", exif=turned, **options))
        assert (read_image(tmp_path / name, (3, 16, 16)) == PIXELS[::-1, ::-1].transpose(2, 0, 1)).all()


@pytest.mark.parametrize("body", [b"JFIF\0", b"ICC_PROFILE\0", b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0", b"MPF\0II*\0"])
def test_segments_that_are_cut_short_cost_no_jpeg(tmp_path: Path, body: bytes) -> None:
    marker = {b"J": 0xE0, b"P": 0xED}.get(body[:1], 0xE2)
    turned = Image.Exif()
    turned[274] = 3
    whole = file_of("JPEG", exif=turned)
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "a").write_bytes(whole[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + whole[2:])
    assert (read_image(tmp_path / "a", (3, 16, 16)) == read_image(tmp_path / "whole", (3, 16, 16))).all()


def test_damaged_pixels_are_no_picture(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "TIFF"):
        (tmp_path / "a").write_bytes(file_of(kind, exif=exif())[:-100])
        with pytest.raises((OSError, SyntaxError)):
            read_image(tmp_path / "a", (3, 16, 16))


# ---- size, frames, formats -------------------------------------------------------------------------------------------


def test_the_limit_of_size_is_one_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (1500, 1000)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's own does not count
    assert read_picture(tmp_path / "a.png", (1, 4, 4)).file_size == (1500, 1000)
    with pytest.raises(ValueError, match="^2 megapixels, more than data.max_megapixels 1.4$"):
        read_image(tmp_path / "a.png", (1, 4, 4), Reading(max_megapixels=1.4))


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_the_first_of_several_frames_is_taken(tmp_path: Path, name: str) -> None:
    frames = [Image.new("L", (8, 8), value) for value in (200, 0, 100)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    picture = read_picture(tmp_path / name, (1, 8, 8))
    assert picture.is_first_frame and (picture.pixels == 200).all()
    frames[0].save(tmp_path / f"one-{name}")
    assert not read_picture(tmp_path / f"one-{name}", (1, 8, 8)).is_first_frame


def test_two_pictures_of_a_phone_are_one(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), value) for value in ("white", "black")]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    picture = read_picture(tmp_path / "a.jpg", (1, 8, 8))
    assert not picture.is_first_frame and picture.pixels.min() == 255


def test_lab_has_a_grey(tmp_path: Path) -> None:
    Image.new("LAB", (8, 8), (128, 0, 0)).save(tmp_path / "a.tif")
    grey, colour = (read_image(tmp_path / "a.tif", (channels, 8, 8)) for channels in (1, 3))
    assert grey.max() > 0 and abs(grey[0, 0, 0] - np.array([0.299, 0.587, 0.114]) @ colour[:, 0, 0]) < 1


@pytest.mark.parametrize(("brand", "reason"), [(b"heic", "HEIC needs pillow-heif"), (b"mp42", "not an image")])
def test_what_a_file_needs_is_said(tmp_path: Path, brand: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(20))
    with pytest.raises(OSError, match=f"^{reason}$"):
        read_image(tmp_path / "a.jpg", (1, 8, 8))


def test_the_limit_of_size_is_the_same_with_and_without_a_configuration() -> None:
    assert inspect.signature(Folder).parameters["max_megapixels"].default == 250 == Reading().max_megapixels


def test_heic_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif, the extra heic, is not installed")
    heif.register_heif_opener()
    readable_formats.cache_clear()
    pixels = np.add.outer(np.arange(64), np.arange(64))[..., None] * np.array([1, 2, 0])
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "phone.heic", quality=-1)
    assert ".heic" in image_suffixes()
    read = read_image(tmp_path / "phone.heic", (3, 64, 64))
    assert np.abs(read.transpose(1, 2, 0).astype(int) - pixels.astype(np.uint8)).max() <= 2


def test_libtiff_prints_nothing_about_odd_tags(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    odd = TiffImagePlugin.ImageFileDirectory_v2()
    odd[65000], odd[33550], odd[42113] = "private", (1.0, 1.0, 0.0), "-9999"  # private and geographic tags
    for compression in (None, "tiff_lzw", "jpeg"):
        Image.new("L", (32, 32), 7).save(tmp_path / "odd.tif", compression=compression, tiffinfo=odd)
        assert read_image(tmp_path / "odd.tif", (1, 8, 8)).max() == 7
    assert capfd.readouterr() == ("", "")
