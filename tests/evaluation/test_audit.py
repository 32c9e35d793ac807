"""The audit finds what was planted, and nothing where nothing is wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest
from copies import copies, scenes
from PIL import Image
from sklearn.datasets import load_digits
from tiny import TinyDigits

from unsup.cli.main import main
from unsup.data.npz import Npz
from unsup.evaluation.audit import audit as look
from unsup.evaluation.baselines import cache_key
from unsup.evaluation.findings import find_faults
from unsup.metrics.cross_fitting import doubtful, folds_by_group, forest_accuracy, linear_probabilities
from unsup.runs.run import Run


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


@pytest.mark.slow
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
    assert "1 file left out: unreadable\n" in text and "1 file left out: .txt\n" in text
    assert "2 images are of one colour\n" in text and "1 image is nearly black\n" in text
    assert "6 pairs of near-duplicates have different labels\n" in text
    assert len(rows(out / "pairs.csv")) == 6 and (out / "pairs.png").exists()
    found = {(Path(file).name, finding) for file, finding, _ in rows(out / "images.csv")}
    assert {("broken.png", "left out"), ("070.png", "of one colour"), ("072.png", "nearly black")} <= found


@pytest.mark.slow
def test_copies_across_splits_are_leaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = tmp_path / "pictures"
    images = {"down": striped(70, 0, True), "right": striped(70, 1, False)}
    for name, some in images.items():
        write(top / "train" / name, some)
        write(top / "test" / name, np.concatenate([copies(some[:5], "compressed"), striped(20, 2, name == "down")]))
    text, out = audit(top, capsys)
    splits = [(a, b) for _, _, a, _, b in rows(out / "pairs.csv")]
    assert len(splits) == 10 and all("test" in pair for pair in splits)
    assert "test images have a near-duplicate among the training images" in text


@pytest.mark.slow
def test_a_confound_in_the_files_is_found(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (sound / "down").iterdir():
        Image.open(path).resize((40, 40)).save(path)
    text, _ = audit(sound, capsys)
    assert "your classes are told apart at 1.00 by file metadata alone (chance 0.50)" in text


@pytest.mark.slow
def test_the_length_of_a_file_depends_on_its_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digits = load_digits()
    for digit in range(3):
        images = (digits.images[digits.target == digit][:60] * 15.9).astype(np.uint8)
        write(tmp_path / "pictures" / str(digit), images[:, None].repeat(3, axis=1))
    text, _ = audit(tmp_path / "pictures", capsys, "--data.size", "8")
    assert "told apart" not in text


@pytest.mark.slow
def test_a_confound_in_the_border_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    framed = scenes(70)
    framed[..., :2] = 0
    write(tmp_path / "pictures" / "framed", framed)
    write(tmp_path / "pictures" / "whole", scenes(70, 1))
    text, _ = audit(tmp_path / "pictures", capsys)
    assert "by border pixels alone" in text and "by mean colour alone" not in text


@pytest.mark.slow
def test_each_folder_has_an_audit_of_its_own(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(sound.parent)
    for words, runs in (([], "runs"), (["--runs", "elsewhere"], "elsewhere")):
        assert main(["audit", "--images", "pictures", *words]) == 0
        assert (sound.parent / runs / "folder-pictures" / "audit" / "audit.md").exists()


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


def test_classes_that_no_probe_tells_apart_have_no_doubtful_labels() -> None:
    """Few images and many features: the probe is surer than it is right, but for its temperature."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        features, labels = rng.normal(size=(60, 300)).astype(np.float32), np.arange(60) % 2
        features[:, :3] *= 10  # what a probe of few images takes for a pattern
        found, _ = doubtful(linear_probabilities(features, labels, np.arange(60), 400), labels)
        assert len(found) <= 1


@pytest.mark.slow
def test_one_of_a_kind_is_singular(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = tmp_path / "pictures"
    for name, down, seed in (("down", True, 0), ("right", False, 1)):
        write(top / "train" / name, striped(70, seed, down))
        write(top / "test" / name, striped(20, seed + 2, down))
    write(top / "test" / "right", copies(striped(70, 0, True)[:1], "compressed"))
    text, _ = audit(top, capsys)
    for line in (
        "1 pair of near-duplicates (expected by chance ",
        "\n1 test image has a near-duplicate among the training images\n",
        "\n1 pair of near-duplicates has different labels\n",
    ):
        assert line in text


@pytest.mark.slow
def test_a_class_of_a_few_images_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, number in (("many", 40), ("two", 2), ("three", 3)):
        write(tmp_path / "pictures" / name, scenes(number))
    text, _ = audit(tmp_path / "pictures", capsys)
    assert "\n2 classes have fewer than 10 images, too few to be judged by\n" in text


def test_arrays_are_named_by_their_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = scenes(60).transpose(0, 2, 3, 1)
    images[40] = 90
    content = {"train_images": images[:30], "val_images": images[30:45], "test_images": images[45:]}
    np.savez(tmp_path / "arrays.npz", **content)
    words = ["audit", "--data", "npz", "--data.file", str(tmp_path / "arrays.npz"), "--out", str(tmp_path / "out")]
    assert main(words) == 0
    assert rows(tmp_path / "out" / "images.csv") == [["validation image 10", "of one colour", ""]]
    assert "no classes, 30 training, 15 validation and 15 test images." in (tmp_path / "out" / "audit.md").read_text()


@pytest.mark.parametrize("side", [1, 2, 5, 8])
def test_very_small_images_have_an_audit(side: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {"train_images": rng.integers(0, 256, (60, side, side), np.uint8), "train_labels": np.arange(60) % 2}
    np.savez(tmp_path / "arrays.npz", **content)
    data = Npz(str(tmp_path / "arrays.npz"))
    data.setup()
    assert not [line for line in look(data, {}).lines() if "doubtful" in line or "told apart" in line]


@pytest.mark.slow
def test_findings_are_part_of_a_report_and_are_made_once(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(sound / "right", copies(striped(70, 0, True)[:6], "brighter"))
    (sound / "down" / "notes.txt").write_text("notes")
    words = ["train", "pixels", "--images", str(sound), "--data_root", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert main(words) == 0
    text = capsys.readouterr().out
    run = Run.find(str(tmp_path / "runs" / "folder-pictures" / "pixels" / "0-001"))
    findings = run.report.findings
    assert findings is not None and findings[0] == "1 file left out: .txt"
    assert "6 pairs of near-duplicates have different labels" in findings
    assert not any("test image" in line for line in findings)  # which have a section of their own
    copies_of_test = run.report.scores.copies
    assert copies_of_test is not None and copies_of_test.test
    first = f"{copies_of_test.test} of {run.report.run.images.test} test images have a copy to learn from"
    assert f"images     {'; '.join([first, *findings])}\n" in text
    for page in ("report.md", "report.html"):
        content = (run.folder / page).read_text()
        assert "What to know about these images" in content and "6 pairs of near-duplicates have different" in content
    monkeypatch.setattr("unsup.evaluation.findings.audit", None)
    data = run.data()
    assert find_faults(data, run.folder.parents[1] / "baselines", cache_key(data)) == findings
    (sound / "down" / "more.txt").write_text("notes")
    changed = run.data()
    with pytest.raises(TypeError):  # a file more: looked at again
        find_faults(changed, run.folder.parents[1] / "baselines", cache_key(changed))


def test_named_and_very_large_data_sets_have_no_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_faults(TinyDigits(), tmp_path, "") is None
    np.savez(tmp_path / "arrays.npz", train_images=scenes(30).transpose(0, 2, 3, 1))
    data = Npz(str(tmp_path / "arrays.npz"))
    data.setup()
    monkeypatch.setattr("unsup.evaluation.findings.MOST_IMAGES", 29)
    assert find_faults(data, tmp_path, "") is None
