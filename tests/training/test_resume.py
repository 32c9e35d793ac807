"""An interrupted run goes on as if nothing had happened; a run is one process's at a time."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from interruptions import OPTIONS, curves, equal, start, state
from PIL import Image

import unsup.training.train
from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.models.pca import PCA
from unsup.runs import lock
from unsup.runs.build import load_data
from unsup.runs.config import compose, resolve
from unsup.runs.lookup import config_names
from unsup.runs.run import Run

TOP = Path(__file__).parents[2]
MODELS = ("ae", "gan", "vae")  # steps in one call, two optimizers by hand, one step a call
OF_EACH_KIND = (
    "ae",
    "bigan",
    "byol",
    "dbn",
    "deep_ae",
    "gan",
    "ladder",
    "mae",
    "patches",
    "simclr",
    "vae",
)
NARROW = {"simclr_resnet18": ("--model.width", "8")}  # networks that are made for a GPU

# Trains each model in a process of its own that kills itself after the first batch of the second epoch.
KILLED = f"""
import os, signal, sys
import lightning.pytorch as L
import unsup.training.train
import unsup.training.trainer
from unsup.cli.main import main

class Kill(L.Callback):
    takes_groups = True  # the resumed run is without it, and groups steps

    def on_train_batch_end(self, trainer, *args):
        if trainer.current_epoch == 1:
            trainer.logger.save()  # what was drawn after the checkpoint is on disk, too
            os.kill(os.getpid(), signal.SIGKILL)

usual = unsup.training.trainer.callbacks
unsup.training.trainer.callbacks = lambda throughput: [*usual(throughput), Kill()]
for model in {MODELS}:
    child = os.fork()
    if child == 0:
        main(["train", model, *{OPTIONS}, "--runs", sys.argv[1]])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    subprocess.run([sys.executable, "-c", KILLED, str(root)], cwd=TOP, check=True, capture_output=True)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_killed_run_ends_as_one_that_was_never_killed(
    model: str, killed: Path, tmp_path: Path, unjudged: None
) -> None:
    _, whole = start(tmp_path, model)
    run = killed / "digits" / model / "0-001"
    assert state(run)["epoch"] == 0 and not (run / "training.json").exists()
    assert main(["resume", str(run)]) == 0
    ours, theirs = state(run), state(whole)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert equal(ours[key], theirs[key]), key
    assert curves(run) == curves(whole)
    record, other = (Run(r).training for r in (run, whole))
    assert record["epochs"] == other["epochs"] == 3 and record["train_seconds"] > 0
    assert len(Run(run).versions["resumed"]) == 1
    if model != "ae":
        strips = [(r / "figures" / "progress.png").read_bytes() for r in (run, whole)]
        assert strips[0] == strips[1]


@pytest.mark.slow
def test_a_run_that_is_stopped_says_how_to_go_on_and_is_evaluated_in_the_end(
    tmp_path: Path, stop: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    stop("on_train_batch_start", KeyboardInterrupt())
    with pytest.raises(SystemExit) as stopped:
        start(tmp_path, "ae")
    run = tmp_path / "digits" / "ae" / "0-001"
    assert stopped.value.code == 130
    assert f"unsup resume {run}" in capsys.readouterr().err
    assert main(["evaluate", str(run)]) == 1  # there is nothing to judge yet
    stop()
    assert main(["resume", str(run)]) == 0
    report = json.loads((run / "report.json").read_text())
    assert report["run"]["epochs"] == 3 and report["test_reads"] == 1
    assert main(["resume", str(run)]) == 1
    assert f"unsup evaluate {run}" in capsys.readouterr().err


def test_a_run_that_lacks_only_the_record_of_its_end_gets_it(
    tmp_path: Path, stop: Callable[..., None], unjudged: None
) -> None:
    stop("on_fit_end", UserError("killed after the last checkpoint"))
    code, run = start(tmp_path, "vae")
    assert code == 1 and not (run / "training.json").exists()
    before, drawn = state(run)["state_dict"], curves(run)
    stop()
    assert main(["resume", str(run)]) == 0
    assert equal(state(run)["state_dict"], before) and curves(run) == drawn
    assert Run(run).training["epochs"] == 3


def test_a_run_that_was_stopped_while_it_was_judged_is_judged_by_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(unsup.training.train, "evaluate_run", interrupted)
    code, run = start(tmp_path, "ae")
    assert code == 130 and f"unsup evaluate {run}" in capsys.readouterr().err
    judged: list[Path] = []
    monkeypatch.setattr(unsup.training.train, "evaluate_run", lambda run, data, quick: judged.append(run.folder))
    before = (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert main(["resume", str(run)]) == 0 and judged == [run.resolve()]
    assert (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before


def test_what_was_fitted_is_not_fitted_again(tmp_path: Path, unjudged: None, monkeypatch: pytest.MonkeyPatch) -> None:
    _, run = start(tmp_path, "pca", "--data", "digits")
    before = state(run)["state_dict"]
    (run / "training.json").unlink()
    monkeypatch.delattr(PCA, "fit")
    assert main(["resume", str(run)]) == 0
    assert equal(state(run)["state_dict"], before)
    assert Run(run).training["epochs"] == 0


def test_data_may_have_moved_but_not_changed(
    tmp_path: Path, stop: Callable[..., None], unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(60):
        Image.new("L", (16, 16), 4 * i).save(pictures / f"{i:02}.png")
    stop("on_train_batch_start", UserError("stopped"))
    words = ("--images", str(pictures), "--data_root", str(tmp_path / "cache"), "--data.size", "8", "--epochs", "2")
    _, run = start(tmp_path / "runs", "ae", *words)
    stop()
    moved = pictures.rename(tmp_path / "moved")
    assert main(["resume", str(run)]) == 1
    changed = shutil.copytree(moved, tmp_path / "changed")
    Image.new("L", (16, 16), 9).save(changed / "one more.png")
    assert main(["resume", str(run), "--images", str(changed)]) == 1
    assert "are not those that" in capsys.readouterr().err
    assert main(["resume", str(run), "--images", str(moved)]) == 0


def test_a_run_without_a_good_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = resolve(compose("ae", "digits"))
    run = Run.create(tmp_path, config, "", load_data(config).fingerprint()).folder
    assert main(["resume", str(run)]) == 1
    assert "has no checkpoint: its first epoch did not end" in capsys.readouterr().err
    (run / "checkpoints" / "last.ckpt").write_bytes(b"PK damaged")
    assert main(["resume", str(run)]) == 1
    assert "last.ckpt cannot be read as a checkpoint" in capsys.readouterr().err


def test_a_run_is_one_process_s_until_that_process_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(tmp_path, resolve(compose("ae", "digits")), "", "")
    assert not run.in_use()
    code = (
        "import sys, time; from pathlib import Path; from unsup.runs.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(run)], cwd=TOP, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        assert run.in_use()
        monkeypatch.setattr(lock, "PATIENCE", 0.1)
        for verb in ("resume", "evaluate"):
            assert main([verb, str(run)]) == 1
            assert "by another process" in capsys.readouterr().err
    finally:
        other.kill()
        other.communicate()
    assert not run.in_use()
    with run.lock():
        assert run.in_use()


def test_a_run_is_locked_while_it_is_trained_and_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    monkeypatch.setattr(unsup.training.train, "evaluate_run", lambda run, data, quick: held.append(run.in_use()))
    _, run = start(tmp_path, "pixels", "--data", "digits")
    assert held == [True] and not Run(run).in_use()


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(recipe, marks=pytest.mark.slow if recipe in OF_EACH_KIND else pytest.mark.nightly)
        for recipe in config_names("model")
    ],
)
def test_every_recipe_goes_on_exactly(
    recipe: str, tmp_path: Path, stop: Callable[..., None], unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Interrupted in the second of three epochs, before a step of its optimizer."""
    command = ["train", recipe, *OPTIONS, *NARROW.get(recipe, ()), "--runs", str(tmp_path)]
    assert main(command) == 0
    whole = tmp_path / "digits" / recipe / "0-001"
    if state(whole)["global_step"] == 0:
        pytest.skip("learns without steps: there is nothing to interrupt")
    stop("on_before_optimizer_step", UserError("interrupted"))
    assert main(command) == 1
    run = tmp_path / "digits" / recipe / "0-002"
    assert "unsup: interrupted" in capsys.readouterr().err and not (run / "training.json").exists()
    stop()
    assert main(["resume", str(run)]) == 0
    ours, theirs = state(run), state(whole)
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert equal(ours[key], theirs[key]), key
    assert curves(run) == curves(whole)
