"""The curves of a training in TensorBoard."""

from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import Callback

from unsup.models.parts.optim import gradient_norm
from unsup.training.callbacks.schedule import tensorboard_loggers

LAYOUT = {
    "Learning": {
        "loss": ["train/loss", "val/loss"],
        "learning rate": ["train/lr"],
        "gradient norm": ["train/grad_norm"],
        "images a second": ["train/images_per_second"],
    },
    "Representation": {
        "online scores of validation codes": ["online/linear_probe", "online/kmeans_acc", "online/kmeans_nmi"],
        "effective rank of validation codes": ["online/effective_rank"],
    },
}
GAME_LAYOUT = {  # of two players
    "GAN game": {
        "losses": ["train/d_loss", "train/g_loss"],
        "log D(x) and D(G(z))": ["train/log_d_real", "train/d_fake"],
        "gradient norms": ["train/grad_norm_d", "train/grad_norm_g"],
    }
}


class FlushLoggers(Callback):
    """Write curves before each checkpoint, so that a resumed run has no gap."""

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        for logger in trainer.loggers:
            logger.save()


class GradientNorm(Callback):
    """Euclidean norm of the gradients before clipping, logged as often as the losses.

    A method with several optimizers logs the norm of each by itself.
    """

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: Any, optimizer: Any) -> None:
        if not pl_module.logs_this_step or len(trainer.optimizers) > 1:
            return
        norm = gradient_norm(optimizer).item()
        for logger in trainer.loggers:
            logger.log_metrics({"train/grad_norm": norm}, pl_module.iteration)


class Layout(Callback):
    """Related curves in one chart each, as TensorBoard's "custom scalars"."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        chapters = LAYOUT | (GAME_LAYOUT if len(trainer.optimizers) > 1 else {})
        layout = {title: {name: ["Multiline", tags] for name, tags in of.items()} for title, of in chapters.items()}
        for board in tensorboard_loggers(trainer):
            board.experiment.add_custom_scalars(layout)
