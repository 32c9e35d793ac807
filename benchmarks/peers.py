"""Train the same networks and losses with plain Lightning and with pythae."""

import tempfile
from typing import Any, cast

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback
from timing import Clock, Seconds, per, terminal
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST

from unsup.models.base import Model
from unsup.models.conv_ae import ConvAE
from unsup.models.gan import GAN
from unsup.runs.build import build_model

STEPS = 50  # at most, of training and of validation each, without a checkpoint

try:
    from pythae.data.datasets import BaseDataset
    from pythae.models.base.base_utils import ModelOutput
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    PYTHAE = "its trainer, one epoch"
except ImportError:
    PYTHAE = "skipped: it is not installed"


# ---- c: Lightning as usually written ----------------------------------------------------------------------------


class Usual(L.LightningModule):
    """A plain LightningModule that logs its loss in every step, with default Adam."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.model.losses(batch[0])["loss"]
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.model.losses(batch[0])["loss"], prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.model.lr)


class UsualGAN(L.LightningModule):
    """A GAN as in Lightning's own example: two optimizers, losses logged in every step."""

    model: GAN

    def __init__(self, model: GAN) -> None:
        super().__init__()
        self.model = model
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        d_optimizer, g_optimizer = cast(list[Any], self.optimizers())
        x = batch[0]
        self.toggle_optimizer(g_optimizer)
        g_loss, _ = self.model.deceive(self.model.fake_images(len(x)))
        self.log("g_loss", g_loss, prog_bar=True)
        self.manual_backward(g_loss)
        g_optimizer.step()
        g_optimizer.zero_grad()
        self.untoggle_optimizer(g_optimizer)
        self.toggle_optimizer(d_optimizer)
        d_loss, _ = self.model.discriminate(x, self.model.fake_images(len(x)).detach())
        self.log("d_loss", d_loss, prog_bar=True)
        self.manual_backward(d_loss)
        d_optimizer.step()
        d_optimizer.zero_grad()
        self.untoggle_optimizer(d_optimizer)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val_loss", self.model.losses(batch[0])["loss"], prog_bar=True)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        players = (self.model.discriminator, self.model.generator)
        return [torch.optim.Adam(p.parameters(), lr=self.model.lr, betas=(0.5, 0.999)) for p in players]


class Steps(Callback):
    """A clock from the first step to the end of validation, before the checkpoint."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.found: Seconds | None = None
        self.images = 0

    def on_train_start(self, *args: Any) -> None:
        self.clock = Clock(self.device)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.images += len(batch[0])

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self.found = self.clock.seconds()


def usual(plan: Any, own_arithmetic: bool = False) -> Seconds:
    """Return the time per image, in the precision of the recipe or in default float32."""
    torch.set_float32_matmul_precision("highest" if own_arithmetic else plan.config["matmul_precision"])
    model, config = build_model(plan.config, plan.data), plan.config["trainer"]
    whole = MNIST(plan.data.root, train=True, transform=transforms.ToTensor())
    train, val = (
        DataLoader(Subset(whole, plan.data._get_rows(split).tolist()), plan.data.batch_size, split == "train")
        for split in ("train", "val")
    )
    limit, share = min(STEPS, plan.steps), plan.data.size("val") / plan.data.size("train")
    steps = Steps(plan.device)
    module = UsualGAN(model) if isinstance(model, GAN) else Usual(model)
    with tempfile.TemporaryDirectory() as folder, terminal():
        trainer = L.Trainer(
            accelerator=config["accelerator"],
            devices=1,
            precision="32-true" if own_arithmetic else config.get("precision", "32-true"),
            default_root_dir=folder,
            callbacks=[steps],
            max_epochs=1,
            limit_train_batches=limit,
            limit_val_batches=max(1, round(limit * share)),
        )
        trainer.fit(module, train, val)
    assert steps.found is not None
    return per(steps.found, steps.images)


# ---- d: pythae's trainer --------------------------------------------------------------------------------------------


class Adapted(nn.Module):
    """One of our models with the interface of pythae's trainer."""

    model_config = None
    model_name = "unsup"

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Any, **kwargs: Any) -> Any:
        return ModelOutput(loss=self.model.losses(inputs["data"])["loss"])

    def update(self) -> None: ...

    def save(self, folder: str) -> None:
        torch.save(self.state_dict(), f"{folder}/model.pt")


def pythae(plan: Any) -> Seconds | None:
    """Return the time per image of an epoch with validation, or None without pythae.

    Convolutional networks also give None.
    """
    model = build_model(plan.config, plan.data)
    if PYTHAE.startswith("skipped") or isinstance(model, GAN | ConvAE):
        return None
    n = plan.images // plan.epochs
    train, val = (torch.cat(list(plan.data.batches(split))) for split in ("train", "val"))
    sets = [BaseDataset(x, torch.ones(len(x))) for x in (train[:n], val)]
    with tempfile.TemporaryDirectory() as folder, terminal():
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=1,
            learning_rate=model.lr,
            per_device_train_batch_size=plan.data.batch_size,
            per_device_eval_batch_size=plan.data.batch_size,
            no_cuda=plan.device.type != "cuda",
        )
        trainer = BaseTrainer(Adapted(model), *sets, training_config=config)
        clock = Clock(plan.device)
        trainer.train()
        found = clock.seconds()
    return per(found, n)
