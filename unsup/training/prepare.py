"""The images and the model of a training, checked before there is a run folder."""

import logging

import lightning.pytorch as L
import torch

from unsup.core.commands import option as option_text
from unsup.core.errors import UsageError
from unsup.data.base import ImageData
from unsup.models.base import Model
from unsup.models.parts.optim import named_optimizer
from unsup.runs.build import build
from unsup.runs.config import Config
from unsup.runs.precision import EMULATED, emulated
from unsup.training.trainer import silence_libraries

log = logging.getLogger(__name__)


def prepare_training(config: Config, data: ImageData | None = None) -> tuple[ImageData, Model]:
    """Return the prepared images, and the model initialised from the seed."""
    silence_libraries()
    torch.set_float32_matmul_precision(config["matmul_precision"])
    if emulated(config["trainer"]):
        log.info(f"trainer.precision {config['trainer']['precision']}: {EMULATED}, 32-true is about ten times as fast")
    L.seed_everything(config["seed"], verbose=False)
    data, model = build(config, data)
    model.optimizer = config["optimizer"]
    if model.optimizer:
        named_optimizer(model.optimizer, model.lr)  # raises before there is a run folder
        if not has_gradients(model):
            raise UsageError(f"optimizer: {config['recipe']} is not trained by gradients: leave it out")
    if mode := config["compile"]:
        if type(model).training_step is not Model.training_step:
            raise UsageError(f"compile: {type(model).__name__} has its own training_step: set it to null")
        model.compiled_losses = torch.compile(model.losses, mode=mode, dynamic=False)
    refuse_no_steps(config, model)
    data.prepare_data()
    data.setup("fit")
    return data, model


def refuse_no_steps(config: Config, model: Model) -> None:
    """Raise `UsageError` if a gradient-trained model would take zero steps."""
    learns_otherwise = hasattr(model, "fit") or not has_gradients(model)
    for option in ("max_epochs", "max_steps", "limit_train_batches"):
        if config["trainer"].get(option) == 0 and not learns_otherwise and not config["init_from"]:
            more = option_text("epochs", "1") if option == "max_epochs" else f"trainer.{option} 1"
            raise UsageError(f"trainer.{option} is 0: {config['recipe']} would learn nothing, give at least {more}")


def has_gradients(model: Model) -> bool:
    """Return whether any parameter is trained by gradients."""
    return any(p.requires_grad for p in model.parameters())
