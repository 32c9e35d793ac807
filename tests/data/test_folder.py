"""A user's images, their labels, what is refused, and the cached array."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from synthetic import complaint, pictures

from unsup.core.errors import UsageError
from unsup.data import cache
from unsup.data.decode import decode
from unsup.data.folder import Folder
from unsup.data.pixels import Reading, read_image
from unsup.testing import check_data


def line(images: Path, root: Path, **options: Any) -> str:
    """Return the error of a run that starts on this folder."""
    return complaint(Folder(str(images), root=str(root), **options))


# ---- what is labelled ------------------------------------------------------------------------------------------------


def read(images: Path, root: Path, **options: Any) -> Folder:
    data = Folder(str(images), root=str(root), **{"size": 8, **options})
    data.prepare_data()
    return data


def test_shape_is_known_without_looking() -> None:
    assert Folder("nowhere", size=16, channels=1).shape == (1, 16, 16)


def test_train_and_test_with_classes(tmp_path: Path) -> None:
    for i, (split, kind) in enumerate([("train", "cat"), ("train", "dog"), ("test", "cat"), ("test", "dog")]):
        pictures(tmp_path / "images" / split / kind, 10 + i, seed=i)
    data = read(tmp_path / "images", tmp_path / "root")
    assert data.class_names == ("cat", "dog")
    (images, labels), (test, test_labels) = data.load(True), data.load(False)
    assert labels is not None and test_labels is not None
    assert labels.tolist() == [0] * 10 + [1] * 11 and test_labels.tolist() == [0] * 12 + [1] * 13
    one = sorted((tmp_path / "images" / "test" / "dog").iterdir())[4]
    assert (test[12 + 4] == read_image(one, (3, 8, 8))).all()
    assert len(images) == 21 and len(test) == 25


@pytest.mark.parametrize("below", ["", "train"])
def test_a_sixth_is_set_aside_where_there_is_no_test(tmp_path: Path, below: str) -> None:
    for i, (kind, n) in enumerate([("b", 24), ("a", 12)]):
        pictures(tmp_path / "images" / below / kind, n, seed=i)
    data = read(tmp_path / "images", tmp_path / "root")
    (images, labels), (test, test_labels) = data.load(True), data.load(False)
    assert data.class_names == ("a", "b")
    assert np.bincount(labels).tolist() == [10, 20] and np.bincount(test_labels).tolist() == [2, 4]
    assert len({image.tobytes() for image in (*images, *test)}) == 36  # every image once
    again = read(tmp_path / "images", tmp_path / "elsewhere")
    assert again.fingerprint() == data.fingerprint()


@pytest.mark.parametrize("places", [[""], ["train", "test"], ["train"], ["2024/may", "2024/june", "2023/may"], ["all"]])
def test_unlabelled(tmp_path: Path, places: list[str]) -> None:
    for i, place in enumerate(places):
        pictures(tmp_path / "images" / place, 30, seed=i)
    data = read(tmp_path / "images", tmp_path / "root")
    assert data.class_names == ()
    (images, labels), (test, test_labels) = data.load(True), data.load(False)
    assert labels is None and test_labels is None and data.labels("val") is None
    everything = 30 * len(places)
    assert len(test) == (30 if "test" in places else everything / 6) and len(images) + len(test) == everything


def test_what_is_not_an_image_is_left_out(tmp_path: Path) -> None:
    top = tmp_path / "images"
    pictures(top / "a", 12)
    pictures(top / "b", 12, seed=1)
    pictures(top / ".thumbnails", 5)
    (top / "a" / ".hidden.png").write_bytes(b"x")
    (top / "a" / "notes.txt").write_text("x")
    (top / "README.md").write_text("x")
    (top / "a" / "0.png").rename(top / "a" / "0.PNG")
    (top / "a" / "circle").symlink_to(top)
    (top / "b").rename(tmp_path / "b")
    (top / "b").symlink_to(tmp_path / "b")  # a class that lies elsewhere
    data = read(top, tmp_path / "root")
    assert data.class_names == ("a", "b") and data.size("train") + data.size("val") + data.size("test") == 24


def test_two_links_in_a_circle(tmp_path: Path) -> None:
    pictures(tmp_path / "images" / "a", 25)
    (tmp_path / "images" / "b").mkdir()
    (tmp_path / "images" / "b" / "to_a").symlink_to(tmp_path / "images" / "a")
    (tmp_path / "images" / "a" / "to_b").symlink_to(tmp_path / "images" / "b")
    data = read(tmp_path / "images", tmp_path / "root")  # a/0.png and b/to_a/0.png: and it ends
    assert data.class_names == ("a", "b") and len(data.load(True)[0]) + len(data.load(False)[0]) == 50


# ---- what is refused -------------------------------------------------------------------------------------------------


def labelled_folder(top: Path) -> None:
    pictures(top / "train" / "cat", 15)
    pictures(top / "train" / "dog", 15, seed=1)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("train/0.png", "train mixes images one folder deep (train/cat/0.png), which are labelled by it, with others"),
        ("train/cat/old/0.png", "train/cat holds images and also folders (old/): expected are train/<class>/"),
        ("car/0.png", "images holds train/, named like a split, beside car/: move all"),
        ("0.png", "images holds train/, named like a split, beside 0.png: move all"),
        ("test/bird/0.png", "test has class folders that the training images lack (bird; those have cat, dog): add"),
        ("val/0.png", "images: class folders are in train/ and not in val/: use them everywhere or nowhere"),
        ("test/notes.txt", "test holds 0 images (left out: 1 .txt) and needs at least 1"),
    ],
)
def test_arrangements_that_say_two_things(tmp_path: Path, extra: str, expected: str) -> None:
    top = tmp_path / "images"
    labelled_folder(top)
    pictures((top / extra).parent, 1)
    if not extra.endswith(".png"):
        (top / extra).parent.joinpath("0.png").rename(top / extra)
    text = line(top, tmp_path / "root")
    assert expected in text and str(top) in text
    assert not (tmp_path / "root").exists()


def test_missing_empty_and_too_few(tmp_path: Path) -> None:
    assert f"{tmp_path / 'nowhere'} is not a folder" in line(tmp_path / "nowhere", tmp_path / "root")
    (tmp_path / "empty").mkdir()
    assert "empty holds 0 images and needs at least 20 (known are .png" in line(tmp_path / "empty", tmp_path / "root")
    pictures(tmp_path / "few", 19)
    assert "few holds 19 images" in line(tmp_path / "few", tmp_path / "root")
    pictures(tmp_path / "untrained" / "test", 30)
    assert "untrained holds test/ but no train/: put" in line(tmp_path / "untrained", tmp_path / "root")
    for i in range(30):
        pictures(tmp_path / "singles" / str(i), 1)
    assert "every class needs at least two images" in line(tmp_path / "singles", tmp_path / "root")


def test_options_are_checked() -> None:
    with pytest.raises(UsageError, match="^data.size is 0: it must be at least 1$"):
        Folder("x", size=0)
    with pytest.raises(UsageError, match=r"^data.value_range is \[5, 5\]: the first value must be below the second$"):
        Folder("x", value_range=(5, 5))
    with pytest.raises(UsageError, match="^data.max_megapixels is 0: it must be above 0$"):
        Folder("x", max_megapixels=0)
    with pytest.raises(UsageError, match="^data.class_folders is 'all': choose one of auto, top, none$"):
        Folder("x", class_folders="all")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="^data.channels is 2: choose one of 1, 3$"):
        Folder("x", channels=2)  # type: ignore[arg-type]


def test_unreadable_images_are_all_counted_and_five_named(tmp_path: Path) -> None:
    top = tmp_path / "images"
    labelled_folder(top)
    cat = top / "train" / "cat"
    whole = (cat / "0.png").read_bytes()
    (cat / "a.jpg").write_bytes(b"")
    (cat / "b.png").write_bytes(whole[: len(whole) // 2])
    (cat / "c.png").write_text("<html>not an image</html>")
    (cat / "d.png").symlink_to(tmp_path / "gone.png")
    (cat / "e.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")  # a program, not pixels
    Image.fromarray(np.zeros((9, 9), np.float32)).save(cat / "f.tif")
    (cat / "g.gif").write_bytes(b"GIF89a")
    text = line(top, tmp_path / "root")
    assert text.startswith("7 of 37 images cannot be read: ") and " and 2 more, as " in text
    assert text.endswith(": repair or remove them, or give --data.skip_unreadable true")
    for name, reason in (
        ("a.jpg", "not an image"),
        ("b.png", "image file is truncated"),
        ("c.png", "not an image"),
        ("d.png", "No such file or directory"),
        ("e.png", "not an image"),
    ):
        assert f"train/cat/{name} ({reason}" in text
    assert "f.tif" not in text
    (table,) = (tmp_path / "root" / "decoded").iterdir()  # nothing that a later start could take for whole
    assert str(table) in text and table.suffix == ".csv"
    assert "train/cat/f.tif,unreadable," in table.read_text()


def test_a_photograph_above_the_limit_is_refused_with_the_option(tmp_path: Path) -> None:
    pictures(tmp_path / "images", 25)
    Image.new("L", (2000, 1000)).save(tmp_path / "images" / "large.png")
    text = line(tmp_path / "images", tmp_path / "root", max_megapixels=1.5)
    assert text.startswith("1 of 26 images cannot be read: ")
    assert "large.png (2 megapixels, more than data.max_megapixels 1.5)" in text
    assert read(tmp_path / "images", tmp_path / "root", max_megapixels=2).size("test") == 4


# ---- what is said ----------------------------------------------------------------------------------------------------


def said(caplog: pytest.LogCaptureFixture, images: Path, root: Path, **options: Any) -> list[str]:
    """Return the lines that a start on a folder logs."""
    caplog.clear()
    with caplog.at_level("INFO", "unsup"), warnings.catch_warnings():
        warnings.simplefilter("error")
        read(images, root, **options)
    return [record.getMessage() for record in caplog.records]


def test_what_was_understood_is_one_line_at_every_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    top = tmp_path / "images"
    labelled_folder(top)
    pictures(top / "test" / "cat", 4)
    for i in range(9):
        (top / "train" / "cat" / f"{i}.heic").write_bytes(b"x")
    start = f"{top}: 2 classes (training: cat 15, dog 15), 30 training and 4 test images; "
    start += "no test image of dog; left out: 9 .heic"
    for _ in range(2):
        (text,) = said(caplog, top, tmp_path / "root")
        assert text.startswith(start)


def test_nothing_else_is_said_of_a_good_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labelled_folder(tmp_path / "images")
    expected = "2 classes (training: cat 12, dog 13), 25 training and 5 test images (drawn from the training images)"
    assert said(caplog, tmp_path / "images", tmp_path / "root") == [f"{tmp_path / 'images'}: {expected}"]


def test_dark_images_and_first_frames_are_one_line_each_at_every_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    top = tmp_path / "images"
    top.mkdir()
    for i in range(30):
        frames = [Image.new("L", (8, 8), i), Image.new("L", (8, 8), 255)]
        frames[0].save(top / f"{i}.gif", save_all=True, append_images=frames[1:])
        Image.fromarray(np.full((8, 8), 130 * i, np.uint16)).save(top / f"{i}.png")
    for _ in range(2):
        _, frames_line, dark_line = said(caplog, top, tmp_path / "root", channels=1)
        assert frames_line == "30 animated or multi-page files: the first frame is read (0.gif)"
        assert dark_line == (
            "30 images of 16 bits have no value above 3,770 and are dark: "
            '--data.value_range "[0, 4095]" reads them as images of 12 bits'
        )
    assert len(said(caplog, top, tmp_path / "root", channels=1, value_range=(0, 4095))) == 2
    Image.fromarray(np.full((8, 8), 60000, np.uint16)).save(top / "bright.png")
    assert len(said(caplog, top, tmp_path / "root", channels=1)) == 2


# ---- official validation images, unreadable ones ---------------------------------------------------------------------


def test_a_validation_folder_is_the_validation_split(tmp_path: Path) -> None:
    top = tmp_path / "images"
    labelled_folder(top)
    pictures(top / "val" / "cat", 3, seed=2)
    pictures(top / "val" / "dog", 4, seed=3)
    pictures(top / "test" / "dog", 5, seed=4)
    data = read(top, tmp_path / "root")
    assert [data.size(split) for split in ("learn", "train", "val", "test")] == [30, 30, 7, 5]
    labels = [data.labels(split) for split in ("train", "val", "test")]
    assert [None if part is None else part.tolist() for part in labels] == [
        [0] * 15 + [1] * 15,
        [0] * 3 + [1] * 4,
        [1] * 5,
    ]
    (x,) = data.batches("val")
    files = [top / "val" / kind / f"{i}.png" for kind, n in (("cat", 3), ("dog", 4)) for i in range(n)]
    assert (x.numpy() * 255).round().astype(np.uint8).tolist() == [read_image(f, (3, 8, 8)).tolist() for f in files]


def test_the_contract_of_data_holds_with_a_validation_folder(tmp_path: Path) -> None:
    for i, place in enumerate(("train/a", "train/b", "val/a", "val/b", "test/a", "test/b")):
        pictures(tmp_path / "images" / place, 12, seed=i)
    check_data(Folder, images=str(tmp_path / "images"), root=str(tmp_path / "root"), size=8)


def test_unreadable_images_are_skipped_on_request_as_if_they_were_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, decodings: list[int]
) -> None:
    top, root = tmp_path / "images", tmp_path / "root"
    labelled_folder(top)
    clean = read(top, root).fingerprint()
    (top / "train" / "cat" / "3b.png").write_bytes(b"")
    (top / "train" / "dog" / "zz.jpg").write_text("<html>")
    for _ in range(2):
        warning, text = said(caplog, top, root, skip_unreadable=True)
        assert warning.startswith("left out: 2 of 32 images cannot be read: train/cat/3b.png (not an image), train/dog")
        assert text.endswith("25 training and 5 test images (drawn from the training images); left out: 2 unreadable")
    table = Path(warning.rpartition(", as ")[2].removesuffix(" lists"))
    assert table.read_text().splitlines() == [
        "file,remark,detail",
        "train/cat/3b.png,unreadable,not an image",
        "train/dog/zz.jpg,unreadable,not an image",
    ]
    assert read(top, root, skip_unreadable=True).fingerprint() == clean
    assert decodings == [30, 0, 32, 2, 2]  # all once, then the unreadable ones, which may have become readable
    pictures(top / "train" / "cat", 16)
    (top / "train" / "cat" / "15.png").rename(top / "train" / "cat" / "3b.png")
    assert "left out: 1 of 32" in said(caplog, top, root, skip_unreadable=True)[0]


def test_unreadable_images_are_skipped_where_nothing_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures(tmp_path / "images", 30)
    (tmp_path / "images" / "x.png").write_bytes(b"")
    (tmp_path / "root").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot be written"):
        data = read(tmp_path / "images", tmp_path / "root", skip_unreadable=True)
    assert data.size("test") == 5 and "x.png (not an image)" in caplog.text and "lists" not in caplog.text


# ---- decoded once ----------------------------------------------------------------------------------------------------


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each decoding took."""
    calls: list[int] = []

    def counted(paths: list[Path], shape: tuple[int, int, int], reading: Reading) -> Any:
        calls.append(len(paths))
        return decode(paths, shape, reading)

    monkeypatch.setattr(cache, "decode", counted)
    return calls


def test_decoded_once_until_something_changes(tmp_path: Path, decodings: list[int]) -> None:
    top, root = tmp_path / "images", tmp_path / "root"
    pictures(top, 30)
    first = read(top, root).fingerprint()
    assert decodings == [30]
    assert read(top, root).fingerprint() == first and len(decodings) == 1
    assert all(path.suffix == ".npy" for path in (root / "decoded").iterdir())

    read(top, root, size=9)
    read(top, root, channels=1)
    assert len(decodings) == 3  # other options, other arrays
    Image.new("RGB", (50, 50)).save(top / "3.png")  # another size and date
    assert read(top, root).fingerprint() != first
    assert len(decodings) == 4
    Image.new("RGB", (9, 9)).save(top / "new.png")
    assert len(read(top, root).load(True)[0]) == 26


def test_order_of_the_images_survives_the_threads(tmp_path: Path) -> None:
    for i in range(100):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("L", (5, 5), i).save(tmp_path / "images" / f"{i:03}.png")
    data = read(tmp_path / "images", tmp_path / "root", channels=1)
    values = data.load(True)[0][:, 0, 0, 0].tolist() + data.load(False)[0][:, 0, 0, 0].tolist()
    assert values[:83] == sorted(values[:83]) and sorted(values) == list(range(100))


def test_a_large_array_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(tmp_path / "images", 30)
    loaded = read(tmp_path / "images", tmp_path / "root")
    assert not isinstance(loaded.load(True)[0], np.memmap)
    monkeypatch.setattr(cache.os, "sysconf", lambda name: 100)  # 10,000 bytes of memory; the array has 5,760
    mapped = read(tmp_path / "images", tmp_path / "root")
    images = mapped.load(True)[0]
    assert isinstance(images, np.memmap) and not images.flags.writeable
    assert mapped.fingerprint() == loaded.fingerprint()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours, theirs = list(mapped.train_dataloader()), list(loaded.train_dataloader())
    assert all((a[0] == b[0]).all() for a, b in zip(ours, theirs, strict=True))


def test_where_nothing_can_be_written_images_are_decoded_in_memory(tmp_path: Path, decodings: list[int]) -> None:
    pictures(tmp_path / "images", 30)
    (tmp_path / "root").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot be written"):
        data = read(tmp_path / "images", tmp_path / "root")
    assert decodings == [30]
    assert data.fingerprint() == read(tmp_path / "images", tmp_path / "elsewhere").fingerprint()


def test_a_full_disk_leaves_no_part_of_the_array(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    pictures(tmp_path / "images", 30)
    monkeypatch.setattr(cache.os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        data = read(tmp_path / "images", tmp_path / "root")
    assert data.size("test") == 5 and not list((tmp_path / "root" / "decoded").iterdir())


def test_a_damaged_array_is_named(tmp_path: Path) -> None:
    pictures(tmp_path / "images", 30)
    read(tmp_path / "images", tmp_path / "root")
    for kept in (tmp_path / "root" / "decoded").iterdir():
        kept.write_bytes(kept.read_bytes()[:1000])
    text = line(tmp_path / "images", tmp_path / "root", size=8)
    assert str(tmp_path / "root" / "decoded") in text and text.endswith("delete it")


def test_a_jpeg_that_a_phone_calls_heic_is_read(tmp_path: Path) -> None:
    """Exports keep the suffix of the original; what is not read is left out as before."""
    for i in range(24):
        Image.new("RGB", (8, 8), (10 * i, 0, 0)).save(tmp_path / f"{i:02}.{'HEIC' if i % 2 else 'jpg'}", "JPEG")
    (tmp_path / "real.heic").write_bytes(b"\0\0\0\x18ftypheic")
    data = Folder(str(tmp_path), size=8, channels=3)
    assert len(data.listing.files) == 24 and data.left_out() == {".heic": ["real.heic"]}
