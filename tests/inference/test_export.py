"""Exported encoders and probes: what is written gives the codes of the original, or is not left there."""

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import used
from models.test_contract import RECIPES, build
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import digits

import unsup
import unsup.inference.export
from unsup.cli.main import main
from unsup.core.array_files import load_arrays
from unsup.core.errors import UserError
from unsup.inference.export import ONNX_PACKAGES, code_difference, write_onnx, write_program
from unsup.metrics.readout import Readout
from unsup.runs.encoder import Encoder, read_weights, write_weights

IMAGES, _ = used.digits()
WITH_ONNX = all(importlib.util.find_spec(name) for name in ONNX_PACKAGES)
OF_EACH_KIND = (
    "ae",
    "bigan",
    "closed_form",
    "conv_ae",
    "dec",
    "mae",
    "patches",
    "simclr",
)  # with the layers of all others


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return used.finished(tmp_path_factory.mktemp("runs"), epochs=5)


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    assert main(["export", str(run)]) == 0
    return run / "export"


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_exported_to_the_last_bit(name: str, tmp_path: Path) -> None:
    model = build(name)
    model.train()
    with torch.no_grad():
        for _ in range(3):  # batch-norm statistics that are not the initial ones
            model.encode(digits(32))
    encoder = Encoder(model)
    cls = type(model)
    program = write_program(tmp_path / "encoder.pt2", encoder)
    write_weights(tmp_path / "weights.safetensors", encoder, f"{cls.__module__}.{cls.__name__}")
    rebuilt = read_weights(tmp_path / "weights.safetensors")
    assert dict(rebuilt.model.hparams) == dict(model.hparams) and rebuilt.model.seed == model.seed
    for x in (digits(1), digits(2), digits(50)):
        with torch.no_grad():
            codes = encoder(x)
            assert torch.equal(program(x), codes) and torch.equal(rebuilt(x), codes)
    assert code_difference(encoder, program) == code_difference(encoder, rebuilt) == 0


@pytest.mark.skipif(not WITH_ONNX, reason="onnx, onnxscript and onnxruntime are not installed")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in OF_EACH_KIND else pytest.mark.nightly) for name in RECIPES],
)
def test_every_recipe_is_exported_as_onnx(name: str, tmp_path: Path) -> None:
    encoder = Encoder(build(name))
    write_program(tmp_path / "encoder.pt2", encoder)
    session = write_onnx(tmp_path / "encoder.onnx", tmp_path / "encoder.pt2")
    # long sums of `patches` in another order: 1.3e-4 with random weights
    assert code_difference(encoder, session) < (2e-4 if name == "patches" else 1e-4)


def test_the_export_is_complete_and_holds_no_pickle(run: Path, exported: Path) -> None:
    assert {p.name for p in exported.iterdir()} == {"encoder.pt2", "weights.safetensors", "probe.npz", "README.md"}
    with np.load(exported / "probe.npz", allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays.files)
    with zipfile.ZipFile(exported / "probe.npz") as archive:
        assert all(entry.endswith(".npy") for entry in archive.namelist())
    text = (exported / "README.md").read_text()
    assert "(N, 1, 8, 8)" in text and "codes (N, 16)" in text and "linear probe .951 [.947, .955]" in text
    assert "| `weights.safetensors` | parameters and buffers" in text and "| 0 |" in text and "onnx" not in text


def test_the_probe_needs_numpy_alone(run: Path, exported: Path) -> None:
    """As README.md says."""
    readout = load_arrays(run / "heads.npz", Readout.of)
    assert readout.probe is not None
    codes = unsup.load_encoder(run)(IMAGES).numpy()
    snippet = (exported / "README.md").read_text().split("```python\n")[-1].partition("```")[0]
    lines = [line for line in snippet.splitlines() if not line.startswith("codes = ")]
    names = {"codes": codes}
    exec("\n".join(lines).replace('"probe.npz"', repr(str(exported / "probe.npz"))), names)
    assert names["classes"].tolist() == [str(c) for c in readout.probe.predict(codes)]


@pytest.mark.slow
def test_the_snippets_run_as_they_stand(exported: Path) -> None:
    """Each in an interpreter of its own, in the folder of the export."""
    snippets = [part.partition("```")[0] for part in (exported / "README.md").read_text().split("```python\n")[1:]]
    assert len(snippets) == 3
    for snippet in snippets:
        subprocess.run([sys.executable, "-c", f"{snippet}\nassert codes.shape == (2, 16)"], cwd=exported, check=True)


@pytest.mark.slow
def test_the_program_runs_without_this_package(run: Path, exported: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES[:5].astype(np.float32) / 255)
    code = (
        "import sys, numpy as np, torch\n"
        f"encoder = torch.export.load({str(exported / 'encoder.pt2')!r}).module()\n"
        "with torch.no_grad(): np.save('z.npy', encoder(torch.from_numpy(np.load('x.npy'))).numpy())\n"
        "assert not {'unsup', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    expected = unsup.load_encoder(run)(IMAGES[:5].astype(np.float32) / 255)
    assert np.allclose(np.load(tmp_path / "z.npy"), expected.numpy(), atol=1e-5)


def test_the_weights_rebuild_the_encoder_elsewhere(run: Path, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "elsewhere")
    encoder = unsup.load_encoder(tmp_path / "elsewhere")
    assert torch.equal(encoder(IMAGES), unsup.load_encoder(run)(IMAGES))


@pytest.mark.parametrize("damage", ["truncated", "other", "empty"])
def test_damaged_weights_are_one_line(damage: str, exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    if damage == "other":
        save_file({"x": torch.zeros(2)}, path)
    else:
        path.write_bytes((exported / path.name).read_bytes()[: 1000 if damage == "truncated" else 0])
    with pytest.raises(UserError, match="cannot be read as an exported encoder: export the run again"):
        unsup.load_encoder(tmp_path)


def test_weights_of_another_model_are_one_line(exported: Path, tmp_path: Path) -> None:
    with safe_open(exported / "weights.safetensors", "pt") as file:
        header = json.loads(file.metadata()["encoder"])
    header["arguments"]["code_dim"] = 3
    weights = load_file(exported / "weights.safetensors")
    save_file(weights, tmp_path / "weights.safetensors", {"encoder": json.dumps(header)})
    with pytest.raises(UserError, match="does not fit AE: was its code changed since"):
        unsup.load_encoder(tmp_path)


def test_an_encoder_that_gives_other_codes_is_not_left(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    correct = unsup.inference.export.write_program

    def wrong(path: Path, encoder: Encoder) -> unsup.inference.export.Encode:
        program = correct(path, encoder)
        return lambda x: program(x) + 0.01

    monkeypatch.setattr(unsup.inference.export, "write_program", wrong)
    out = tmp_path / "made" / "here"
    assert main(["export", str(run), "--out", str(out)]) == 1
    assert "encoder.pt2 gives other codes than the run's encoder, by 0.0" in capsys.readouterr().err
    assert not list(out.parent.iterdir())


def test_nothing_is_overwritten(run: Path, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.read_bytes() for p in exported.iterdir()}
    assert main(["export", str(run)]) == 1
    assert f"{exported} exists and is not overwritten" in capsys.readouterr().err
    assert {p: p.read_bytes() for p in exported.iterdir()} == before


def test_a_run_that_is_not_evaluated_is_exported_without_a_probe(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("heads.npz", "report.json", "export"))
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "out")]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"encoder.pt2", "weights.safetensors", "README.md"}
    assert "probe" not in (tmp_path / "out" / "README.md").read_text()


def test_missing_packages_for_onnx_are_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name in ONNX_PACKAGES else find(name, *a))
    assert main(["export", str(run), "--out", str(tmp_path / "out"), "--onnx"]) == 1
    text = capsys.readouterr().err
    assert text == "unsup: ONNX needs onnx, onnxscript, onnxruntime: pip install -e '.[onnx]'\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", ["export", "classify --images .", "similar --picture one.png"])
def test_the_name_of_a_file_makes_no_folder(
    words: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.png").touch()
    verb, *options = words.split()
    assert main([verb, str(run), *options, "--out", str(tmp_path / "x" / "encoder.pt")]) == 2
    assert capsys.readouterr().err.endswith("is the name of a file: --out names a new folder for all files\n")
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(not WITH_ONNX, reason="onnx, onnxscript and onnxruntime are not installed")
def test_onnx_on_request(run: Path, tmp_path: Path) -> None:
    import onnxruntime

    assert main(["export", str(run), "--out", str(tmp_path / "out"), "--onnx"]) == 0
    session = onnxruntime.InferenceSession(tmp_path / "out" / "encoder.onnx")
    x = IMAGES.astype(np.float32) / 255
    (codes,) = session.run(["codes"], {"images": x})
    assert np.allclose(codes, unsup.load_encoder(run)(x).numpy(), atol=1e-3)
    assert "onnxruntime" in (tmp_path / "out" / "README.md").read_text()
