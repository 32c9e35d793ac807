"""Trained encoders in a notebook, and over folders of pictures."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import used
from interruptions import start
from PIL import Image

import unsup
import unsup.inference.encode_folder
from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.data.digits import Digits
from unsup.metrics.readout import Readout
from unsup.models.ae import AE
from unsup.runs.build import load_data
from unsup.runs.config import compose, resolve
from unsup.runs.encoder import Encoder
from unsup.runs.run import Run
from unsup.runs.shared import shared_folder

IMAGES, LABELS = used.digits()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return used.finished(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def normalised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a network with batch-norm."""
    return used.finished(tmp_path_factory.mktemp("runs"), "conv_ae", epochs=1)


def test_codes_are_those_that_were_judged_and_need_no_data(normalised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = used.encode_split(Run(normalised).model(), load_data(Run(normalised).config), "test", layers=False).codes

    def gone(self: Digits, train: bool) -> None:
        raise AssertionError("the images are not at hand")

    monkeypatch.setattr(Digits, "load", gone)
    encoder = unsup.load_encoder(normalised)
    assert torch.equal(encoder(IMAGES), torch.from_numpy(expected))
    assert encoder.shape == (1, 8, 8)


def test_a_run_on_a_folder_that_is_gone_is_loaded(tmp_path: Path) -> None:
    config = resolve(compose("ae", "folder", options=[("data.images", str(tmp_path / "gone")), ("data.size", 16)]))
    run = Run.create(tmp_path, config, "", "0" * 64).folder
    model = AE((3, 16, 16), **config["model"]["init_args"])
    saved = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams), "global_step": 0}
    torch.save(saved, run / "checkpoints" / "last.ckpt")
    assert unsup.load_encoder(str(run))(torch.rand(2, 3, 16, 16)).shape == (2, 32)


def test_bytes_and_floats_tensors_and_arrays_give_the_same_codes(run: Path) -> None:
    encoder = unsup.load_encoder(run)
    x = torch.from_numpy(IMAGES).float().mul(1 / 255)
    codes = encoder(x)
    assert codes.shape == (500, 16) and codes.dtype == torch.float32 and not codes.requires_grad
    for other in (IMAGES, torch.from_numpy(IMAGES), x.numpy(), x[:, :, ::1].requires_grad_()):
        assert torch.equal(encoder(other), codes)
    assert torch.allclose(encoder(x.double()), codes)
    assert encoder(IMAGES[:0]).shape == (0, 16)
    many = np.concatenate([IMAGES] * 3)  # more than a batch
    assert torch.allclose(encoder(many), codes.repeat(3, 1), atol=1e-5)


def test_the_encoder_stays_frozen(normalised: Path) -> None:
    encoder = unsup.load_encoder(normalised)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    codes = encoder(IMAGES)
    encoder.train()  # as a training loop around it would
    torch.set_float32_matmul_precision("medium")
    try:
        assert torch.equal(encoder(IMAGES), codes)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert not any(p.requires_grad for p in encoder.parameters())


def test_loading_and_encoding_leave_the_random_state_alone(run: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    unsup.load_encoder(run)(IMAGES)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (IMAGES[:, 0], "(500, 8, 8): this encoder takes (N, 1, 8, 8)"),
        (IMAGES.transpose(0, 2, 3, 1), "(500, 8, 8, 1): this encoder takes (N, 1, 8, 8)"),
        (IMAGES.astype(np.int64), "type torch.int64: give uint8"),
        (IMAGES.astype(np.float32), "from 0 to 255: floating point must be in [0, 1]"),
        (IMAGES / 127.5 - 1, "from -1 to 1: floating point must be in [0, 1]"),
        (np.full((1, 1, 8, 8), np.nan), "from nan to nan: floating point"),
    ],
)
def test_other_images_are_one_clear_error(run: Path, images: np.ndarray, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        unsup.load_encoder(run)(images)
    assert expected in str(caught.value) and "\n" not in str(caught.value)


def test_importing_the_package_is_instant() -> None:
    code = "import sys, unsup; unsup.__version__; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_checkpoints_that_do_not_fit_are_one_line(run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "run"
    shutil.copytree(run, broken)
    path = broken / "checkpoints" / "last.ckpt"
    saved = torch.load(path, weights_only=True)
    for change in (
        {"hyper_parameters": saved["hyper_parameters"] | {"dropped": 1}},
        {"hyper_parameters": saved["hyper_parameters"] | {"hidden": 8}},
        {"state_dict": {}},
    ):
        torch.save(saved | change, path)
        with pytest.raises(UserError, match="does not fit"):
            unsup.load_encoder(broken)
    for content in ([1, 2], {"weights": 1}):
        torch.save(content, path)
        with pytest.raises(UserError, match="cannot be read as a checkpoint"):
            unsup.load_encoder(broken)


# ---- folders ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty digits in several folders, hostile names, two files that are no images."""
    top = tmp_path / "pictures"
    for i in range(40):
        used.write(top / ["", "a", "a/b"][i % 3] / f"{i:02}.png", IMAGES[i])
    used.write(top / "new\nline.png", IMAGES[40])
    used.write(Path(os.fsdecode(os.fsencode(top) + b"/caf\xe9.png")), IMAGES[41])
    (top / "broken.png").write_bytes(b"no image")
    (top / "a" / "cut.png").write_bytes((top / "00.png").read_bytes()[:60])
    (top / "notes.txt").write_text("not an image, and not called one")
    return top


def test_every_readable_image_is_encoded(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unsup.inference.encode_folder, "FILES_PER_BATCH", 8)  # several batches
    out = tmp_path / "new" / "codes.npz"
    assert main(["encode", str(run), "--images", str(pictures), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert f"42 codes of 16 dimensions: {out}" in told.out
    (line,) = told.err.splitlines()
    assert line.startswith("left out: 2 of 44 images cannot be read: a/cut.png (") and "broken.png (not an" in line

    with np.load(out, allow_pickle=False) as file:
        found = dict(file)
    files = found["files"].tolist()
    assert len(files) == len(set(files)) == 42 and "a/b/02.png" in files and "new\nline.png" in files
    assert os.fsencode(next(f for f in files if f.startswith("caf"))) == b"caf\xe9.png"  # opens the file again
    index = [40 if "new" in f else 41 if "caf" in f else int(Path(f).stem) for f in files]
    encoder = unsup.load_encoder(run)
    assert found["codes"].dtype == np.float32
    assert np.allclose(found["codes"], encoder(IMAGES[index]).numpy(), atol=1e-5)

    with np.load(run / "heads.npz") as arrays:
        readout = Readout.of(arrays)
    assert readout.probe is not None
    assert np.array_equal(found["distance"], np.maximum(found["code_distance"], found["error"]))
    assert found["unlike"].dtype == bool and np.array_equal(found["unlike"], found["distance"] > 1)
    assert found["cluster"].tolist() == readout.cluster(found["codes"]).tolist()
    assert found["class"].tolist() == [str(c) for c in readout.probe.predict(found["codes"])]
    assert (found["class"] == LABELS[index].astype(str)).mean() > 0.7
    assert ((found["confidence"] > 0.1) & (found["confidence"] <= 1)).all()


def test_a_run_that_is_not_evaluated_gives_codes_alone(run: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("heads.npz", "report.json"))
    out = tmp_path / "codes.npz"
    assert main(["encode", str(tmp_path / "run"), "--images", str(pictures), "--out", str(out)]) == 0
    with np.load(out) as file:
        assert set(file.files) == {"files", "codes"}


def test_the_same_folder_gives_the_same_bits(run: Path, pictures: Path, tmp_path: Path) -> None:
    for name in ("first.npz", "second.npz"):
        assert main(["encode", str(run), "--images", str(pictures), "--out", str(tmp_path / name)]) == 0
    with np.load(tmp_path / "first.npz") as first, np.load(tmp_path / "second.npz") as second:
        assert all(first[name].tobytes() == second[name].tobytes() for name in first.files)


@pytest.mark.slow
def test_codes_that_an_evaluation_cached_are_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("def build():\n    import torch\n    return torch.nn.Flatten()\n")
    (tmp_path / "pictures").mkdir()
    for i in range(40):
        Image.fromarray(255 - IMAGES[i, 0]).save(tmp_path / "pictures" / f"{i:02}.png")
    words = ["--encoder", "net.py:build", "--encoder.size", "8", "--images", "pictures", "--evaluate", "quick"]
    assert main(["evaluate", *words]) == 0
    run = Run(next(Path("runs").glob("*/net*/0-001")))
    assert run.report.run.stages_cpu_seconds is None  # nothing was trained here
    assert run.report.quick and run.config["evaluate"] == "quick"
    expected = dict(zip(*encoded(run), strict=True))
    assert (shared_folder(run) / "codes").is_dir()
    moved = Run(shutil.copytree(run.folder, tmp_path / "moved"))
    assert shared_folder(moved) == moved.folder
    seen: list[str] = []
    real = unsup.inference.encode_folder.readable_batches

    def counted(images: Path, files: list[str], *rest: Any) -> Any:
        seen.extend(files)
        return real(images, files, *rest)

    monkeypatch.setattr(unsup.inference.encode_folder, "readable_batches", counted)
    Image.fromarray(IMAGES[99, 0]).save(tmp_path / "pictures" / "051.png")
    (tmp_path / "pictures" / "11.png").write_bytes(b"broken")
    files, codes = encoded(run)
    assert seen == ["051.png", "11.png"] and "11.png" in caplog.text
    assert files == sorted({*expected, "051.png"} - {"11.png"})
    encoder = unsup.load_encoder(run.folder)
    pictures = [encoder.picture(Image.open(tmp_path / "pictures" / file)) for file in files]
    assert np.allclose(codes, encoder(torch.stack(pictures)), atol=1e-5)
    assert all(
        np.array_equal(code, expected[file]) for file, code in zip(files, codes, strict=True) if file in expected
    )


def encoded(run: Run) -> tuple[list[str], Any]:
    folder = unsup.inference.encode_folder.encode_folder(run, Path("pictures"), run.readout)
    return folder.files, folder.columns["codes"]


def test_an_existing_file_is_not_overwritten(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "codes.npz"
    out.write_text("mine")
    assert main(["encode", str(run), "--images", str(pictures), "--out", str(out)]) == 1
    assert f"{out} exists and is not overwritten: choose another --out" in capsys.readouterr().err
    assert out.read_text() == "mine"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda top: None, "is not a folder: --images"),
        (lambda top: top.mkdir(), "holds no images"),
        (lambda top: (top.mkdir(), (top / "x.png").write_bytes(b"?")), "1 of 1 images cannot be read: x.png"),
    ],
)
def test_nothing_to_encode_is_one_line(
    make: Callable[[Path], object], expected: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top, out = tmp_path / "top", tmp_path / "codes.npz"
    make(top)
    assert main(["encode", str(run), "--images", str(top), "--out", str(out)]) == 1
    text = capsys.readouterr().err
    assert expected in text and text.count("\n") == 1
    assert not out.exists()


def test_other_suffixes_are_refused(run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", str(run), "--images", str(pictures), "--out", "codes.csv"]) == 2
    assert "give it the suffix .npz or .parquet" in capsys.readouterr().err


def test_parquet_without_pyarrow_is_one_line(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["encode", str(run), "--images", str(pictures), "--out", str(tmp_path / "codes.parquet")]) == 1
    assert capsys.readouterr().err == "unsup: Parquet needs pyarrow: pip install -e '.[parquet]' (or --out codes.npz)\n"


def test_parquet_holds_the_same(run: Path, pictures: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    for name in ("codes.npz", "codes.parquet"):
        assert main(["encode", str(run), "--images", str(pictures), "--out", str(tmp_path / name)]) == 0
    table = parquet.read_table(tmp_path / "codes.parquet")
    with np.load(tmp_path / "codes.npz") as file:
        assert np.array_equal(np.array(table["code"].to_pylist(), np.float32), file["codes"])
        assert table["class"].to_pylist() == file["class"].tolist()
        assert table["cluster"].to_pylist() == file["cluster"].tolist()
    assert {"caf\\udce9.png", "new\\nline.png"} < set(table["file"].to_pylist())


def test_the_wrapper_takes_any_model() -> None:
    encoder = Encoder(AE((1, 8, 8)).train())
    assert not encoder.model.training and encoder(torch.zeros(3, 1, 8, 8)).shape == (3, 32)


@pytest.mark.parametrize("verb", ["encode", "export"])
def test_an_unfinished_run_is_used_with_a_warning_that_names_the_epoch(
    verb: str, run: Path, tmp_path: Path, stop: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    stop("on_train_batch_start", KeyboardInterrupt())  # in the second epoch
    with pytest.raises(SystemExit):
        start(tmp_path / "runs", "ae")
    unfinished = tmp_path / "runs" / "digits" / "ae" / "0-001"
    (tmp_path / "images").mkdir()
    Image.new("L", (8, 8), 9).save(tmp_path / "images" / "grey.png")
    words = ["--images", str(tmp_path / "images")] if verb == "encode" else []
    capsys.readouterr()
    assert main([verb, str(unfinished), *words]) == 0
    warning = f"the training of {unfinished} is not finished: these are its weights after epoch 1\n"
    assert capsys.readouterr().err.count(warning) == 1
    assert main([verb, str(run), *words, "--out", str(tmp_path / ("out.npz" if verb == "encode" else "out"))]) == 0
    assert "not finished" not in capsys.readouterr().err
