"""Corrupted training images: how many, which, always the same, and no other images."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data.test_data import CONFIGS, recipe
from interruptions import Stop, equal, start, state

import unsup.training.trainer
from unsup.cli.main import main
from unsup.core.errors import UsageError, UserError
from unsup.data.base import Arrays, ImageData
from unsup.data.corruption import Corruption
from unsup.data.digits import Digits
from unsup.data.folder import Folder
from unsup.data.stl10 import STL10
from unsup.data.streamed import Streamed
from unsup.reports.sections_origin import CORRUPTIONS

ALL = {"missing": 0.3, "noise": 0.1, "imbalance": 5.0, "outliers": 0.2}


class Noise(ImageData):
    """1,000 training and 100 test images of random colours, of five classes."""

    shape = (3, 6, 4)
    class_names = tuple("abcde")

    def load(self, train: bool) -> Arrays:
        n = 1000 if train else 100
        images = np.random.default_rng(train).integers(30, 226, (n, *self.shape), dtype=np.uint8)
        return images, np.arange(n) % 5


def images(data: ImageData, split: Any = "train") -> np.ndarray:
    return np.rint(255 * torch.cat(list(data.batches(split))).numpy()).astype(np.uint8)


@pytest.mark.parametrize("config", [c for c in CONFIGS if c.stem != "streamed"], ids=lambda path: path.stem)
def test_every_source_corrupts_training_images_alone(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cls, options = recipe(config, tmp_path, monkeypatch)
    few = ALL | {"imbalance": 0.0 if cls is STL10 else 2.0}  # not all images of STL-10 are labelled
    clean, corrupted, again = (cls(**options, **more) for more in ({}, few, few))
    for split in ("val", "test"):
        assert np.array_equal(images(clean, split), images(corrupted, split))
        labels = clean.labels(split)
        assert labels is None or np.array_equal(labels, corrupted.labels(split))
    assert np.array_equal(images(corrupted), images(again)) and np.array_equal(images(again), images(corrupted))
    assert np.array_equal(images(corrupted, "learn"), images(again, "learn"))
    assert not np.array_equal(images(corrupted, "learn")[:2], images(clean, "learn")[:2])
    assert corrupted.fingerprint() == again.fingerprint() != clean.fingerprint()


def test_as_many_pixels_as_stated_are_set_to_their_mean() -> None:
    clean, found = images(Noise()), images(Noise(missing=0.25))
    mean = np.rint(clean.mean(0, dtype=np.float64))
    changed = (found != clean).any(1)  # (N, H, W)
    assert np.array_equal(np.where(changed[:, None], mean, clean), found)
    counts = changed.sum((1, 2))
    assert counts.max() == 6 and (counts == 6).mean() > 0.9  # of 24; a pixel may have its mean already
    assert len(np.unique(changed.reshape(len(clean), -1), axis=0)) > 800  # every image has its own
    assert np.abs(changed.mean(0) - 0.25).max() < 0.06  # every place as often


def test_noise_has_the_stated_deviation_and_no_drift() -> None:
    change = images(Noise(noise=0.05)).astype(np.float64) - images(Noise())
    assert change.std() / 255 == pytest.approx(0.05, rel=0.02) and abs(change.mean()) < 0.2
    assert np.corrcoef(change.reshape(len(change), -1)[:, :2].T)[0, 1] == pytest.approx(0, abs=0.1)


def test_strong_noise_is_clipped_and_not_wrapped() -> None:
    class Black(Noise):
        def load(self, train: bool) -> Arrays:
            found, labels = super().load(train)
            return 0 * found, labels

    found = images(Black(noise=0.5))
    assert (found == 0).mean() == pytest.approx(0.5, abs=0.01) and (found == 255).mean() == pytest.approx(
        0.023, abs=0.01
    )


def test_as_many_images_as_stated_are_outliers_with_their_own_colours() -> None:
    clean, found = images(Noise()), images(Noise(outliers=0.1))
    changed = (found != clean).any((1, 2, 3))
    assert changed.sum() == 90  # of 900
    for before, after in zip(clean[changed], found[changed], strict=True):
        colours = (sorted(map(tuple, x.reshape(3, 24).T.tolist())) for x in (before, after))
        assert len(set(map(tuple, colours))) == 1  # the same pixels, channels together, in another order


def test_class_sizes_fall_exponentially_and_labels_stay() -> None:
    clean, data = Noise(), Noise(imbalance=16.0)
    labels = data.labels("train")
    assert labels is not None and np.bincount(labels).tolist() == [180, 90, 45, 22, 11]  # of 180 each; 22.5, 11.25
    assert data.size("train") == data.size("learn") == 348 and data.steps_per_epoch == 2
    known = {x.tobytes(): y for x, y in zip(images(clean), clean.labels("train"), strict=True)}  # type: ignore[arg-type]
    assert [known[x.tobytes()] for x in images(data)] == labels.tolist()
    assert (np.diff(data._get_rows("train")) > 0).all()
    assert np.bincount(Noise(imbalance=1.0).labels("train")).tolist() == [180] * 5  # type: ignore[arg-type]


def test_unequal_classes_get_the_largest_profile_that_all_can_fill() -> None:
    labels = np.repeat([0, 1, 2], [40, 100, 5])
    kept = Corruption(0, 0, 4.0, 0).kept(np.arange(145), labels)
    assert np.bincount(labels[kept]).tolist() == [20, 10, 5]


def test_options_do_not_change_one_anothers_draws() -> None:
    noise, both = images(Noise(noise=0.1)), images(Noise(noise=0.1, outliers=0.1))
    alone = images(Noise(outliers=0.1))
    unchanged = (alone == images(Noise())).all((1, 2, 3))
    assert np.array_equal(noise[unchanged], both[unchanged]) and not np.array_equal(noise, both)
    known = {row.tobytes() for row in noise}
    assert all(row.tobytes() in known for row in images(Noise(noise=0.1, imbalance=16.0)))  # by position


def test_seeds_have_the_same_images() -> None:
    first, second = Noise(**ALL), Noise(**ALL)
    second.seed = 7
    assert first.fingerprint() == second.fingerprint()


@pytest.mark.parametrize("option", [{"missing": 0.3}, {"noise": 0.1}, {"imbalance": 5.0}, {"outliers": 0.2}])
def test_every_option_changes_the_fingerprint(option: dict[str, float]) -> None:
    clean = Noise().fingerprint()
    assert Noise(**option).fingerprint() != clean == Noise(missing=0.0, noise=0.0).fingerprint()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"missing": 1.0}, "data.missing is 1.0: it must be from 0 to below 1"),
        ({"missing": -0.1}, "data.missing is -0.1: it must be from 0 to below 1"),
        ({"noise": 1.5}, "data.noise is 1.5: it must be from 0 to 1"),
        ({"noise": float("nan")}, "data.noise is nan: it must be from 0 to 1"),
        ({"outliers": 1.0}, "data.outliers is 1.0: it must be from 0 to below 1"),
        ({"imbalance": -1.0}, "data.imbalance is -1.0: it must be at least 0"),
        ({"imbalance": 0.5}, r"data.imbalance is 0.5: it must be 0 \(off\) or at least 1"),
    ],
)
def test_amounts_outside_their_range_are_one_line(option: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        Noise(**option)


def test_imbalance_needs_classes_and_images() -> None:
    class Unlabelled(Noise):
        def load(self, train: bool) -> Arrays:
            return super().load(train)[0], None

    class Partly(Noise):
        def load(self, train: bool) -> Arrays:
            found, labels = super().load(train)
            return found, np.where(np.arange(len(labels)) < 500 * train, -1, labels)  # type: ignore[arg-type]

    class One(Noise):
        def load(self, train: bool) -> Arrays:
            found, labels = super().load(train)
            return found, 0 * labels  # type: ignore[operator]

    for cls, message in (
        (Unlabelled, "needs the label of every training image"),
        (Partly, "needs the label of every training image"),
        (One, "needs two classes"),
    ):
        with pytest.raises(UserError, match=f"^data.imbalance {message}[^\n]*$"):
            cls(imbalance=2.0).setup()
        cls(missing=0.5).setup()
    with pytest.raises(UserError, match="^data.imbalance is 500: a class would have no image left: lower it$"):
        Noise(imbalance=500.0).setup()


def test_mapped_images_are_refused_in_one_line(tmp_path: Path) -> None:
    class Mapped(Noise):
        def load(self, train: bool) -> Arrays:
            found, labels = super().load(train)
            np.save(tmp_path / "images.npy", found)
            return np.load(tmp_path / "images.npy", mmap_mode="r"), labels

    with pytest.raises(UserError, match="^data.missing, data.noise and data.outliers need the training images in mem"):
        Mapped(noise=0.1).setup()
    Mapped(imbalance=2.0).setup()


def test_streamed_images_are_refused_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["train", "ae", "--data", "streamed", "--data.stream", str(tmp_path), "--data.missing", "0.3"]
    assert main([*words, "--runs", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert "Streamed has no option 'missing'" in error and error.count("\n") == 1


def test_the_options_of_every_source_are_the_fields_of_the_corruption() -> None:
    import inspect

    assert list(vars(Noise().corruption)) == ["missing", "noise", "imbalance", "outliers"] == list(CORRUPTIONS)
    for cls in (ImageData, Folder):
        parameters = inspect.signature(cls).parameters
        assert all(parameters[name].default == 0 for name in CORRUPTIONS)
    assert not set(CORRUPTIONS) & set(inspect.signature(Streamed).parameters)


OPTIONS = ("--data.missing", "0.3", "--data.noise", "0.1", "--data.imbalance", "4", "--data.outliers", "0.1")


@pytest.mark.slow
def test_a_run_learns_from_the_corrupted_images_and_its_report_says_so(tmp_path: Path) -> None:
    code, run = start(tmp_path, "pca", "--data", "digits", *OPTIONS)
    report = json.loads((run / "report.json").read_text())
    same = Digits(missing=0.3, noise=0.1, imbalance=4.0, outliers=0.1)
    assert code == 0 and report["provenance"]["data_sha256"] == same.fingerprint() != Digits().fingerprint()
    assert report["run"]["images"] == {"train": 634, "val": 130, "test": 500}
    mean = state(run)["state_dict"]["mean"]
    assert np.allclose(mean.numpy().ravel(), images(same).reshape(634, -1).mean(0) / 255, atol=1e-5)
    text = " ".join((run / "report.md").read_text().split())
    assert "corrupted (0.3 of the pixels of each set to their mean, Gaussian noise of deviation 0.1, the larg" in text


def test_a_resumed_run_ends_where_the_uninterrupted_one_does(
    tmp_path: Path, unjudged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--data", "digits", "--epochs", "3", *OPTIONS)
    _, whole = start(tmp_path / "whole", "ae", *words)
    usual = unsup.training.trainer.callbacks
    stop = Stop("on_train_epoch_start", KeyboardInterrupt())
    with monkeypatch.context() as patch:
        patch.setattr(unsup.training.trainer, "callbacks", lambda throughput: [*usual(throughput), stop])
        with pytest.raises(SystemExit):
            start(tmp_path / "half", "ae", *words)
    run = tmp_path / "half" / "digits" / "ae" / "0-001"
    assert state(run)["epoch"] == 0
    assert main(["resume", str(run)]) == 0
    assert equal(state(run)["state_dict"], state(whole)["state_dict"])
