"""The audit finds what was planted, and nothing where nothing is wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest
from copies import copies, scenes
from PIL import Image

from unsup.cli.main import main
from unsup.metrics.cross_fitting import doubtful, folds_by_group, forest_accuracy, linear_probabilities


def write(folder: Path, images: np.ndarray, **options: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    first = len(list(folder.iterdir()))
    for i, image in enumerate(images, first):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{i:03}.png", **options)


def striped(n: int, seed: int, down: bool) -> np.ndarray:
    """Clouds with faint stripes, which tell the class."""
    images = scenes(n, seed).astype(int)
    stripes = 50 * (np.arange(32) // 4 % 2)
    return (images // 2 + (stripes[:, None] if down else stripes)).astype(np.uint8)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    top = tmp_path / "pictures"
    write(top / "down", striped(70, 0, True))
    write(top / "right", striped(70, 1, False))
    return top


def audit(top: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, Path]:
    out = top.parent / "audit"
    assert main(["audit", "--images", str(top), "--data_root", str(top.parent), "--out", str(out), *words]) == 0
    captured = capsys.readouterr()
    assert "Warning" not in captured.err
    return captured.out, out


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def test_nothing_is_said_of_a_sound_folder(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, out = audit(sound, capsys)
    assert "nothing that needs a look\n" in text and "Nothing that needs a look." in (out / "audit.md").read_text()
    assert rows(out / "pairs.csv") == [] and not (out / "pairs.png").exists()


def test_faults_are_counted_and_named(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(sound / "right", copies(striped(70, 0, True)[:6], "brighter"))  # copies of "down" in another class
    write(sound / "down", np.full((2, 3, 32, 32), 90, np.uint8))
    spot = np.zeros((1, 3, 32, 32), np.uint8)
    spot[..., :3, :3] = 255
    write(sound / "down", spot)
    (sound / "down" / "broken.png").write_bytes(b"not an image")
    (sound / "down" / "notes.txt").write_text("notes")
    text, out = audit(sound, capsys)
    assert "1 files left out: unreadable\n" in text and "1 files left out: .txt\n" in text
    assert "2 images are of one colour\n" in text and "1 images are nearly black\n" in text
    assert "6 pairs of near-duplicates have different labels\n" in text
    assert len(rows(out / "pairs.csv")) == 6 and (out / "pairs.png").exists()
    found = {(Path(file).name, finding) for file, finding, _ in rows(out / "images.csv")}
    assert {("broken.png", "left out"), ("070.png", "of one colour"), ("072.png", "nearly black")} <= found


def test_copies_across_splits_are_leaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = tmp_path / "pictures"
    images = {"down": striped(70, 0, True), "right": striped(70, 1, False)}
    for name, some in images.items():
        write(top / "train" / name, some)
        write(top / "test" / name, np.concatenate([copies(some[:5], "compressed"), striped(20, 2, name == "down")]))
    text, out = audit(top, capsys)
    splits = [(a, b) for _, _, a, _, b in rows(out / "pairs.csv")]
    assert len(splits) == 10 and all("test" in pair for pair in splits)
    assert "test images have a near-duplicate among the train images" in text


def test_a_confound_in_the_files_is_found(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (sound / "down").iterdir():
        Image.open(path).resize((40, 40)).save(path)
    text, _ = audit(sound, capsys)
    assert "your classes are told apart at 1.00 by file metadata alone (chance 0.50)" in text


def test_a_confound_in_the_border_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    framed = scenes(70)
    framed[..., :2] = 0
    write(tmp_path / "pictures" / "framed", framed)
    write(tmp_path / "pictures" / "whole", scenes(70, 1))
    text, _ = audit(tmp_path / "pictures", capsys)
    assert "by border pixels alone" in text and "by mean colour alone" not in text


def test_each_folder_has_an_audit_of_its_own(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(sound.parent)
    assert main(["audit", "--images", "pictures"]) == 0
    assert (sound.parent / "runs" / "folder-pictures" / "audit" / "audit.md").exists()


def test_audit_needs_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit"]) == 2
    assert "which images?" in capsys.readouterr().err


def test_forests_and_probes_see_no_group_twice() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 6)
    labels = rng.integers(0, 3, 40)[groups]
    for fit, held in folds_by_group(labels, groups):
        assert not set(groups[fit]) & set(groups[held])
    features = (rng.standard_normal((40, 5))[groups] + 0.01 * rng.standard_normal((240, 5))).astype(np.float32)
    assert forest_accuracy(features, labels, np.arange(240)) > 0.9  # shots of one scene on both sides
    assert forest_accuracy(features, labels, groups) < 0.6
    features[:, 0] = labels
    assert forest_accuracy(features, labels, groups) > 0.95


def test_wrong_labels_are_doubted() -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(400) % 2
    features = (rng.standard_normal((400, 8)) + 4 * truth[:, None]).astype(np.float32)
    groups = np.arange(400)
    right, expected = doubtful(linear_probabilities(features, truth, groups, 400), truth)
    assert len(right) <= expected + 3
    labels = truth.copy()
    labels[:12] = 1 - labels[:12]
    found, expected = doubtful(linear_probabilities(features, labels, groups, 400), labels)
    assert set(found) <= set(range(12)) | set(right) and len(set(found) & set(range(12))) >= 10
