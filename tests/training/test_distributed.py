"""Two processes train one run: the same weights on both, their own images and noise, one folder, one report."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from interruptions import OPTIONS, equal, state
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from unsup.cli.main import main
from unsup.runs.config import compose, resolve
from unsup.runs.run import Run
from unsup.training import distributed
from unsup.training.trainer import trainer_arguments

TOP = Path(__file__).parents[2]
TWO = ("--trainer.accelerator", "cpu", "--trainer.devices", "2")

# `unsup` without evaluations; each process leaves a witness. With STOP both fail in the second epoch.
SCRIPT = """
import hashlib, json, os, sys
import lightning.pytorch as L
import torch
import unsup.training.train, unsup.training.trainer
from unsup.cli.main import main
from unsup.core.errors import UserError

class Witness(L.Callback):
    def __init__(self):
        self.seen = {"images": [], "noise": [], "val": []}
    def on_train_batch_start(self, trainer, model, batch, i):
        if os.environ.get("STOP") and trainer.current_epoch == 1:
            raise UserError("stopped")
        if trainer.current_epoch == 0:
            self.seen["images"] += batch[1].tolist()
            with torch.random.fork_rng([]):
                model.on_train_batch_start(batch, i)
                self.seen["noise"].append(torch.rand(1).item())
    def on_validation_end(self, trainer, model):
        self.seen["val"].append(trainer.callback_metrics["val/loss"].item())
    def on_fit_end(self, trainer, model):
        weights = b"".join(p.detach().numpy().tobytes() for p in model.parameters())  # buffers are each one's own
        seen = {**self.seen, "weights": hashlib.sha256(weights).hexdigest(), "run": trainer.default_root_dir}
        with open(f"{os.environ['WITNESS']}/{trainer.global_rank}.json", "w") as file:
            json.dump(seen, file)

usual = unsup.training.trainer.callbacks
unsup.training.trainer.callbacks = lambda throughput: [*usual(throughput), Witness()]
unsup.training.train.evaluate_run = lambda *args, **kwargs: None
sys.exit(main(sys.argv[1:]))
"""


def run(folder: Path, *words: str, launcher: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
    """The script with these words, started; its witnesses come into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "script.py"
    script.write_text(SCRIPT)
    known = {key: value for key, value in os.environ.items() if key not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    return subprocess.Popen(
        [sys.executable, *launcher, str(script), *words],
        cwd=TOP,
        env={**known, "PYTHONPATH": str(TOP), "WITNESS": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process: subprocess.Popen[str], code: int = 0) -> str:
    text, _ = process.communicate(timeout=300)
    assert process.returncode == code, text
    return text


def witnesses(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


NIGHTLY = [pytest.param(model, marks=pytest.mark.nightly) for model in ("ae", "vae")]


def free_port() -> str:
    with socket.socket() as s:
        s.bind(("localhost", 0))
        return str(s.getsockname()[1])


@pytest.mark.parametrize("model", [pytest.param("gan", marks=pytest.mark.slow), *NIGHTLY])
def test_two_processes_are_one_training(model: str, tmp_path: Path) -> None:
    text = end(run(tmp_path, "train", model, *OPTIONS, *TWO, "--runs", str(tmp_path)))
    assert text.count("epoch 3/3") == 1 and text.count(f"{model} on digits") == 1
    one, other = witnesses(tmp_path)
    assert one["weights"] == other["weights"] and one["run"] == other["run"]
    assert not set(one["images"]) & set(other["images"]) and len(one["images"]) == len(other["images"])
    assert not set(one["noise"]) & set(other["noise"])
    assert one["val"] == other["val"]
    folder = tmp_path / "digits" / model
    assert [p.name for p in folder.iterdir()] == ["0-001"] and (folder / "0-001" / "training.json").exists()


@pytest.mark.slow
def test_a_synced_loss_is_that_of_one_process(tmp_path: Path, unjudged: None) -> None:
    """Of the same network, which steps of 1e-30 leave as it is: validation of two halves against the whole."""
    options = ("--data", "digits", "--epochs", "1", "--model.lr", "1e-30")
    end(run(tmp_path, "train", "ae", *options, *TWO, "--runs", str(tmp_path)))
    assert main(["train", "ae", *options, "--runs", str(tmp_path / "alone")]) == 0
    events = EventAccumulator(str(tmp_path / "alone" / "digits" / "ae" / "0-001")).Reload()
    (alone,) = events.Scalars("val/loss")
    assert witnesses(tmp_path)[0]["val"] == [pytest.approx(alone.value, rel=1e-5)]


@pytest.mark.nightly
def test_torchrun_and_two_nodes_train_the_same(tmp_path: Path) -> None:
    words = ("train", "vae", *OPTIONS, "--trainer.accelerator", "cpu")
    ours = tmp_path / "lightning"
    end(run(ours, *words, "--trainer.devices", "2", "--runs", str(ours)))

    one_node = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", free_port())
    torchrun = tmp_path / "torchrun"
    end(run(torchrun, *words, "--trainer.devices", "2", "--runs", str(torchrun), launcher=one_node))

    nodes, port = tmp_path / "nodes", free_port()
    agents = [
        run(
            nodes,
            *(*words, "--trainer.devices", "1", "--trainer.num_nodes", "2", "--runs", str(nodes)),
            launcher=(
                *("-m", "torch.distributed.run", "--nnodes", "2", "--nproc_per_node", "1", "--node_rank", rank),
                *("--master_addr", "localhost", "--master_port", port),
            ),
        )
        for rank in ("0", "1")
    ]
    for agent in agents:
        end(agent)
    for folder in (torchrun, nodes):
        assert witnesses(folder)[0]["weights"] == witnesses(folder)[1]["weights"] == witnesses(ours)[0]["weights"]
        assert [p.name for p in (folder / "digits" / "vae").iterdir()] == ["0-001"]


@pytest.mark.nightly
def test_a_run_of_two_processes_goes_on_exactly(tmp_path: Path) -> None:
    words = ("train", "gan", *OPTIONS, *TWO)
    whole, half = tmp_path / "whole", tmp_path / "half"
    end(run(whole, *words, "--runs", str(whole)))
    end(run(half, *words, "--runs", str(half), STOP="1"), code=1)
    stopped = half / "digits" / "gan" / "0-001"
    assert state(stopped)["epoch"] == 0
    end(run(half, "resume", str(stopped)))
    ours, theirs = state(stopped), state(whole / "digits" / "gan" / "0-001")
    assert all(equal(ours[key], theirs[key]) for key in ("state_dict", "optimizer_states", "global_step", "epoch"))


def test_a_game_of_two_players_leaves_parameters_out() -> None:
    config = resolve(compose("gan", "digits", options=[("trainer.devices", 2), ("trainer.strategy", "ddp")]))
    assert trainer_arguments(config, unused_parameters=True)["strategy"] == "ddp_find_unused_parameters_true"
    assert trainer_arguments(config, unused_parameters=False)["strategy"] == "ddp"
    alone = resolve(compose("gan", "digits"))
    assert "strategy" not in trainer_arguments(alone, unused_parameters=True)


def test_one_process_is_the_first_and_makes_the_folder(tmp_path: Path) -> None:
    class Alone:
        world_size = 1

    run = Run(tmp_path)
    assert distributed.is_main_process() and distributed.share_run(Alone(), lambda: run) is run  # type: ignore[arg-type]
    distributed.leave_process_group()
    assert distributed.RUN_VARIABLE not in os.environ and not torch.distributed.is_initialized()
