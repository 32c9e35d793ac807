"""Codes in a file: those of a data set, with labels that must fit, or of images that nobody has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.data.code_file import CodeFile
from unsup.data.digits import Digits
from unsup.evaluation.stored import has_images, stored_codes
from unsup.models.foreign.stored_codes import StoredCodes
from unsup.runs.run import Run
from unsup.testing import check_data


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes codes.npz with 200 training and 60 test codes of two classes, and other arrays instead or besides."""
    monkeypatch.chdir(tmp_path)

    def write_file(**others: Any) -> str:
        labels = np.arange(260) % 2
        codes = np.random.default_rng(0).normal(size=(260, 6)) + 2 * labels[:, None]
        arrays = {"train": codes[:200], "train_labels": labels[:200], "test": codes[200:], "test_labels": labels[200:]}
        arrays |= others
        np.savez("codes.npz", **{name: values for name, values in arrays.items() if values is not None})
        return "codes.npz"

    return write_file


def digits_codes() -> dict[str, np.ndarray]:
    """The pixels of digits, in their official order."""
    data, arrays = Digits(), {}
    for name, train in (("train", True), ("test", False)):
        images, labels = data.load(train)
        arrays |= {name: images.reshape(len(images), -1).astype(np.float32) / 255, f"{name}_labels": labels}
    return arrays


def test_codes_of_a_data_set_follow_its_split(write: Callable[..., str]) -> None:
    data = Digits()
    whole = stored_codes(StoredCodes(data.shape, write(**digits_codes())), data)
    for split, codes in whole.items():
        pixels = np.concatenate([x.flatten(1).numpy() for x in data.batches(split)])
        assert np.allclose(codes, pixels, atol=1e-6)
    assert data.test_reads == 2
    parts = {split: whole[split] for split in ("train", "val", "test")}
    labels = {f"{split}_labels": np.array(data.class_names)[data.labels(split)] for split in parts}
    again = stored_codes(StoredCodes(data.shape, write(**parts, **labels)), data)
    assert all(np.array_equal(again[split], whole[split]) for split in parts)


def test_codes_of_other_images_are_refused(write: Callable[..., str]) -> None:
    data, arrays = Digits(), digits_codes()
    with pytest.raises(UserError, match="train has 200 rows, the data set 1,297 such images"):
        stored_codes(StoredCodes(data.shape, write()), data)
    arrays["test_labels"] = arrays["test_labels"][::-1]
    with pytest.raises(UserError, match="test labels are not those of the images .*: put the codes into the order"):
        stored_codes(StoredCodes(data.shape, write(**arrays)), data)


def test_a_file_alone_is_a_data_set(write: Callable[..., str]) -> None:
    names = np.array(["cat", "dog"])
    data = CodeFile(write(train_labels=names[np.arange(200) % 2], test_labels=names[np.arange(60) % 2]))
    assert data.class_names == ("cat", "dog") and not has_images(data)
    assert (data.size("train"), data.size("val"), data.size("test")) == (180, 20, 60)
    unlabelled = CodeFile(write(train_labels=None, test_labels=None))
    assert unlabelled.labels("train") is None and unlabelled.class_names == ()
    images = np.random.default_rng(0).integers(0, 255, (260, 9, 9, 3), np.uint8)
    pictured = CodeFile(write(images=images))
    assert has_images(pictured) and pictured.shape == (3, 9, 9)
    assert (pictured.load(False)[0][0] == images[200].transpose(2, 0, 1)).all()
    check_data(CodeFile, file="codes.npz")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"test": None}, "has no array 'test'"),
        ({"train": np.ones(200)}, "train is float64 .200,.: it must be a matrix"),
        ({"test": np.ones((60, 5))}, "test has 5 dimensions and train 6"),
        ({"test": np.full((60, 6), np.nan)}, "test has values that are not finite"),
        ({"test_labels": None}, "has no test_labels"),
        ({"test_labels": np.zeros(3, int)}, "test_labels are int64 .3,."),
        ({"test_labels": np.full(60, 7)}, "test_labels hold 7, a class without training images"),
        ({"images": np.zeros((3, 8, 8), np.uint8)}, "one for each of the 260 codes"),
        ({"train": np.array([[{}]], object)}, "objects are not read"),
    ],
)
def test_faults_of_a_file_are_one_line(others: dict[str, Any], message: str, write: Callable[..., str]) -> None:
    with pytest.raises(UserError, match=message):
        CodeFile(write(**others)).setup()


@pytest.mark.slow
def test_codes_become_a_run(write: Callable[..., str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["evaluate", "--codes", write(), "--encoder.trained_on", "other"]
    assert main(words) == 0
    run = tmp_path / "runs" / "codes" / "codes" / "0-001"
    report = Run(run).report
    assert not report.baselines and report.pretrained_on and report.pretrained_on.images == ["other"]
    assert not [path for path in report.figures if "neighbours" in path]
    assert main(["evaluate", str(run)]) == 0
    assert main(["compare", "--data", "codes"]) == 0
    capsys.readouterr()
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        from PIL import Image

        Image.new("RGB", (9, 9)).save(tmp_path / "pictures" / f"{i}.png")
    assert main(["encode", str(run), "--images", "pictures"]) == 1
    assert "holds codes of its own images alone" in capsys.readouterr().err
    write(train=np.random.default_rng(1).normal(size=(200, 6)))
    assert main(["evaluate", str(run)]) == 1
    assert "codes.npz changed since" in capsys.readouterr().err
