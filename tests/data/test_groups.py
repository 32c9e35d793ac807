"""Groups of images stay on one side of every split that the project draws."""

from pathlib import Path

import numpy as np
import pytest
from copies import scenes
from PIL import Image

from unsup.core.errors import UsageError, UserError
from unsup.core.splits import grouped_subset, stratified_subset
from unsup.data.folder import Folder
from unsup.data.groups import named_groups
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


def test_groups_by_folder_and_name() -> None:
    files = ["cat/one/1.png", "cat/one/2.png", "dog/two/1.png"]
    assert named_groups(files, "folder").tolist() == [0, 0, 1]
    assert named_groups(files, r"(\d)\.").tolist() == [0, 1, 0]


def test_rules_that_give_no_groups_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    with pytest.raises(UserError, match=r"2 names do not match \(the first: a.png\)"):
        named_groups(["a.png", "b.png", "7.png"], r"(\d)")
    with pytest.raises(UsageError, match="one \\(group\\)"):
        named_groups(["a.png"], "a+")
    with pytest.raises(UsageError, match="not a pattern"):
        named_groups(["a.png"], "(a")
    with pytest.raises(UserError, match="cannot be read"):
        named_groups(["a.png"], str(table))
    table.write_text("file,group\na.png,1\n")
    with pytest.raises(UserError, match=r"no group for 1 images \(the first: b.png\)"):
        named_groups(["a.png", "b.png"], str(table))


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
    with pytest.raises(UserError, match="cannot be split without cutting one"):
        grouped_subset(100, labels, np.zeros(600, np.int64))
