"""Groups of images stay on one side of every split that the project draws."""

from pathlib import Path

import numpy as np
import pytest
from copies import scenes
from PIL import ExifTags, Image

from unsup.core.errors import UsageError, UserError
from unsup.core.splits import grouped_subset, stratified_subset
from unsup.data.folder import Folder
from unsup.data.groups import named_groups
from unsup.data.npz import Npz
from unsup.metrics.probes import Splits, linear_probe
from unsup.runs.build import found_groups

CLIPS, FRAMES = 30, 12


def write_clips(top: Path) -> None:
    """30 clips of 12 frames that move and flicker a little, with a random label for each clip."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(CLIPS) % 2)
    for clip, scene in enumerate(scenes(CLIPS, side=44)):
        folder = top / "ab"[labels[clip]]
        folder.mkdir(parents=True, exist_ok=True)
        for frame in range(FRAMES):
            at = frame // 3
            picture = scene[:, at : at + 32, at : at + 32] + rng.normal(0, 3, (3, 32, 32))
            Image.fromarray(picture.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)).save(
                folder / f"clip{clip:02}_{frame:02}.png"
            )


def accuracy_of_random_labels(data: Folder) -> float:
    """Mean accuracy of probes on small pictures, where each clip has a random label."""
    data.setup()
    codes, clips = [], []
    for split in ("train", "val", "test"):
        pictures = data.pictures(split)
        codes.append(
            pictures.reshape(len(pictures), 3, 8, 4, 8, 4).mean((3, 5)).reshape(len(pictures), -1).astype(np.float32)
        )
        clips.append(np.array([int(path.name[4:6]) for path in data.paths(split)]))
    scores = []
    for seed in range(6):
        label = np.random.default_rng(seed).permutation(np.arange(CLIPS) % 2)
        scores.append(linear_probe(Splits.of(codes, [label[at] for at in clips]).standardised()).accuracy)
    return float(np.mean(scores))


def clips_of(data: Folder, split: str) -> set[str]:
    return {path.name[:6] for path in data.paths(split)}  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("groups", [r"(\w+)_\d+", "found", "groups.csv"])
def test_clips_are_not_cut(tmp_path: Path, groups: str) -> None:
    top = tmp_path / "clips"
    write_clips(top)
    if groups == "groups.csv":
        groups = str(tmp_path / groups)
        lines = [f"{path.relative_to(top).as_posix()},{path.name[:6]}" for path in top.rglob("*.png")]
        Path(groups).write_text("\n".join(["file,group", *lines]))
    cut = Folder(str(top), root=str(tmp_path))
    assert accuracy_of_random_labels(cut) > 0.95
    assert clips_of(cut, "train") & clips_of(cut, "test")
    whole = Folder(str(top), root=str(tmp_path), groups=groups)
    whole.find_groups = found_groups
    assert abs(accuracy_of_random_labels(whole) - 0.5) < 0.2  # five test clips
    parts = [clips_of(whole, split) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == CLIPS and not parts[0] & parts[1] and not parts[0] & parts[2]
    assert 48 <= whole.size("test") <= 72 and 24 <= whole.size("val") <= 48
    assert whole.fingerprint() != cut.fingerprint()


def test_groups_by_folder_and_name(tmp_path: Path) -> None:
    files = ["cat/one/1.png", "cat/one/2.png", "dog/two/1.png"]
    assert named_groups(tmp_path, files, "folder").tolist() == [0, 0, 1]
    assert named_groups(tmp_path, files, r"(\d)\.").tolist() == [0, 1, 0]


def photograph(path: Path, time: str, camera: str = "one", original: bool = True) -> None:
    """Write a JPEG or PNG with a time and a camera in its EXIF data."""
    picture = Image.new("RGB", (8, 8), "grey")
    exif = picture.getexif()
    exif[ExifTags.Base.Model] = camera
    if not original:
        exif[ExifTags.Base.DateTime] = time
    else:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = time
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, exif=exif)


def test_photographs_that_follow_within_seconds_are_a_group(tmp_path: Path) -> None:
    for name, *facts in (
        ("a/1.jpg", "2024:05:01 10:00:00"),
        ("b/2.png", "2024:05:01 10:00:50"),  # another class and format
        ("a/3.jpg", "2024:05:01 10:01:40"),  # 100 seconds after the first, 50 after the second
        ("a/4.jpg", "2024:05:01 10:02:50"),
        ("a/5.jpg", "2024:05:01 10:00:10", "two"),
        ("a/6.jpg", "2024:05:01 10:02:55", "one", False),  # the time of the file, in the lack of another
        ("a/7.jpg", "0000:00:00 00:00:00"),
        ("a/8.jpg", "0000:00:00 00:00:00"),
    ):
        photograph(tmp_path / name, *facts)  # type: ignore[arg-type]
    Image.new("RGB", (8, 8)).save(tmp_path / "a" / "9.jpg")
    (tmp_path / "a" / "broken.jpg").write_bytes(b"no image")
    files = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.*g"), key=lambda p: p.name)]
    groups = dict(zip((file[2] for file in files), named_groups(tmp_path, files, "exif:60s").tolist(), strict=True))
    assert groups["1"] == groups["2"] == groups["3"] and groups["4"] == groups["6"]
    assert len(set(groups.values())) == len(files) - 3
    assert len(set(named_groups(tmp_path, files, "exif:0.5s").tolist())) == len(files)
    with pytest.raises(UserError, match="no photograph has an EXIF time; write folder, found, exif:60s"):
        named_groups(tmp_path, ["a/9.jpg", "a/broken.jpg"], "exif:60s")


def test_bursts_are_not_cut(tmp_path: Path) -> None:
    for burst in range(20):
        for shot in range(3):
            photograph(tmp_path / "ab"[burst % 2] / f"{burst:02}-{shot}.jpg", f"2024:05:{burst + 1:02} 10:00:{shot:02}")
    (tmp_path / "a" / "broken.jpg").write_bytes(b"no image")
    data = Folder(str(tmp_path), root=str(tmp_path), groups="exif:60s", skip_unreadable=True)
    data.setup()
    parts = [{path.name[:2] for path in data.paths(split)} for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == 20 and len(set.union(*parts)) == 20 and all(parts)


def test_rules_that_give_no_groups_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    with pytest.raises(UserError, match=r"2 names do not match \(the first: a.png\)"):
        named_groups(tmp_path, ["a.png", "b.png", "7.png"], r"(\d)")
    for rule, why in (
        ("a+", "one \\(group\\)"),
        ("(a", "not a pattern"),
        ("exif:60", "write the seconds as in exif:60s$"),
        ("exif:-1s", "write the seconds as in exif:60s$"),
    ):
        with pytest.raises(UsageError, match=why):
            Folder(str(tmp_path), groups=rule)  # before any file is looked at
    with pytest.raises(UserError, match="cannot read"):
        named_groups(tmp_path, ["a.png"], str(table))
    table.write_text("file,group\na.png,1\n")
    with pytest.raises(UserError, match=r"no group for 1 image \(the first: b.png\)"):
        named_groups(tmp_path, ["a.png", "b.png"], str(table))


def clips_in_a_file(folder: Path, **changes: object) -> Path:
    """30 clips of 4 frames, where the first pixel of each is its clip."""
    images = np.repeat(scenes(CLIPS), 4, axis=0).transpose(0, 2, 3, 1).copy()
    images[:, 0, 0, 0] = np.repeat(np.arange(CLIPS), 4)
    content = {"train_images": images, "train_labels": np.repeat(np.arange(CLIPS) % 2, 4), **changes}
    np.savez(folder / "clips.npz", **{name: array for name, array in content.items() if array is not None})  # type: ignore[arg-type]
    return folder / "clips.npz"


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        ({}, np.repeat(np.arange(CLIPS), 4)),
        ({}, np.array([[f"patient {i // 4}"] for i in range(4 * CLIPS)])),
        ({"groups": "found"}, None),
        ({"groups": "found"}, np.arange(4 * CLIPS)),
    ],
)
def test_groups_of_arrays_are_not_cut(tmp_path: Path, options: dict[str, str], groups: np.ndarray | None) -> None:
    data = Npz(str(clips_in_a_file(tmp_path, train_groups=groups)), **options)  # type: ignore[arg-type]
    data.find_groups = found_groups
    data.setup()
    parts = [set(data.pictures(split)[:, 0, 0, 0].tolist()) for split in ("train", "val", "test")]
    assert sum(map(len, parts)) == CLIPS and len(set.union(*parts)) == CLIPS and all(parts)
    assert 16 <= data.size("test") <= 24


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            np.arange(7),
            r"clips.npz has train_groups of shape \(7,\): expected \(120,\) or \(120, 1\), one for each image$",
        ),
        (np.zeros(4 * CLIPS), "clips.npz has train_groups of float64: expected whole numbers or text$"),
        (
            np.zeros(4 * CLIPS, int),
            "^about 20 of 120 images cannot be set aside in whole groups: of 1 groups",
        ),
    ],
)
def test_groups_that_arrays_do_not_have_are_refused(tmp_path: Path, groups: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Npz(str(clips_in_a_file(tmp_path, train_groups=groups))).setup()
    with pytest.raises(UsageError, match="data.groups is 'folder'"):
        Npz(str(clips_in_a_file(tmp_path)), groups="folder")  # type: ignore[arg-type]


def test_a_subset_of_whole_groups() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 600)
    labels = rng.integers(0, 3, 600)
    subset = grouped_subset(100, labels, groups)
    assert not set(groups[subset]) & set(np.delete(groups, subset))
    assert 85 <= len(subset) <= 115
    assert (np.bincount(labels[subset]) >= 25).all()
    assert np.array_equal(subset, grouped_subset(100, labels, groups))
    alone = grouped_subset(100, labels, np.arange(600))
    assert len(alone) == len(stratified_subset(600, 100, labels))
    with pytest.raises(UserError, match="cannot be set aside in whole groups"):
        grouped_subset(100, labels, np.zeros(600, np.int64))


@pytest.mark.parametrize(("clips", "frames", "count"), [(5, 5, 5), (3, 20, 20)])
def test_few_large_groups_give_one_of_each_class(clips: int, frames: int, count: int) -> None:
    groups = np.repeat(np.arange(2 * clips), frames)
    labels = (groups >= clips).astype(np.int64)
    subset = grouped_subset(count, labels, groups)
    assert len(subset) == 2 * frames and np.array_equal(np.bincount(labels[subset]), [frames, frames])
