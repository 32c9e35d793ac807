"""The number of PyTorch's threads: chosen when a run starts, recorded, and the same whenever the run is used again."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from interruptions import start

import unsup.training.train
from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.core.files import write_json
from unsup.core.threads import Cores
from unsup.evaluation.existing_runs import RunIndex, identity_of
from unsup.runs.config import compose, resolve
from unsup.runs.init_from import source_config
from unsup.runs.run import Run
from unsup.runs.threads import threads_and_note, use_threads
from unsup.training.plan import parse_grid, plan
from unsup.training.train import threads_for

EPOCH = ("--data", "digits", "--epochs", "1")
NUMBER = "OMP_NUM_THREADS"


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What torch takes on a machine with four cores, two of them busy, and nothing in the environment."""
    with use_threads(4):
        monkeypatch.delenv(NUMBER)
        monkeypatch.setattr("unsup.runs.threads.cores_now", lambda: Cores(4, busy=2))
        yield
        monkeypatch.undo()


@pytest.fixture
def evaluated_with(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of threads in each evaluation; nothing is evaluated."""
    seen: list[int] = []

    def evaluate(*args: Any, **kwargs: Any) -> None:
        seen.append(torch.get_num_threads())
        raise UserError("far enough")

    monkeypatch.setattr("unsup.evaluation.run.cached_selfcheck", evaluate)
    return seen


def recorded(run: Path) -> int | None:
    return Run(run).versions.get("threads")


def record(run: Path, threads: Any) -> None:
    versions = json.loads((run / "versions.json").read_text()) | {"threads": threads}
    write_json(run / "versions.json", {key: value for key, value in versions.items() if value is not None})


# ---- the choice ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("four_threads")
def test_idle_cores_the_environment_and_the_option_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads_and_note("auto") == (2, "2 of 4 cores are busy: 2 threads (--threads sets a number)")
    monkeypatch.setattr("unsup.runs.threads.cores_now", lambda: None)
    assert threads_and_note("auto") == (4, "")
    monkeypatch.setattr("unsup.runs.threads.cores_now", lambda: pytest.fail("the environment says it"))
    monkeypatch.setenv(NUMBER, "4")
    assert threads_and_note("auto") == (4, "")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert threads_and_note(4) == (4, "")
    assert threads_and_note(1000) == (1000, "1000 threads on 4 cores get in each other's way")


def test_children_work_with_the_same_number_and_afterwards_all_is_as_before() -> None:
    usual, environment = torch.get_num_threads(), os.environ.get(NUMBER)
    with pytest.raises(UserError), use_threads(usual + 1):
        assert torch.get_num_threads() == usual + 1 and os.environ[NUMBER] == str(usual + 1)
        with use_threads(None):
            assert torch.get_num_threads() == usual + 1
        raise UserError("a mistake")
    assert torch.get_num_threads() == usual and os.environ.get(NUMBER) == environment


def test_several_devices_leave_it_to_lightning() -> None:
    config = resolve(compose("ae", "digits", [], [("trainer.devices", 2)]))
    assert threads_for(config) is None
    assert threads_for(config | {"threads": 3}) == 3


@pytest.mark.usefixtures("four_threads", "unjudged")
def test_a_run_says_and_records_the_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, run = start(tmp_path, "ae", *EPOCH)
    assert code == 0 and recorded(run) == 2 and Run(run).config["threads"] == "auto"
    assert capsys.readouterr().out.startswith(
        "2 of 4 cores are busy: 2 threads (--threads sets a number)\nae on digits"
    )
    assert torch.get_num_threads() == 4


# ---- the same number later -------------------------------------------------------------------------------------------


def test_resume_and_evaluate_use_the_recorded_number(
    tmp_path: Path, stop: Callable[..., None], evaluated_with: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_with = []
    prepare_training = unsup.training.train.prepare_training

    def begun(*args: Any) -> Any:
        trained_with.append(torch.get_num_threads())
        return prepare_training(*args)

    monkeypatch.setattr(unsup.training.train, "prepare_training", begun)
    usual = torch.get_num_threads()
    stop("on_train_epoch_start", RuntimeError("power cut"))
    with pytest.raises(RuntimeError, match="power cut"):
        start(tmp_path, "ae", "--data", "digits", "--epochs", "2", "--threads", str(usual + 1))
    stop()
    run = tmp_path / "digits" / "ae" / "0-001"
    assert recorded(run) == usual + 1
    assert main(["resume", str(run)]) == 1 and main(["evaluate", str(run)]) == 1
    assert trained_with == [usual + 1] * 2 and evaluated_with == [usual + 1] * 2
    record(run, None)  # as runs were recorded earlier
    assert main(["resume", str(run)]) == 1 and main(["evaluate", str(run)]) == 1
    assert evaluated_with[2:] == [usual] * 2 and torch.get_num_threads() == usual


@pytest.mark.usefixtures("unjudged")
@pytest.mark.parametrize("number", [0, -3, "two", 1.5, 10**12])
def test_a_damaged_number_is_one_line(number: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, run = start(tmp_path, "pca", "--data", "digits")
    record(run, number)
    assert main(["evaluate", str(run)]) == 1
    assert capsys.readouterr().err == f"unsup: {run / 'versions.json'} is missing or damaged: train this run again\n"


# ---- what it does not change -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unjudged")
def test_runs_with_another_number_are_runs_of_the_same_configuration(tmp_path: Path) -> None:
    _, run = start(tmp_path, "pca", "--data", "digits", "--threads", "2")
    assert Run(run).config["threads"] == 2
    auto = resolve(compose("pca", "digits"))
    assert auto["threads"] == "auto" and identity_of(auto) == identity_of(auto | {"threads": 2})
    assert [same.folder for same in RunIndex(tmp_path).matching(auto)] == [run]


def test_a_sweep_gives_its_number_to_every_run_and_varies_none() -> None:
    (job,) = plan(["ae"], "digits", [0], {}, [("threads", 2)], Path("runs"))
    assert job.config["threads"] == 2 and job.words[-4:] == ("--threads", "2", "--runs", "runs")
    with pytest.raises(UserError, match="--grid threads: a grid is made of dotted options"):
        parse_grid(["threads=1,2"])


def test_a_stage_before_is_trained_with_the_same_number() -> None:
    config = resolve(compose("selflabel", "digits"))
    source, options = source_config(config | {"threads": 2})
    assert source["threads"] == 2 and options[-1] == ("threads", 2)
    source, options = source_config(config)
    assert source["threads"] == "auto" and "threads" not in dict(options)
