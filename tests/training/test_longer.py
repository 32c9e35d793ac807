"""A finished run is trained longer where that gives the run of the longer training, and is refused elsewhere."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from interruptions import curves, equal, start, state

import unsup.training.train
from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.models.ae import AE
from unsup.runs.provenance import with_epochs
from unsup.runs.run import Run

STATE = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch")
SMALL = ("--data", "digits", "--trainer.log_every_n_steps", "1", "--trainer.accelerator", "cpu")


class Constant(AE):
    """An autoencoder with a constant learning rate."""

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class WarmedUp(AE):
    """The learning rate has a schedule, which is the same for every length."""

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=3)]


class Annealing(Constant):
    """A weight of the loss follows the length."""

    def losses(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        weight = 1 - self.iteration / self.total_steps("the weight of the error")
        return {"loss": weight * super().losses(x)["loss"]}


class Reading(Constant):
    """The length comes from Lightning's trainer, in a function inside a method."""

    def on_train_epoch_start(self) -> None:
        def last() -> int | None:
            return self.trainer.max_epochs

        self.last = last()


def train(root: Path, model: str, epochs: int, *words: str) -> Path:
    """Return the folder of a run of a class in this file, or of a recipe."""
    named = ("--model.class_path", f"{__name__}.{model}") if model in globals() else (model,)
    code = main(["train", *named, *SMALL, "--epochs", str(epochs), "--runs", str(root), *words])
    assert code == 0
    (run,) = root.glob("digits/*/0-001")
    return run


def assert_same(run: Path, whole: Path) -> None:
    for key in STATE:
        assert equal(state(run)[key], state(whole)[key]), key
    ours, theirs = (
        {tag: points for tag, points in curves(one).items() if tag.startswith(("train/", "val/"))}
        for one in (run, whole)
    )
    assert ours == theirs and len(ours) > 2


@pytest.mark.parametrize("model", [pytest.param("gan", marks=pytest.mark.slow), "Constant", "WarmedUp"])
def test_one_and_then_three_epochs_are_three_at_once(model: str, tmp_path: Path, unjudged: None) -> None:
    run, whole = train(tmp_path / "run", model, 1), train(tmp_path / "whole", model, 3)
    assert main(["resume", str(run), "--epochs", "3"]) == 0
    assert_same(run, whole)
    ours, theirs = Run(run), Run(whole)
    assert ours.config == theirs.config and ours.training["epochs"] == theirs.training["epochs"] == 3
    assert ours.training["images_seen"] == theirs.training["images_seen"]
    assert ours.versions["resumed"][0]["epochs"] == 3
    words = shlex.split(ours.versions["command"])
    assert words[words.index("--epochs") + 1] == "3" and words.count("--epochs") == 1


@pytest.mark.slow
def test_a_longer_run_has_a_new_report(tmp_path: Path, stop: Callable[..., None]) -> None:
    run = train(tmp_path, "gan", 1, "--evaluate", "quick")
    first = Run(run).report
    kept = run / "export"
    kept.mkdir()
    stop("on_train_batch_start", UserError("interrupted"))
    assert main(["resume", str(run), "--epochs", "3"]) == 1
    assert not any((run / name).exists() for name in ("training.json", "report.json", "report.html", "heads.npz"))
    assert not (run / "figures").exists() and not [*run.glob("*.evaluation")] and kept.is_dir()
    assert main(["evaluate", str(run)]) == 1  # it is not trained to its end
    stop()
    assert main(["resume", str(run)]) == 0  # to the new length
    second = Run(run).report
    assert (first.run.epochs, second.run.epochs) == (1, 3) and first.frozen.after != second.frozen.after
    assert second.provenance.config["trainer"]["max_epochs"] == 3 and second.provenance.resumed
    assert [one.epochs for one in second.provenance.resumed] == [3, None]
    assert "--epochs 3" in second.run.command


@pytest.mark.slow
def test_an_interrupted_run_gets_another_length(tmp_path: Path, stop: Callable[..., None], unjudged: None) -> None:
    whole = train(tmp_path / "whole", "gan", 2)
    stop("on_train_batch_start", UserError("interrupted"))
    code, run = start(tmp_path / "run", "gan", *SMALL, "--epochs", "3")
    assert code == 1
    stop()
    assert main(["resume", str(run), "--epochs", "2"]) == 0
    assert_same(run, whole)


def files(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.mark.parametrize(
    ("model", "words", "reasons"),
    [
        ("byol", [], ["the decay of the moving average and the learning rate were planned for 1 epoch", "--init_from"]),
        ("ae", [], ["the learning rate was planned for 1 epoch", "--init_from"]),
        ("Annealing", [], ["the weight of the error was planned for 1 epoch", "--init_from"]),
        ("Reading", [], ["Reading reads trainer.max_epochs", "--init_from"]),
        ("gan", ["--trainer.max_steps", "4"], ["trainer.max_steps ends it", "--init_from"]),
        ("pca", [], ["PCA learns without epochs"]),
    ],
)
def test_a_run_that_depends_on_its_length_is_refused(
    model: str, words: list[str], reasons: list[str], tmp_path: Path, unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path, model, 1, *words)
    before = files(run)
    capsys.readouterr()
    assert main(["resume", str(run), "--epochs", "2"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert all(reason in line for reason in reasons), line
    assert files(run) == before


def test_the_suggested_command_trains_a_new_run_from_these_weights(
    tmp_path: Path, unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path, "ae", 1, "--model.code_dim", "3")
    capsys.readouterr()
    assert main(["resume", str(run), "--epochs", "2"]) == 1
    line = capsys.readouterr().err
    command = shlex.split(line[line.index("unsup train") : line.index(" trains a new run")])
    assert main(command[1:]) == 0
    new = Run(run.with_name("0-002"))
    assert new.config["trainer"]["max_epochs"] == 2 and new.config["model"]["init_args"]["code_dim"] == 3
    assert new.versions["init_from"]["run"] == "digits/ae/0-001"


def test_a_run_is_not_shortened(tmp_path: Path, unjudged: None, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path, "gan", 2, "--evaluate", "no")
    before = files(run)
    capsys.readouterr()
    for epochs, code in (("1", 1), ("0", 2)):
        assert main(["resume", str(run), "--epochs", epochs]) == code
    assert main(["resume", str(run), "--epochs", "2"]) == 1
    assert main(["resume", str(run)]) == 1
    first, second, third, fourth = capsys.readouterr().err.splitlines()
    assert "has been trained for 2 epochs" in first and "at least 1" in second
    assert "is finished" in third and f"unsup resume {run} --epochs" in fourth
    assert files(run) == before


def test_a_checkpoint_of_earlier_code_is_refused(
    tmp_path: Path, unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path, "gan", 1)
    checkpoint = state(run)
    assert checkpoint.pop("schedules") == []
    torch.save(checkpoint, run / "checkpoints" / "last.ckpt")
    assert main(["resume", str(run), "--epochs", "2"]) == 1
    assert "of an earlier version" in capsys.readouterr().err


def test_a_method_that_cannot_start_from_its_own_weights_starts_again(tmp_path: Path, unjudged: None) -> None:
    assert main(["train", "simclr", *SMALL, "--epochs", "1", "--runs", str(tmp_path)]) == 0
    run = tmp_path / "digits" / "selflabel" / "0-001"
    source = str(tmp_path / "digits" / "simclr" / "0-001")
    assert main(["train", "selflabel", *SMALL, "--epochs", "1", "--runs", str(tmp_path), "--init_from", source]) == 0
    with pytest.raises(UserError) as refused:
        unsup.training.train.resume_run(Run(run), 2)
    assert f"from {source}" in str(refused.value) and f"--init_from {run}" not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "longer"),
    [
        ("unsup train gan --epochs 1 --seed 2", "unsup train gan --seed 2 --epochs 9"),
        ("unsup train gan --trainer.max_epochs=1 --epochs=3", "unsup train gan --epochs 9"),
        ("unsup train gan", "unsup train gan --epochs 9"),
        ("", ""),
    ],
)
def test_the_recorded_command_trains_the_longer_run(command: str, longer: str) -> None:
    assert with_epochs(command, 9) == longer
