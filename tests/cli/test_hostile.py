"""Malformed input of every kind ends in one line, writes nothing and runs nothing: a slice of benchmarks/fuzz.py, and
one test for each fault that it found."""

import importlib.util
import io
import json
import logging
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sample_reports import comparable
from synthetic import complaint, pictures

import unsup.runs.build
import unsup.training.stages
from unsup.cli.main import main
from unsup.comparison.compare import compare_all
from unsup.comparison.recorded.store import record_report
from unsup.core.errors import LONGEST, UserError, one_line
from unsup.core.files import replace_file
from unsup.core.strict_yaml import dump_yaml, parse_yaml
from unsup.data.folder import Folder
from unsup.reports.report import read_report
from unsup.runs.checkpoints import DamagedCheckpoint, load_checkpoint
from unsup.runs.run import Run

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark, what it replaces put back afterwards."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(unsup.runs.build, "find_mnist", unsup.runs.build.find_mnist)
    monkeypatch.setattr(unsup.training.stages, "train_stages", unsup.training.stages.train_stages)
    spec = importlib.util.spec_from_file_location("fuzz", BENCHMARKS / "fuzz.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler = signal.getsignal(signal.SIGALRM)
    yield module
    signal.signal(signal.SIGALRM, handler)


def test_a_slice_of_the_fuzzer(fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    judge = fuzz.fuzz(120, 11, list(fuzz.SHARES), tmp_path)
    assert not judge.faults, judge.faults[0]
    assert {kind for kind, _ in judge.counts} == set(fuzz.SHARES) and sum(judge.counts.values()) >= 120


def test_the_fuzzer_sees_faults(fuzz: Any, tmp_path: Path) -> None:
    """A traceback, a file written elsewhere, a process, a silent failure."""
    judge = fuzz.Judge(tmp_path / "inside")
    outside = tmp_path / "outside"
    for act in (lambda: 1 / 0, lambda: outside.write_text("x") and 0, lambda: os.system("true"), lambda: 1):
        judge.call("probe", "", act)
    assert len(judge.faults) == 4 and judge.counts["probe", "FAULT"] == 4


# ---- configurations --------------------------------------------------------------------------------------------------


def line(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2) -> str:
    assert main(list(argv)) == code
    error = capsys.readouterr().err
    assert error.startswith("unsup: ") and error.count("\n") == 1 and len(error) < LONGEST + 50
    return error


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!!int x", "invalid literal for int"),
        ("2001-99-99", "month must be in 1..12"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("{a: 1, a: 2}", "'a' is there twice"),
    ],
)
def test_values_that_are_none(capsys: pytest.CaptureFixture[str], text: str, reason: str) -> None:
    message = line(capsys, "train", "ae", "--data", "digits", "--model.lr", text)
    assert "--model.lr: cannot read the value" in message and reason in message


def test_names_of_files_that_are_no_text_stay_what_they_are() -> None:
    assert parse_yaml(dump_yaml({"images": "caf\udce9"})) == {"images": "caf\udce9"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("recipe: ../../x", "recipe is '../../x'"),
        ("dataset: /tmp/x", "dataset is '/tmp/x'"),
        ("recipe: [1]", "recipe is [1]"),
        ("seed: true", "seed: expected a whole number"),
        ("data: {class_path: unsup.data.folder.Folder, init_args: {images: 5}}", "data.images: expected str, got 5"),
        ("model: {class_path: ..x.y}", "no Model of that name"),
        ("model: {class_path: unsup.models.ae.AE, init_args: {hidden: '!!int x'}}", "model.hidden: expected int"),
        ("seed: 1\nseed: 2", "'seed' is there twice"),
        ("model: 1\nmodel: {}", "line 2 'model' is there twice"),
    ],
)
def test_files_that_say_the_impossible(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    named = [] if "model: {" in text else ["ae"]
    data = ["--data", "folder" if "Folder" in text else "digits"]
    message = line(capsys, "train", *named, *data, "--config", str(path), "--runs", str(tmp_path / "runs"))
    assert reason in message and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--model.hidden", str(10**18)], "model: AE cannot be made with these options"),
        (["--trainer.accelerator", "cpu", "--trainer.devices", "-1"], "trainer: "),
        (["--trainer.accelerator", "cpu", "--trainer.devices", str(10**18)], "trainer: MemoryError"),
    ],
)
def test_what_cannot_be_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], reason: str
) -> None:
    message = line(capsys, "train", "ae", "--data", "digits", "--runs", str(tmp_path), *options)
    assert reason in message and not list(tmp_path.rglob("*.ckpt"))


def test_a_network_that_would_be_built_for_hours(capsys: pytest.CaptureFixture[str]) -> None:
    message = line(capsys, "train", "conv_ae", "--data", "digits", "--model.blocks", "999999999999")
    assert "model.blocks is 999999999999: it must be at most 100" in message


def test_links_in_a_circle(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "is not a folder" in line(capsys, "train", "ae", "--images", str(loop), code=1)
    assert "no run folder" in line(capsys, "evaluate", str(loop), code=1)


def test_a_message_is_one_line_of_bounded_length() -> None:
    message = one_line(UserError("a\nb\x1b[2J\udcff" + "x" * 10_000 + " the remedy"))
    assert message.startswith(r"a\nb\x1b[2J\udcff") and message.endswith("the remedy") and len(message) < LONGEST + 10


# ---- folders of images -----------------------------------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_pipes_and_circles_among_the_images_are_named(tmp_path: Path) -> None:
    top = tmp_path / "images"
    pictures(top, 25)
    os.mkfifo(top / "pipe.png")
    (top / "circle.png").symlink_to(top / "circle.png")
    (top / "zeros.png").symlink_to("/dev/zero")
    message = complaint(Folder(str(top), size=8, root=str(tmp_path / "root")))
    assert "3 of 28 images" in message and "circle.png (" in message
    assert "pipe.png (not a regular file)" in message and "zeros.png (not a regular file)" in message


@pytest.mark.slow
def test_class_names_that_are_code_or_no_text_stay_text(tmp_path: Path) -> None:
    """A whole run on classes with hostile names: its report escapes them, and can be read again."""
    names = ["<script>alert(1)<", "caf\udce9\n", r"$\frac{$"]
    rng = np.random.default_rng(0)
    for name in names:
        place = tmp_path / "images" / name
        place.mkdir(parents=True)
        for i in range(20):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(place / f"{i}.png")
    words = ["train", "pixels", "--images", str(tmp_path / "images"), "--data_root", str(tmp_path / "root")]
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")  # as on a terminal that knows nothing else
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        assert main([*words, "--data.size", "8", "--runs", str(tmp_path / "runs")]) == 0
    (run,) = (tmp_path / "runs").glob("*/pixels/*")
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert Run(run).class_names == [r"$\frac{$", "<script>alert(1)<", r"caf\udce9\n"]


def test_pillow_says_nothing_beside_the_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It logs that a TIFF file has more samples than it decodes."""
    logging.getLogger("PIL").setLevel(logging.NOTSET)
    top = tmp_path / "images"
    pictures(top, 25)
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "TIFF")
    content = out.getvalue()
    samples = struct.pack("<HHIH", 277, 3, 1, 3)  # the tag SamplesPerPixel: one short, 3
    assert content.count(samples) == 1
    (top / "many.tif").write_bytes(content.replace(samples, struct.pack("<HHIH", 277, 3, 1, 20)))
    assert "many.tif (" in complaint(Folder(str(top), size=8, root=str(tmp_path / "root")))
    assert not caplog.records


# ---- checkpoints and records -----------------------------------------------------------------------------------------


@pytest.fixture
def run(fuzz: Any, tmp_path: Path) -> Any:
    from hostile import Folder

    return Folder(tmp_path)


def test_a_flipped_bit_in_the_weights_is_found(run: Any) -> None:
    path = run.folder / "checkpoints" / "last.ckpt"
    path.write_bytes(run.content)
    assert load_checkpoint(path)["global_step"] == 5
    weight = next(w for name, w in run.checkpoint["state_dict"].items() if w.numel() > 100)
    at = run.content.index(weight.numpy().tobytes()) + 41
    path.write_bytes(run.content[:at] + bytes([run.content[at] ^ 1]) + run.content[at + 1 :])
    with pytest.raises(DamagedCheckpoint, match="cannot be read as a checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "change",
    [{"state_dict": 3}, {"state_dict": {"x": 1}}, {"hyper_parameters": []}, {"global_step": "5"}, {"layout": [1]}],
)
def test_checkpoints_of_another_kind(run: Any, change: dict[str, Any]) -> None:
    torch.save(run.checkpoint | change, run.folder / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError, match="last.ckpt"):
        Run(run.folder).model()


@pytest.mark.parametrize("arguments", [{"hidden": -5}, {"hidden": 10**18}, {"shape": "x"}, {"shape": {"a": 1}}])
def test_arguments_in_a_checkpoint_that_make_no_model(run: Any, arguments: dict[str, Any]) -> None:
    changed = run.checkpoint | {"hyper_parameters": run.checkpoint["hyper_parameters"] | arguments}
    torch.save(changed, run.folder / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError):
        Run(run.folder).model()


@pytest.mark.parametrize("text", ["5", "[1, 2]", "null", "{}", '{"data_sha256": 3}', "[" * 100_000])
def test_records_of_another_kind(tmp_path: Path, text: str) -> None:
    (tmp_path / "versions.json").write_text(text)
    with pytest.raises(UserError, match="versions.json is missing or damaged"):
        _ = Run(tmp_path).versions


def test_the_run_that_a_run_started_from_is_checked_too(tmp_path: Path) -> None:
    for origin in (3, {"run": 3}, {"stages_seconds": "x"}, {"stages_seconds": 10**400}):
        (tmp_path / "versions.json").write_text(json.dumps({"data_sha256": "a", "init_from": origin}))
        with pytest.raises(UserError, match="damaged"):
            _ = Run(tmp_path).versions


# ---- reports ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", ["[" * 100_000, "[" * 960 + "]" * 960])
def test_reports_without_end(tmp_path: Path, nested: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(f'{{"run": {nested}}}')
    with pytest.raises(UserError, match=r"report\.json"):
        read_report(path)


@pytest.mark.parametrize("number", ["1e999", "1" + "0" * 400])
def test_numbers_beyond_a_comparison(tmp_path: Path, caplog: pytest.LogCaptureFixture, number: str) -> None:
    for model in ("good", "bad"):
        content = comparable(model)
        content["scores"]["rankme"] = "HERE" if model == "bad" else 3.5
        (tmp_path / "mnist" / model / "0-001").mkdir(parents=True)
        text = json.dumps(content).replace('"HERE"', number)
        (tmp_path / "mnist" / model / "0-001" / "report.json").write_text(text)
    compare_all(tmp_path)
    message = caplog.text
    assert "mnist/bad/0-001/report.json: damaged: scores.rankme is " in message and message.count("skipped") == 1


@pytest.mark.parametrize("key", ["baselines", "protocol", "selfcheck"])
def test_null_in_place_of_what_may_be_absent(tmp_path: Path, caplog: pytest.LogCaptureFixture, key: str) -> None:
    for model in ("good", "bad"):
        (tmp_path / "mnist" / model / "0-001").mkdir(parents=True)
        content = comparable(model) | ({key: None} if model == "bad" else {})
        (tmp_path / "mnist" / model / "0-001" / "report.json").write_text(json.dumps(content))
    compare_all(tmp_path)
    assert f"mnist/bad/0-001/report.json: damaged: {key} is None" in caplog.text


def test_names_that_no_file_can_hold_are_written_as_escapes(tmp_path: Path) -> None:
    replace_file(tmp_path / "x.json", json.dumps({"name": "\ud800"}, ensure_ascii=False))
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"name": "\ud800"}


@pytest.mark.parametrize(
    "change",
    [
        {"selfcheck": True},
        {"schema": []},
        {"scores": {"code_dim": "x"}},
        {"scores": {"code_dim": 30, "linear_probe": 3}},
        {"baselines": {"untrained": "x"}},
    ],
)
def test_kept_reports_of_another_kind(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "report.json").write_text(json.dumps(comparable() | change))
    with pytest.raises(UserError, match=r"report\.json"):
        record_report(tmp_path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("names", [3, [1, 2], {"a": 1}])
def test_class_names_of_another_kind(tmp_path: Path, names: Any) -> None:
    content = comparable()
    content["run"]["class_names"] = names
    (tmp_path / "report.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"report\.json is damaged"):
        _ = Run(tmp_path).class_names
