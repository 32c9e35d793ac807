"""Lightning's callbacks in a configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from interruptions import OPTIONS, Stop, equal, start, state

import unsup
import unsup.training.trainer
from unsup.cli.main import main
from unsup.runs.run import Run

CALLBACKS = "lightning.pytorch.callbacks"


def train(root: Path, callback: str, *options: str, model: str = "ae", **arguments: Any) -> int:
    root.mkdir(exist_ok=True)
    layer = root / "callbacks.yaml"
    named = {"class_path": f"{CALLBACKS}.{callback}", "init_args": arguments}
    layer.write_text(yaml.safe_dump({"trainer": {"callbacks": [named]}}), encoding="utf-8")
    words = ["--config", str(layer), "--runs", str(root / "runs"), *options]
    return main(["train", model, *OPTIONS, "--evaluate", "quick", *words])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("callback", "arguments"),
    [
        ("EarlyStopping", {"monitor": "val/loss", "patience": 1}),
        ("EarlyStopping", {"monitor": "online/linear_probe", "mode": "max"}),
        ("ModelCheckpoint", {"monitor": "val/loss", "filename": "best"}),
        ("EMAWeightAveraging", {}),
        ("StochasticWeightAveraging", {"swa_lrs": 0.01, "swa_epoch_start": 1}),
        ("LearningRateMonitor", {}),
        ("Timer", {"duration": "00:12:00:00"}),
        ("ThroughputMonitor", {"batch_size_fn": "builtins.len"}),
        ("GradientAccumulationScheduler", {"scheduling": {0: 1, 1: 2}}),
    ],
)
def test_a_callback_costs_no_report(callback: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    assert train(tmp_path, callback, **arguments) == 0
    run = tmp_path / "runs" / "digits" / "ae" / "0-001"
    config = json.loads((run / "report.json").read_text(encoding="utf-8"))["provenance"]["config"]
    (recorded,) = config["trainer"]["callbacks"]
    assert recorded["class_path"].endswith(callback) and arguments.keys() <= recorded["init_args"].keys()
    assert main(["evaluate", str(run), "--evaluate", "quick"]) == 0


EMA: dict[str, Any] = {"decay": 0.8}
SWA: dict[str, Any] = {"swa_lrs": 0.01, "swa_epoch_start": 1}


@pytest.mark.slow
@pytest.mark.parametrize(("callback", "arguments"), [("EMAWeightAveraging", EMA), ("StochasticWeightAveraging", SWA)])
@pytest.mark.parametrize("model", ["ae", "simclr"])
def test_an_average_is_what_is_judged(model: str, callback: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    assert train(tmp_path, callback, model=model, **arguments) == 0
    run = Run(tmp_path / "runs" / "digits" / model / "0-001")
    assert run.report.run.averaged_by == callback and run.report.run.checkpoint == "last.ckpt"
    saved = state(run.folder)
    if callback == "EMAWeightAveraging":  # Lightning saves the average as the weights
        assert not equal(saved["state_dict"], saved["current_model_state"])
    else:
        (average,) = (
            content["average_model_state"] for name, content in saved["callbacks"].items() if name.startswith(callback)
        )
        trained = {name for name, _ in run.model().named_parameters()}
        assert equal({name: average[name] for name in trained}, {name: saved["state_dict"][name] for name in trained})
    assert equal(dict(run.model().state_dict()), dict(saved["state_dict"]))


def test_an_average_that_was_never_updated_is_not_judged(tmp_path: Path, unjudged: None) -> None:
    assert train(tmp_path, "EMAWeightAveraging", update_starting_at_step=1000) == 0
    assert start(tmp_path / "plain", "ae")[0] == 0
    run, plain = (root / "digits" / "ae" / "0-001" for root in (tmp_path / "runs", tmp_path / "plain"))
    assert equal(state(run)["state_dict"], state(plain)["state_dict"])
    assert "averaged_by" not in Run(run).training


@pytest.mark.slow
@pytest.mark.parametrize(("callback", "arguments"), [("EMAWeightAveraging", EMA), ("StochasticWeightAveraging", SWA)])
def test_an_interrupted_average_goes_on(
    callback: str, arguments: dict[str, Any], tmp_path: Path, unjudged: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train(tmp_path / "whole", callback, **arguments) == 0
    usual = unsup.training.trainer.callbacks
    stop = Stop("on_train_batch_end", ConnectionAbortedError("here"))
    with monkeypatch.context() as context:
        context.setattr(unsup.training.trainer, "callbacks", lambda throughput: [*usual(throughput), stop])
        assert train(tmp_path / "stopped", callback, **arguments) == 1
    whole, stopped = (tmp_path / name / "runs" / "digits" / "ae" / "0-001" for name in ("whole", "stopped"))
    assert main(["resume", str(stopped)]) == 0
    for key in ("state_dict", "optimizer_states", "global_step", "epoch"):
        assert equal(state(stopped)[key], state(whole)[key]), key
    assert Run(stopped).training["averaged_by"] == callback


@pytest.mark.slow
def test_another_checkpoint_is_judged_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = {"monitor": "val/loss", "filename": "best", "every_n_epochs": 2}  # the second of three
    assert train(tmp_path, "ModelCheckpoint", **best) == 0
    run = tmp_path / "runs" / "digits" / "ae" / "0-001"
    saved = {name: torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True) for name in ("best", "last")}
    assert not equal(saved["best"]["state_dict"], saved["last"]["state_dict"])
    for name in ("best", "last"):
        named = ["--checkpoint", name] if name == "best" else []
        assert main(["evaluate", str(run), "--evaluate", "quick", *named]) == 0
        assert Run(run).report.run.checkpoint == f"{name}.ckpt"
        assert equal(dict(unsup.load_encoder(run).model.state_dict()), dict(saved[name]["state_dict"]))
    assert main(["evaluate", str(run), "--checkpoint", "bst"]) == 2
    assert "has no checkpoint bst (known: best.ckpt, last.ckpt, previous.ckpt)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("callback", "arguments", "message"),
    [
        ("EarlyStopping", {"monitor": "val/los"}, "metric `val/los` which is not available"),
        ("ModelCheckpoint", {"monitor": "val/los"}, "could not find the monitored key"),
        ("EarlyStoping", {}, "no class lightning.pytorch.callbacks.EarlyStoping (did you mean 'EarlyStopping'?)"),
        ("BackboneFinetuning", {}, "BackboneFinetuning: 'AE' object has no attribute 'backbone'"),
        ("ModelCheckpoint", {"save_last": True}, "save_last is for the run's own last.ckpt"),
    ],
)
def test_a_wrong_one_is_one_line(
    callback: str, arguments: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, callback, **arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("unsup: trainer") and message in error
