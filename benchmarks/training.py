"""Compare training here with a plain PyTorch loop and with other projects.

Sides: a plain loop (a), this project as `make train` runs it (b), Lightning's defaults and pythae (c, d in peers.py).

All of them train the same network on the same loss in the same precision (that of the recipe; c also in default
float32), on MNIST's 55,000 training images. a is the practical limit: tensors in memory, the model's own losses, its
optimizer and schedule, and nothing else. b has everything on: TensorBoard, checkpoints, progress bar, callbacks,
validation. The first tenth of the recipe's plan is measured, with a tenth of its pictures and online scores. The
weights of a and b are compared bit for bit.
"""

import gc
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback
from peers import PYTHAE, pythae, usual
from timing import Clock, Seconds, per, rates, ratios, shown, table, terminal
from torch import Tensor

from unsup.core.seeds import derived_seed, seed_noise
from unsup.data.base import ImageData
from unsup.data.batches import to_unit
from unsup.models.base import Model
from unsup.models.gan import GAN, ema_step_size
from unsup.models.parts.layers import keep_statistics, move_towards
from unsup.models.parts.optim import adamw, annealed
from unsup.runs.build import build_data
from unsup.runs.config import Config, compose, resolve
from unsup.training.callbacks.throughput import Throughput
from unsup.training.prepare import prepare_training
from unsup.training.trainer import build_trainer

MOST, LEAST = 25, 60  # rounds at most, unless they take fewer seconds than this
LIMIT = {"ae": 0.90, "deep_ae": 0.95, "vae": 0.95, "conv_ae": 0.95, "gan": 0.95}
USUAL = {"ae": 6.0, "vae": 2.0, "deep_ae": 1.5}
GOALS: dict[str, dict[str, float]] = {  # least ratios of images a second
    "b/a": LIMIT,
    "b/(a + validation)": LIMIT,
    "b/c": USUAL,
    "b/c in float32": USUAL,
    "b/d": {"ae": 2.0},
}


@dataclass(frozen=True)
class Plan:
    """A training, and how much of it is measured."""

    config: Config
    data: ImageData
    device: torch.device
    epochs: int  # measured
    limit: int | None  # batches of an epoch; None: all

    @property
    def steps(self) -> int:
        """Return the number of batches in an epoch."""
        return min(self.data.steps_per_epoch, self.limit or self.data.steps_per_epoch)

    @property
    def images(self) -> int:
        """Return the number of training images measured."""
        return self.epochs * round(self.data.size("train") * self.steps / self.data.steps_per_epoch)


def planned(name: str, options: Any, limit: int | None) -> Plan:
    """Return the plan of a recipe on MNIST.

    Raises:
        UserError: MNIST is missing.
    """
    overrides = [("data.root", options.data_root), ("data.batch_size", options.batch_size)]
    overrides += [("trainer.accelerator", options.accelerator)]
    if limit:  # counted in calls of training_step
        overrides += [("trainer.limit_train_batches", limit), ("data.steps_per_call", 1)]
        overrides += [("trainer.limit_val_batches", 2)]
    elif options.steps_per_call:
        overrides += [("data.steps_per_call", options.steps_per_call)]
    config = resolve(compose(name, "mnist", [], overrides))
    data = build_data(config)
    data.setup("fit")
    torch.set_float32_matmul_precision(config["matmul_precision"])
    cuda = options.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    epochs = max(1, round(config["trainer"]["max_epochs"] / 10))
    return Plan(config, data, torch.device("cuda", 0) if cuda else torch.device("cpu"), epochs, limit)


# ---- a: the plain loop ----------------------------------------------------------------------------------------------


def plain(plan: Plan) -> tuple[Seconds, Seconds, Model]:
    """Return the seconds of the steps and of validation (once an epoch), and the model."""
    seed, device, data = plan.config["seed"], plan.device, plan.data
    _, model = prepare_training(plan.config, data)
    model.to(device).train()
    step = game(model) if isinstance(model, GAN) else descent(model, plan.steps * plan.config["trainer"]["max_epochs"])
    cast = plan.config["trainer"].get("precision") == "bf16-mixed"
    autocast = partial(torch.autocast, device.type, torch.bfloat16, cast, cache_enabled=False)  # as Lightning's
    images, rows = data._get_images("train", device), torch.from_numpy(data._get_rows("train"))
    clock, number = Clock(device), 0
    for epoch in range(plan.epochs):
        generator = torch.Generator().manual_seed(derived_seed(seed, "order", epoch))
        order = rows[torch.randperm(len(rows), generator=generator)].to(device)
        for part in order.tensor_split(data.steps_per_epoch)[: plan.steps]:
            seed_noise(device, seed, "step", number * model.steps_per_batch, 0)
            with autocast():
                step(images.index_select(0, part).float().mul_(1 / 255))
            number += 1
    steps, clock = clock.seconds(), Clock(device)
    model.eval()
    with torch.no_grad(), autocast():
        held_out = data._get_images("val", device)
        for part in torch.from_numpy(data._get_rows("val")).to(device).split(data.batch_size):
            model.losses(to_unit(held_out.index_select(0, part)))
    once = clock.seconds()
    return steps, Seconds(plan.epochs * once.cpu, plan.epochs * once.wall), model


def descent(model: Model, total: int) -> Callable[[Tensor], None]:
    """Take a step of one optimizer on a batch x."""
    made = annealed(model, adamw(model.lr, model.beta2), model.weight_decay, lambda: total)
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]

    def step(x: Tensor) -> None:
        learn(optimizer, model.losses(x)["loss"])
        schedule.step()

    return step


def game(model: GAN) -> Callable[[Tensor], None]:
    """Take a step of the discriminator, then of the generator, each alone with gradients."""
    d_optimizer, g_optimizer = model.configure_optimizers()
    count = itertools.count(1)

    def step(x: Tensor) -> None:
        model.discriminator.requires_grad_(True)
        model.generator.requires_grad_(False)
        loss, _ = model.discriminate(x, model.fake_images(len(x)))
        learn(d_optimizer, loss)
        model.discriminator.requires_grad_(False)
        model.generator.requires_grad_(True)
        with keep_statistics(model.discriminator):
            loss, _ = model.deceive(model.fake_images(len(x)))
        learn(g_optimizer, loss)
        if model.averaged is not None:
            share = ema_step_size(next(count), model.ema)
            move_towards(model.averaged.state_dict().values(), model.generator.state_dict().values(), share)

    return step


def learn(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


# ---- b: this project ------------------------------------------------------------------------------------------------


class Window(Callback):
    """Time the first epochs of a plan, checkpoints included, then stop training."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.found: Seconds | None = None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch == 0:
            self.clock = Clock(self.plan.device)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 == self.plan.epochs

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.found = self.clock.seconds()


def ours(plan: Plan) -> tuple[Seconds, Model]:
    data, model = prepare_training(plan.config, plan.data)
    window = Window(plan)
    with tempfile.TemporaryDirectory() as run:
        (Path(run) / "checkpoints").mkdir()
        trainer = build_trainer(plan.config, Path(run), Throughput(), model.unused_parameters)
        trainer.callbacks.insert(0, window)  # type: ignore[attr-defined]
        with terminal():
            trainer.fit(model, datamodule=data)
    assert window.found is not None
    return window.found, model


# ---- all sides ------------------------------------------------------------------------------------------------------


def measure(options: Any) -> dict[str, Any]:
    """Return images per second of each side, ratios of pairs, and if weights are equal."""
    return {name: of_model(name, options) for name in options.models}


def of_model(name: str, options: Any) -> dict[str, Any]:
    ours(planned(name, options, limit=2))  # a warm-up
    plan = planned(name, options, limit=5 if options.quick else None)
    epochs, batch = f"{plan.epochs} of {plan.config['trainer']['max_epochs']} epochs", plan.data.batch_size
    print(f"{name}: {epochs}, {plan.steps} steps of {batch} images each", flush=True)
    found: dict[str, list[Seconds]] = {}  # of an image
    equal: list[bool] = []
    clock = Clock()
    while len(equal) < options.pairs or (len(equal) < MOST and clock.seconds().wall < LEAST and not options.quick):
        gc.collect()  # frees what the last round left
        steps, validation, by_loop = plain(plan)
        whole, by_us = ours(plan)
        weights = by_us.state_dict()
        equal.append(all(torch.equal(v, weights[k].to(v.device)) for k, v in by_loop.state_dict().items()))
        sides = {"a": steps, "(a + validation)": steps + validation, "b": whole}
        sides = {side: per(seconds, plan.images) for side, seconds in sides.items()} | {"c": usual(plan)}
        sides |= {"d": peer} if (peer := pythae(plan)) else {}
        if plan.config["matmul_precision"] != "highest" and not options.quick:
            sides["c in float32"] = usual(plan, own_arithmetic=True)
        for side, seconds in sides.items():
            found.setdefault(side, []).append(seconds)
        speeds = ", ".join(f"{side} {1 / seconds.cpu:,.0f}" for side, seconds in sides.items())
        print(f"  round {len(equal)}: images/s of processor time: {speeds}; equal weights: {equal[-1]}", flush=True)
    return {
        "measured": f"{epochs}, {plan.steps} steps of {batch} images each, {len(equal)} rounds",
        "whole_epochs": plan.limit is None,
        "steps_per_call": plan.data.steps_per_call,
        "equal_weights": all(equal),
        "images_per_second": {side: rates(of) for side, of in found.items()},
        **{f"b/{side}": ratios(of, found["b"]) for side, of in found.items() if side != "b"},
    }


def told(found: dict[str, Any]) -> str:
    speeds, rows = [], []
    for name, row in found.items():
        of = row["images_per_second"]
        speeds.append([name, *(f"{of[side]['wall']:,}" if side in of else "" for side in "abcd"), row["equal_weights"]])
        for pair, goals in GOALS.items():
            if pair in row:
                goal = goals.get(name) if row["whole_epochs"] else None
                verdict = "" if goal is None else "reached" if row[pair]["cpu"]["median"] >= goal else "MISSED"
                rows.append([name, pair, shown(row[pair]["cpu"]), shown(row[pair]["wall"]), goal or "", verdict])
    return (
        table(["images/s, wall", "a", "b", "c", "d", "weights a = b"], speeds)
        + "\n\n"
        + table(["ratio of images/s", "", "processor time", "wall time", "goal", ""], rows)
        + f"\na plain loop, b unsup, c Lightning's defaults, d pythae ({PYTHAE})"
    )
