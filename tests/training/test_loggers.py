"""Loggers next to TensorBoard's."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch
import yaml
from interruptions import OPTIONS
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import Logger
from PIL.Image import Image

from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.evaluation.existing_runs import identity_of
from unsup.runs.run import Run
from unsup.training.loggers import log_picture


class Album(CSVLogger):
    """A logger that takes pictures, as W&B's does."""

    pictures: ClassVar[list[tuple[str, tuple[int, int], int]]] = []

    def log_image(self, key: str, images: list[Image], step: int) -> None:
        self.pictures.append((key, images[0].size, step))


def train(root: Path, *options: str, model: str = "vae") -> int:
    return main(["train", model, *OPTIONS, "--evaluate", "quick", "--runs", str(root), *options])


def values(path: Path, name: str) -> list[tuple[int, float]]:
    with path.open(encoding="utf-8") as file:
        return [(int(row["step"]), float(row[name])) for row in csv.DictReader(file) if row.get(name)]


def test_csv_has_the_curves_of_tensorboard_and_the_final_scores(tmp_path: Path) -> None:
    assert train(tmp_path, "--logger", "csv") == 0
    run = tmp_path / "digits" / "vae" / "0-001"
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    for name in ("train/loss", "val/loss", "online/linear_probe"):
        assert dict(values(run / "csv" / "metrics.csv", name)) == pytest.approx(dict(report["curves"][name]))
    ((step, accuracy),) = values(run / "csv" / "metrics.csv", "report/linear_probe/accuracy")
    assert accuracy == pytest.approx(report["scores"]["linear_probe"]["accuracy"])
    assert step == report["run"]["steps"]


def test_a_resumed_run_keeps_what_it_has_logged(tmp_path: Path, stop: Callable[..., None]) -> None:
    stop("on_before_optimizer_step", UserError("interrupted"))
    assert train(tmp_path, "--logger", "csv") == 1
    run = tmp_path / "digits" / "vae" / "0-001"
    before = (run / "csv" / "metrics.csv").read_bytes()
    stop()
    assert main(["resume", str(run)]) == 0
    assert (run / "csv" / "metrics.csv").read_bytes() == before
    assert values(run / "csv" / "resumed_1" / "metrics.csv", "report/knn/accuracy")


def test_loggers_of_ones_own_take_pictures_and_change_no_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import test_loggers  # as its class path says

    album = {"class_path": "test_loggers.Album", "init_args": {"save_dir": str(tmp_path / "album")}}
    second = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": ""}}
    layer = tmp_path / "loggers.yaml"
    layer.write_text(yaml.safe_dump({"trainer": {"logger": [album, second]}}), encoding="utf-8")
    assert train(tmp_path, "--config", str(layer), "--evaluate", "no") == 0
    assert train(tmp_path, "--evaluate", "no") == 0
    one, other = (Run(tmp_path / "digits" / "vae" / f"0-00{i}") for i in (1, 2))
    assert {name for name, _, _ in test_loggers.Album.pictures} >= {"pictures/samples", "pictures/reconstructions"}
    assert list((tmp_path / "album").rglob("metrics.csv")) and list(one.folder.rglob("metrics.csv"))
    assert identity_of(one.config) == identity_of(other.config)
    weights = [run.model().state_dict() for run in (one, other)]
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])


class Numbers(Logger):
    """No more than Lightning's base class asks for."""

    name = version = "numbers"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...

    def log_hyperparams(self, *args: object, **kwargs: object) -> None: ...


def test_a_logger_of_numbers_alone_gets_no_pictures() -> None:
    log_picture(Numbers(), "samples", torch.zeros(1, 2, 2), 0)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--logger", "cvs"], 2, "no logger 'cvs' (did you mean 'csv'?)"),
        (["--trainer.logger", "false"], 2, "trainer.logger is False: TensorBoard's is always there"),
    ],
)
def test_what_is_no_logger_is_refused(
    options: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, *options) == code
    assert message in capsys.readouterr().err and not list(tmp_path.rglob("0-*"))


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("unsup.runs.logger_names.find_spec", lambda name: None)
    assert train(tmp_path, "--logger", "wandb") == 1
    assert "the logger wandb needs its package: pip install wandb" in capsys.readouterr().err


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_loggers_of_services_without_a_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert train(tmp_path / "runs", "--logger", name) == 0
    places = {"wandb": (tmp_path / "runs" / "digits" / "vae" / "0-001" / "wandb", "offline-run-*")}
    folder, pattern = places.get(name, (tmp_path, "*.png"))
    assert list(folder.rglob(pattern))
