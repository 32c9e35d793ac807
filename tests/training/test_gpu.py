"""On an accelerator: no step waits for the device, and what must be told is told. Skipped where there is none."""

from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from models.test_contract import RECIPES, build, trained
from tiny import TinyDigits, digits, trainer

from unsup.core.errors import UserError
from unsup.models.base import Model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


class NoWaiting(Callback):
    """In the steps of an epoch after its first, torch raises where the processor would wait for the device."""

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        torch.cuda.set_sync_debug_mode(
            "error" if trainer.current_epoch == 1 and not pl_module.logs_this_step else "default"
        )

    def on_train_batch_end(self, *args: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")

    def on_exception(self, *args: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")


def fit(model: Model, data: TinyDigits, epochs: int = 2, **kwargs: Any) -> L.Trainer:
    t = trainer(epochs, accelerator="cuda", devices=1, log_every_n_steps=4, **kwargs)
    t.fit(model, datamodule=data)
    return t


@pytest.mark.parametrize("name", RECIPES)
def test_no_step_waits_for_the_device(name: str) -> None:
    model = build(name)
    if model.needs_init:
        pytest.skip("starts from another run")
    if not any(p.requires_grad for p in model.parameters()):
        pytest.skip("learns nothing by gradients")
    fit(model, TinyDigits(), callbacks=[NoWaiting()], precision="bf16-mixed")
    assert all(torch.isfinite(p).all() for p in model.parameters())


@pytest.mark.parametrize("name", ["ae", "conv_ae"])  # methods that draw nothing: devices have their own noise
def test_weights_are_near_those_of_the_processor(name: str) -> None:
    """Few steps, full precision: the arithmetic of another device, not another method."""
    on_cpu, on_gpu = trained(name), build(name)
    fit(on_gpu, TinyDigits(), epochs=10)
    x = digits()
    ours, theirs = on_gpu.cpu().eval().encode(x), on_cpu.encode(x)
    assert (ours - theirs).norm() < 0.05 * theirs.norm()


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    model = build("ae")
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(UserError, match="no longer finite at step 0"):
        fit(model, TinyDigits())


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_losses_are_the_same(mode: str) -> None:
    eager, compiled = build("ae"), build("ae")
    compiled.compiled_losses = torch.compile(compiled.losses, mode=mode, dynamic=False)
    for model in (eager, compiled):
        fit(model, TinyDigits(), epochs=3)
    x = digits()
    with torch.no_grad():
        ours, theirs = compiled.cpu().eval().encode(x), eager.cpu().eval().encode(x)
    assert (ours - theirs).norm() < 0.02 * theirs.norm()
