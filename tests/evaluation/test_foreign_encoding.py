"""Encoders from elsewhere see the files, and each picture is encoded once, whatever its label or split."""

import os
import shutil
import sys
from pathlib import Path

import foreign
import numpy as np
import pytest
import torch

import unsup
from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.data.digits import Digits
from unsup.data.folder import Folder
from unsup.data.originals import originals
from unsup.evaluation import encoder_run, foreign_encoding
from unsup.evaluation.foreign_encoding import PictureSource, encoded_pictures, sees_more_than_thumbnails
from unsup.evaluation.run import evaluate_run as run_evaluation
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.pixels import Pixels
from unsup.runs.run import Run


@pytest.fixture(autouse=True)
def folder_of_pictures(here: Path) -> None:
    foreign.folder(here / "pictures")


@pytest.fixture
def encoder(here: Path) -> ForeignEncoder:
    return ForeignEncoder("own_nets.py:Network", size=48)


def pictures(size: int = 32, **options: object) -> Folder:
    return Folder("pictures", size=size, root="data", **options)  # type: ignore[arg-type]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each call of the network had."""
    calls: list[int] = []

    def counted(model: ForeignEncoder, x: torch.Tensor) -> np.ndarray:
        calls.append(len(x))
        return encoded_pictures(model, x)

    monkeypatch.setattr(foreign_encoding, "encoded_pictures", counted)
    return calls


def test_codes_are_of_the_files_and_not_of_the_small_arrays(encoder: ForeignEncoder) -> None:
    data = pictures(size=8)
    codes = PictureSource().codes(encoder, data, "test")
    paths = data.paths("test")
    x = torch.stack([encoder.picture(foreign.Image.open(path)) for path in paths])
    assert np.allclose(codes, encoded_pictures(encoder, x), atol=1e-6)
    assert data.test_reads == 1 and codes.shape == (len(paths), 32) and codes.dtype == np.float32
    small = PictureSource(side=8).codes(encoder, data, "test")
    assert not np.allclose(codes, small, atol=1e-2)


def test_the_cache_goes_by_pictures_not_by_labels_names_or_splits(encoder: ForeignEncoder, encoded: list[int]) -> None:
    source = PictureSource(Path("codes"))
    first = {split: source.codes(encoder, pictures(), split) for split in ("train", "val", "test")}
    assert sum(encoded) == 40
    encoded.clear()
    again = {split: source.codes(encoder, pictures(), split) for split in ("train", "val", "test")}
    assert not encoded and all(np.array_equal(first[split], again[split]) for split in first)
    for i, path in enumerate(sorted(Path("pictures").rglob("*.png"))):  # other classes, names and splits
        target = Path("pictures", "train" if i % 3 else "test", f"class {i % 5 // 3}", f"new{i}.png")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    for name in ("bright", "dark"):
        shutil.rmtree(Path("pictures", name))
    for split in ("train", "val", "test"):
        source.codes(encoder, pictures(), split)
    assert not encoded
    foreign.photograph(Path("pictures", "train", "class 0", "one more.png"), seed=99)
    for split in ("train", "val", "test"):
        source.codes(encoder, pictures(), split)
    assert encoded == [1]


def test_other_weights_and_other_preparation_have_codes_of_their_own(
    encoder: ForeignEncoder, encoded: list[int]
) -> None:
    source = PictureSource(Path("codes"))
    source.codes(encoder, pictures(), "val")
    for options in (
        {"size": 40},
        {"size": 48, "crop": 0.5},
        {"size": 48, "mean": [0.5] * 3},
        {"size": 48, "pretrained": False},
    ):
        encoded.clear()
        source.codes(ForeignEncoder("own_nets.py:Network", **options), pictures(), "val")
        assert encoded, options
    assert len(list(Path("codes").iterdir())) == 5


def test_other_code_with_the_same_weights_has_other_codes(encoder: ForeignEncoder, encoded: list[int]) -> None:
    source = PictureSource(Path("codes"))
    first = source.codes(encoder, pictures(), "val")
    encode = type(encoder.network).forward
    encoder.network.forward = lambda x: 2 * encode(encoder.network, x)  # as after an edit of its file
    encoded.clear()
    second = source.codes(encoder, pictures(), "val")
    assert sum(encoded) == len(first) and np.allclose(second, 2 * first, rtol=1e-5)


def test_a_damaged_cache_is_one_line(encoder: ForeignEncoder) -> None:
    source = PictureSource(Path("codes"))
    source.codes(encoder, pictures(), "val")
    (file,) = Path("codes").iterdir()
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UserError, match="is damaged: delete the file"):
        source.codes(encoder, pictures(), "val")


def test_grey_arrays_become_pictures_of_three_channels(encoder: ForeignEncoder) -> None:
    data = Digits()
    (first, *_) = originals(data, "val")
    picture = first[0].picture(encoder.cut)
    assert picture.shape == (3, 48, 48) and (picture[0] == picture[1]).all()
    codes = PictureSource().codes(encoder, data, "val")
    assert np.allclose(codes[0], encoded_pictures(encoder, torch.from_numpy(picture[None]))[0], atol=1e-6)
    assert not sees_more_than_thumbnails(encoder, data) and sees_more_than_thumbnails(encoder, pictures())


def test_corrupted_training_images_are_those_of_the_arrays(encoder: ForeignEncoder) -> None:
    clean, noisy = pictures(), pictures(noise=0.3)
    assert not np.allclose(*(PictureSource().codes(encoder, data, "train") for data in (clean, noisy)), atol=1e-2)
    assert np.array_equal(*(PictureSource().codes(encoder, data, "val") for data in (clean, noisy)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NaN", "the codes are not finite for .*val images.*expects other pixels"),
        ("Training", "changes its weights or buffers while it encodes"),
    ],
)
def test_broken_promises_are_one_line_and_nothing_is_kept(name: str, message: str, here: Path) -> None:
    broken = ForeignEncoder(f"own_nets.py:{name}", size=32)
    for _ in range(2):
        with pytest.raises(UserError, match=message) as error:
            PictureSource(Path("codes")).codes(broken, pictures(), "val")
        assert "\n" not in str(error.value)
    assert not Path("codes").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--encoder", "own_nets.py:Maps", "--images", "pictures"], "returns maps (N, 3, 224, 224)"),
        (["--encoder", "own_nets.py:NaN", "--images", "pictures"], "not finite"),
        (["--encoder", "own_nets.py:Training", "--images", "pictures"], "changes its weights or buffers"),
        (["--encoder", "own_nets.py:Network", "--images", "gone"], "gone is not a folder"),
        (["--encoder", "own_nets.py:Network"], "which images?"),
        (
            ["--encoder", "own_nets.py:Network", "--images", "pictures", "--encoder.sise", "9"],
            "did you mean '--encoder.size'?",
        ),
        (["--encoder", "own_nets.py:Network", "--images", "pictures", "--encoder.size", "0"], "encoder.size is 0"),
        (["--encoder", "own_nets.py:Network", "--images", "pictures", "--encoder.size", "x"], "encoder.size: expected"),
        (["--encoder", "own_nets.py:Network", "--images", "pictures", "--model.size", "9"], "no option --model.size"),
        (["--encoder", "own_nets.py:Network", "--codes", "codes.npz"], "one of three"),
        (["runs/x/y/0-001", "--data", "digits"], "--data goes with --encoder"),
        (["--codes", "codes.npz"], "there is no file codes.npz"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_run(
    words: list[str], message: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *words]) in (1, 2)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unsup: ")]
    assert message in line
    assert not list(Path(here, "runs").rglob("config.yaml"))


def scores_of(run: Path) -> dict[str, float]:
    scores = Run(run).report.scores
    assert scores.linear_probe and scores.knn and scores.kmeans
    return {"probe": scores.linear_probe.accuracy, "knn": scores.knn.accuracy, "kmeans": scores.kmeans.test.acc}


@pytest.mark.slow
def test_a_run_of_an_encoder_is_a_run_like_every_other(
    here: Path, capsys: pytest.CaptureFixture[str], encoded: list[int]
) -> None:
    words = ["--encoder", "own_nets.py:Network", "--images", "pictures", "--encoder.size", "48"]
    assert main(["evaluate", *words]) == 0
    run = here / "runs" / "folder-pictures" / "own_nets.Network" / "0-001"
    report = Run(run).report
    assert report.run.encoder == "own_nets.py:Network" and "48 px" in str(report.run.pictures)
    assert report.run.parameters == 8 * (3 * 16 + 1) + 16 and report.test_reads == 1
    assert {"untrained", "thumbnails", "pixels", "pca", "statistics"} <= report.baselines.keys()
    assert "thumbnails" not in report.comparisons
    text = (run / "report.md").read_text()
    assert "own_nets.Network on thumbnails" in text and "shorter side 48 px" in text and "own_nets.py:Network" in text
    before = scores_of(run)
    encoded.clear()
    assert main(["evaluate", str(run)]) == 0 and not encoded
    assert scores_of(run) == before
    assert main(["compare"]) == 0 and "own_nets.Network" in capsys.readouterr().out
    assert main(["classify", str(run), "--images", "pictures/dark"]) == 0
    assert main(["encode", str(run), "--images", "pictures/dark"]) == 0
    codes = np.load(run / "encoded" / "dark.npz")["codes"]
    again = PictureSource().codes(ForeignEncoder("own_nets.py:Network", size=48), pictures(), "train")
    assert all(np.abs(again - code).max(1).min() < 1e-5 for code in codes[:3])
    assert main(["export", str(run)]) == 0
    loaded = unsup.load_encoder(run / "export")
    assert torch.equal(loaded(torch.ones(1, 3, 48, 48)), unsup.load_encoder(run)(torch.ones(1, 3, 48, 48)))
    capsys.readouterr()
    (here / "own_nets.py").write_text(foreign.CODE.replace("manual_seed(3)", "manual_seed(4)"))
    assert main(["encode", str(run), "--images", "pictures/dark", "--out", "other.npz"]) == 1
    assert "the weights of own_nets.py:Network" in capsys.readouterr().err


def test_the_same_evaluation_again_is_the_same_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--encoder", "own_nets.py:Averages", "--images", "pictures", "--encoder.size", "16"]
    runs, judged = here / "runs" / "folder-pictures" / "own_nets.Averages", list[tuple[str, bool]]()

    def evaluate_run(run: Run, data: Folder, quick: bool) -> None:
        judged.append((run.folder.name, quick))
        run_evaluation(run, data, quick)

    monkeypatch.setattr(encoder_run, "evaluate_run", evaluate_run)
    assert main([*words, "--evaluate", "quick"]) == 0
    before = (runs / "0-001" / "report.json").read_bytes()
    first = capsys.readouterr().out.partition("seed 0")[2]
    assert main([*words, "--evaluate", "quick", "--data_root", "elsewhere"]) == 0 and judged == [("0-001", True)]
    again = capsys.readouterr().out
    assert (runs / "0-001" / "report.json").read_bytes() == before and again.partition("seed 0")[2] == first
    assert "judged before; unsup evaluate runs/folder-pictures/own_nets.Averages/0-001 repeats that" in again
    monkeypatch.setattr(encoder_run, "evaluate_run", lambda run, data, quick: judged.append((run.folder.name, quick)))
    assert main(words) == 0 and judged[1:] == [("0-001", False)]  # the rest of the scores, in the same folder
    assert main([*words, "--encoder.note", "mine"]) == 0 and judged[-1] == ("0-002", False)
    foreign.photograph(here / "pictures" / "dark" / "another.png", seed=99)
    assert main([*words, "--evaluate", "quick"]) == 0 and judged[-1] == ("0-003", True)
    code = (here / "own_nets.py").read_text()
    (here / "own_nets.py").write_text(code.replace("quarters.std", "2 * quarters.std"))  # weights say nothing of it
    assert main([*words, "--evaluate", "quick"]) == 0 and judged[-1] == ("0-004", True)


@pytest.mark.slow
def test_a_class_of_another_package_is_judged_without_pythonpath(here: Path) -> None:
    import subprocess

    (here / "nets").mkdir()
    (here / "nets" / "__init__.py").touch()
    (here / "own_nets.py").rename(here / "nets" / "averages.py")
    top = Path(unsup.__file__).parents[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = f"import sys; sys.path.append({str(top)!r}); from unsup.cli.main import main; sys.exit(main())"
    words = ["evaluate", "--encoder", "nets.averages:Averages", "--images", "pictures", "--encoder.size", "16"]
    subprocess.run([sys.executable, "-c", code, *words], env=environment, check=True, capture_output=True)
    assert (here / "runs" / "folder-pictures" / "nets.averages.Averages" / "0-001" / "report.json").is_file()


@pytest.mark.slow
def test_encoders_in_python() -> None:
    data = Digits()
    names = (unsup.Encoder(Pixels(data.shape)), Pixels(data.shape), lambda x: x.flatten(1))
    probes = [unsup.evaluate(judged, data).scores["linear_probe"]["accuracy"] for judged in names]
    assert probes[0] == probes[1] == probes[2]
