"""Lightning's callbacks in a configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from interruptions import OPTIONS

from unsup.cli.main import main

CALLBACKS = "lightning.pytorch.callbacks"


def train(root: Path, callback: str, *options: str, **arguments: Any) -> int:
    layer = root / "callbacks.yaml"
    named = {"class_path": f"{CALLBACKS}.{callback}", "init_args": arguments}
    layer.write_text(yaml.safe_dump({"trainer": {"callbacks": [named]}}), encoding="utf-8")
    words = ["--config", str(layer), "--runs", str(root / "runs"), *options]
    return main(["train", "ae", *OPTIONS, "--evaluate", "quick", *words])


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
    ],
)
def test_a_callback_costs_no_report(callback: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    assert train(tmp_path, callback, **arguments) == 0
    run = tmp_path / "runs" / "digits" / "ae" / "0-001"
    config = json.loads((run / "report.json").read_text(encoding="utf-8"))["provenance"]["config"]
    (recorded,) = config["trainer"]["callbacks"]
    assert recorded["class_path"].endswith(callback) and arguments.keys() <= recorded["init_args"].keys()
    assert main(["evaluate", str(run), "--quick"]) == 0


@pytest.mark.parametrize(
    ("callback", "arguments", "message"),
    [
        ("EarlyStopping", {"monitor": "val/los"}, "metric `val/los` which is not available"),
        ("ModelCheckpoint", {"monitor": "val/los"}, "could not find the monitored key"),
        ("GradientAccumulationScheduler", {"scheduling": {0: 1, 1: 2}}, "is not supported for manual optimization"),
        ("EarlyStoping", {}, "trainer.callbacks: expected"),
    ],
)
def test_a_wrong_one_is_one_line(
    callback: str, arguments: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, callback, **arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("unsup: trainer") and message in error
