"""Data sets that the library `datasets` saved."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import used
from PIL import Image

from unsup.cli.main import main
from unsup.core.errors import UsageError, UserError
from unsup.data.npz import Npz
from unsup.data.saved_dataset import SavedDataset

datasets: Any = pytest.importorskip("datasets")
IMAGES, LABELS = used.digits()
NAMES = [f"number {i}" for i in range(10)]


def columns(rows: slice, **more: Any) -> Any:
    pictures = [Image.fromarray(image[0]) for image in IMAGES[rows]]
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    return datasets.Dataset.from_dict(
        {"image": pictures, "label": LABELS[rows], **more}, features=datasets.Features({**features, **_types(more)})
    )


def _types(more: dict[str, Any]) -> dict[str, Any]:
    return {name: datasets.Value("string") for name in more}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "digits"
    splits = {"train": columns(slice(0, 300)), "validation": columns(slice(300, 400)), "test": columns(slice(400, 500))}
    datasets.DatasetDict(splits).save_to_disk(path)
    return path


def test_it_is_the_data_set_of_the_same_arrays(saved: Path, tmp_path: Path) -> None:
    parts = {"train": slice(0, 300), "val": slice(300, 400), "test": slice(400, 500)}
    arrays = {f"{split}_images": IMAGES[rows, 0] for split, rows in parts.items()}
    np.savez(tmp_path / "a.npz", **arrays, **{f"{split}_labels": LABELS[rows] for split, rows in parts.items()})
    ours, theirs = SavedDataset(str(saved), size=8, channels=1), Npz(str(tmp_path / "a.npz"))
    for data in (ours, theirs):
        assert data.learning_images() == 300
        data.setup()
    assert ours.shape == theirs.shape and ours.fingerprint() == theirs.fingerprint()
    assert ours.class_names == tuple(NAMES)


def test_one_split_is_divided_and_other_columns_are_passed_over(tmp_path: Path) -> None:
    columns(slice(0, 500), caption=["?"] * 500).save_to_disk(tmp_path / "one")
    data = SavedDataset(str(tmp_path / "one"), size=16)
    data.setup()
    assert data.shape == (3, 16, 16) and data.learning_images() == data.size("train")
    assert data.size("train") + data.size("val") + data.size("test") == 500
    columns(slice(0, 500)).remove_columns("label").save_to_disk(tmp_path / "unlabelled")
    unlabelled = SavedDataset(str(tmp_path / "unlabelled"))
    unlabelled.setup()
    assert unlabelled.labels("train") is None and unlabelled.class_names == ()


def test_what_cannot_be_read_is_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder: data.path is one that save_to_disk"):
        SavedDataset(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="cannot be read as a saved data set"):
        SavedDataset(str(tmp_path))
    with pytest.raises(UsageError, match="data.image: no column 'picture' of type Image"):
        SavedDataset(str(saved), image="picture")
    with pytest.raises(UsageError, match="data.label: no column 'clas' of type ClassLabel"):
        SavedDataset(str(saved), label="clas")
    two = columns(slice(0, 60))
    two.add_column("second", two["label"], feature=datasets.ClassLabel(names=NAMES)).save_to_disk(tmp_path / "two")
    with pytest.raises(UsageError, match="has columns label, second: choose one with --data.label"):
        SavedDataset(str(tmp_path / "two"))
    datasets.DatasetDict({"train": two, "unsupervised": two}).save_to_disk(tmp_path / "odd")
    with pytest.raises(UserError, match="has a split 'unsupervised': expected train"):
        SavedDataset(str(tmp_path / "odd"))
    two.remove_columns("image").save_to_disk(tmp_path / "labels")
    with pytest.raises(UsageError, match="has no column of images: its columns are label"):
        SavedDataset(str(tmp_path / "labels"))
    raw = two.cast_column("image", datasets.Image(decode=False))

    def with_damage(row: dict[str, Any], at: int) -> dict[str, Any]:
        return {"image": {"bytes": b"no image" if at == 7 else row["image"]["bytes"]}}

    broken = raw.map(with_damage, with_indices=True)
    broken.save_to_disk(tmp_path / "broken")
    with pytest.raises(UserError, match="the image in row 7 cannot be read"):
        SavedDataset(str(tmp_path / "broken")).setup()


def test_a_model_is_trained_on_it(saved: Path, tmp_path: Path, unjudged: None) -> None:
    options = ["--data", "hf", "--data.path", str(saved), "--data.size", "8", "--data.channels", "1"]
    assert main(["train", "pca", *options, "--runs", str(tmp_path / "runs")]) == 0
