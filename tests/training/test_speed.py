"""Training does what a plain loop does and little more: the same weights, and few more function calls a step.

Calls are counted, not seconds: the count is the same on a busy machine. A `self.log` in every step, a context for every
hook or a bar redrawn in every step would each be hundreds.
"""

import cProfile
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from tiny import same_weights

from unsup.runs.build import load_data
from unsup.runs.config import compose, resolve
from unsup.training.callbacks.throughput import Throughput
from unsup.training.prepare import prepare_training
from unsup.training.trainer import build_trainer

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from training import Plan, ours, plain


def plan(model: str, *options: tuple[str, Any]) -> Plan:
    """One epoch of the recipe on digits."""
    config = resolve(compose(model, "digits", [], [("trainer.accelerator", "cpu"), *options]))
    return Plan(config, load_data(config), torch.device("cpu"), epochs=1, limit=None)


@pytest.mark.parametrize("model", ["ae", "vae", "gan"])
def test_weights_are_those_of_a_plain_loop(model: str) -> None:
    of = plan(model)
    (*_, by_loop), (_, by_us) = plain(of), ours(of)
    assert same_weights(by_loop, by_us)
    assert not same_weights(by_us, prepare_training(of.config, of.data)[1])  # both have learned


class Calls(Callback):
    """Function calls of an epoch's steps."""

    def __init__(self) -> None:
        self.profile = cProfile.Profile()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.profile.enable()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.profile.disable()


def counted(profile: cProfile.Profile) -> int:
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize(("steps_per_call", "most"), [(1, 5.5), (16, 2.7)])
def test_a_step_has_few_more_calls_than_that_of_a_plain_loop(steps_per_call: int, most: float, tmp_path: Path) -> None:
    of = plan("ae", ("data.steps_per_call", steps_per_call), ("data.batch_size", 16))
    by_loop = cProfile.Profile()
    by_loop.runcall(plain, of)
    watch = Calls()
    data, model = prepare_training(of.config, of.data)
    (tmp_path / "checkpoints").mkdir()
    trainer = build_trainer(of.config, tmp_path, Throughput())
    trainer.callbacks.insert(0, watch)  # type: ignore[attr-defined]
    trainer.fit_loop.max_epochs = 1
    trainer.fit(model, datamodule=data)
    assert trainer.global_step == of.steps
    assert 1 < counted(watch.profile) / counted(by_loop) < most
