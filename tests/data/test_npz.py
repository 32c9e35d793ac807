"""Arrays of the user's own in an .npz file: splits, labels, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from synthetic import arrays, complaint

from unsup.cli.main import main
from unsup.core.errors import UsageError, UserError
from unsup.data.digits import Digits
from unsup.data.folder import Folder
from unsup.data.npz import Npz
from unsup.testing import check_data
from unsup.training.by_name import train

Arrays = dict[str, NDArray[Any]]


def without(content: Arrays, *ends: str) -> Arrays:
    return {name: array for name, array in content.items() if not name.endswith(ends) and not name.startswith(ends)}


def saved(folder: Path, content: Arrays) -> Npz:
    np.savez_compressed(folder / "arrays.npz", **content)  # type: ignore[arg-type]
    return Npz(str(folder / "arrays.npz"))


def read(folder: Path, content: Arrays) -> Npz:
    data = saved(folder, content)
    data.prepare_data()
    data.setup()
    return data


def line(folder: Path, content: Arrays) -> str:
    """The error of a run that starts on these arrays."""
    with pytest.raises(UserError) as error:
        read(folder, content)
    text = str(error.value)
    assert "\n" not in text and text.startswith(str(folder / "arrays.npz"))
    return text.removeprefix(f"{folder / 'arrays.npz'} ")


@pytest.mark.parametrize(("size", "shape"), [((6, 7), (1, 6, 7)), ((6, 7, 1), (1, 6, 7)), ((6, 7, 3), (3, 6, 7))])
def test_the_splits_are_those_of_the_file(size: tuple[int, ...], shape: tuple[int, int, int], tmp_path: Path) -> None:
    content = arrays(size=size)
    data = saved(tmp_path, content)
    assert data.shape == shape  # before anything is loaded
    assert data.learning_images() == 40
    data.setup()
    assert [data.size(split) for split in ("learn", "train", "val", "test")] == [40, 40, 8, 12]
    assert data.class_names == ("0", "1")
    for split in ("train", "val", "test"):
        x = np.concatenate([batch.numpy() for batch in data.batches(split)])
        expected = content[f"{split}_images"].reshape(len(x), 6, 7, -1).transpose(0, 3, 1, 2)
        assert (np.rint(x * 255) == expected).all()
        assert (data.labels(split) == content[f"{split}_labels"][:, 0]).all()


def test_files_keep_the_contract_of_data_sets(tmp_path: Path) -> None:
    for content in (arrays(), without(arrays(), "val_"), without(arrays(), "test_"), without(arrays(), "_labels")):
        saved(tmp_path, content)
        check_data(Npz, file=str(tmp_path / "arrays.npz"), augmentation="texture")


def test_missing_splits_are_drawn_as_those_of_a_folder(tmp_path: Path) -> None:
    content = without(arrays(train=60), "val_", "test_")
    data = read(tmp_path, content)
    assert [data.size(split) for split in ("train", "val", "test")] == [45, 5, 10]
    assert data.learning_images() == 45
    top = tmp_path / "pictures"
    order = np.argsort(content["train_labels"][:, 0], kind="stable")  # classes in a row, as in folders
    content = {name: array[order] for name, array in content.items()}
    for i, (image, label) in enumerate(zip(content["train_images"], content["train_labels"][:, 0], strict=True)):
        (top / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(top / str(label) / f"{i:03}.png")
    pictures = Folder(str(top), size=6, channels=1, root=str(tmp_path / "root"))
    pictures.setup()
    assert read(tmp_path, content).fingerprint() == pictures.fingerprint()


@pytest.mark.parametrize("drop", [(), ("val_",), ("test_",), ("val_", "test_")])
def test_unlabelled(drop: tuple[str, ...], tmp_path: Path) -> None:
    data = read(tmp_path, without(arrays(), "_labels", *drop))
    assert data.class_names == () and data.labels("train") is None and data.labels("val") is None
    one_class = {name: a * 0 if name.endswith("labels") else a for name, a in arrays().items()}
    assert read(tmp_path, one_class).labels("test") is None  # one class is no label


def test_images_without_a_label_are_learned_from_only(tmp_path: Path) -> None:
    content = arrays()
    content["train_labels"] = content["train_labels"].astype(np.int16)
    content["train_labels"][:10] = -1
    data = read(tmp_path, content)
    assert (data.size("learn"), data.size("train"), data.size("val")) == (40, 30, 8)
    assert line(tmp_path, without(content, "test_")) == "has training labels of -1 and no test images: add test_images"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"extra": np.zeros(3)}, "has an array extra: expected train_images, train_labels, val_images, "),
        (
            {"train_images": np.zeros((40, 6, 6), np.float32)},
            "has train_images of float32: expected uint8, from 0 to 255",
        ),
        ({"train_images": np.zeros((40, 6, 6), np.uint16)}, "has train_images of uint16: expected uint8"),
        (
            {"train_images": np.zeros((40, 6, 6, 6), np.uint8)},
            "has train_images of shape (40, 6, 6, 6): expected (n, H, ",
        ),
        ({"train_images": np.zeros((40, 36), np.uint8)}, "has train_images of shape (40, 36): expected (n, H, W), or"),
        (
            {"test_images": np.zeros((12, 6, 7), np.uint8)},
            "has images of two shapes: (1, 6, 7) in test_images, (1, 6, 6)",
        ),
        ({"val_images": np.zeros((0, 6, 6), np.uint8)}, "has no images in val_images: leave the array out"),
        ({"val_labels": np.zeros(9, int)}, "has val_labels of shape (9,): expected (8,) or (8, 1), one label for each"),
        ({"train_labels": np.zeros((40, 14), int)}, "has train_labels of shape (40, 14): expected (40,) or (40, 1)"),
        ({"train_labels": np.zeros(40)}, "has train_labels of float64: expected whole numbers from 0 on"),
        ({"train_labels": np.full(40, -2)}, "has train_labels down to -2: expected -1 or more"),
        ({"test_labels": np.full(12, -1)}, "has test_labels down to -1: expected 0 or more"),
        ({"test_labels": np.full(12, 2)}, "has a class 2 in test_labels that no training image has"),
        ({"train_labels": np.arange(40) % 2 + 1}, "has no training image of class 0: number the classes from 0 on"),
    ],
)
def test_other_arrays_are_refused_in_one_line(change: Arrays, expected: str, tmp_path: Path) -> None:
    assert line(tmp_path, arrays() | change).startswith(expected)


def test_half_of_a_split_is_refused(tmp_path: Path) -> None:
    content = arrays()
    assert line(tmp_path, without(content, "val_labels")).startswith("has val_images but no val_labels: give labels of")
    assert line(tmp_path, without(content, "test_images")).startswith("has test_labels but no test_images")
    assert line(tmp_path, without(content, "train_images")).startswith("has no readable array train_images")
    assert line(tmp_path, arrays(train=19)) == "has 19 training images: at least 20 are needed"


def test_what_is_not_such_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    with pytest.raises(UserError, match=r"arrays\.npz is not a file: data\.file is the path of an \.npz file$"):
        Npz(str(path))
    np.save(tmp_path / "one.npy", np.zeros((40, 6, 6), np.uint8))
    path.write_bytes((tmp_path / "one.npy").read_bytes())
    with pytest.raises(
        UserError, match="has no readable array train_images: expected an .npz file with train_images, "
    ):
        Npz(str(path))
    np.savez(path, **arrays() | {"val_labels": np.array([None] * 8)})  # type: ignore[arg-type]
    assert "cannot be read (Object arrays cannot be loaded" in complaint(Npz(str(path)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="has no readable array train_images"):
        Npz(str(path))
    with pytest.raises(UsageError, match="^data.augmentation is 'letters': choose one of digits, natural, texture$"):
        Npz(str(path), augmentation="letters")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_folder_and_the_same_arrays_give_the_same_scores(tmp_path: Path) -> None:
    """Digits as PNG class folders, and the arrays in the order of these files: bit for bit."""
    digits, content = Digits(), {}
    for split, official in (("train", True), ("test", False)):
        images, labels = digits.load(official)
        assert labels is not None
        order = np.argsort(labels, kind="stable")
        content |= {f"{split}_images": images[order, 0], f"{split}_labels": labels[order]}
        for i, row in enumerate(order):
            place = tmp_path / "pictures" / split / str(labels[row])
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[row, 0]).save(place / f"{i:04}.png")
    np.savez(tmp_path / "arrays.npz", **content)
    common = {"data.augmentation": "digits", "trainer.accelerator": "cpu", "evaluate": "quick"}
    folder = {"data.images": str(tmp_path / "pictures"), "data.channels": 1, "data.size": 8}
    places = {
        "folder": folder | {"data.root": str(tmp_path / "root")},
        "npz": {"data.file": str(tmp_path / "arrays.npz")},
    }
    first, second = (
        train("ae", data, options=common | place, epochs=2, runs=tmp_path / "runs").report
        for data, place in places.items()
    )
    assert first.scores == second.scores
    assert first.provenance.data_sha256 == second.provenance.data_sha256
    assert first.scores.linear_probe is not None and first.scores.linear_probe.accuracy > 0.5


@pytest.mark.slow
def test_a_run_on_arrays_is_continued_where_the_file_has_moved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", **arrays())  # type: ignore[arg-type]
    assert main(["train", "pca", "--data", "npz", "--data.file", "a.npz", "--model.code_dim", "4"]) == 0
    (tmp_path / "a.npz").rename(tmp_path / "b.npz")
    capsys.readouterr()
    assert main(["evaluate", "runs/npz-a/pca/0-001"]) == 1
    assert "a.npz is not a file" in capsys.readouterr().err
    assert main(["evaluate", "runs/npz-a/pca/0-001", "--images", "b.npz"]) == 0
    assert main(["train", "pca", "--images", "b.npz"]) == 2
    expected = "unsup: b.npz is a file of arrays: give --data npz and --data.file b.npz\n"
    assert capsys.readouterr().err.endswith(expected)
