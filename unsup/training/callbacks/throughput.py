"""The cost of a training, in seconds, images and views."""

import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback

from unsup.data.batches import BatchGroup
from unsup.runs.reference import wait_for


class Throughput(Callback):
    """Seconds of training, and images a second of its steps alone.

    A resumed run continues all counts; its CPU-seconds are unknown if its checkpoint does not hold them.
    `train/images_per_second` is logged once an epoch.
    """

    takes_groups = True  # of batches, of `unsup.models.parts.single_steps`

    def __init__(self) -> None:
        self.images = 0  # training images seen, by all processes
        self.epoch_rate = 0.0  # images a second in the epoch that ended last
        self._fit, self._steps, self._cpu = Stopwatch(), Stopwatch(), Stopwatch(time.process_time)
        self._other_cpu = 0.0  # seconds of other processes
        self._gpus = 0
        self._views_per_image: int | None = None
        self._cpu_known = True
        self._epoch_start = (0, 0.0)  # images, seconds

    def record(self) -> dict[str, float]:
        """Return what the training cost, in the names of a report's `run`."""
        record: dict[str, float] = {"train_seconds": self._fit.seconds, "images_seen": self.images}
        if self._cpu_known:
            record["cpu_seconds"] = self._cpu.seconds + self._other_cpu
        if self._gpus:
            record["gpu_seconds"] = self._fit.seconds * self._gpus
        if self.images:  # in steps; a fit counts neither images nor views
            record["images_per_second"] = self.images / self._steps.seconds
            if self._views_per_image is not None:
                record["views_seen"] = self.images * self._views_per_image
        return record

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._fit.start()
        self._cpu.start()
        self._gpus = trainer.world_size if pl_module.device.type == "cuda" else 0
        self._views_per_image = pl_module.views_per_image

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._steps.start()
        self._epoch_start = (self.images, self._steps.seconds)

    on_train_start = on_train_epoch_start  # a run resumed in the middle of an epoch does not start that epoch

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any) -> None:
        batch = args[1]  # (x, index), or several of them
        self.images += trainer.world_size * (batch.num_images if isinstance(batch, BatchGroup) else len(batch[0]))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        wait_for(pl_module.device)
        self._steps.stop()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.sanity_checking:
            self._steps.start()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        wait_for(pl_module.device)
        self._steps.stop()
        images, seconds = self._epoch_start
        self.epoch_rate = (self.images - images) / max(self._steps.seconds - seconds, 1e-9)
        for logger in trainer.loggers:
            logger.log_metrics({"train/images_per_second": self.epoch_rate}, pl_module.iteration)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._fit.stop()
        self._cpu.stop()
        if trainer.world_size > 1:
            own = torch.tensor(self._cpu.seconds, device=pl_module.device)
            self._other_cpu = float(trainer.strategy.reduce(own, reduce_op="sum")) - self._cpu.seconds

    def state_dict(self) -> dict[str, float]:
        seconds = {"fit": self._fit.seconds, "steps": self._steps.seconds}
        return {"images": self.images} | seconds | ({"cpu": self._cpu.seconds} if self._cpu_known else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.images = state_dict["images"]
        self._fit.past, self._steps.past = state_dict["fit"], state_dict["steps"]
        self._cpu.past = state_dict.get("cpu", 0.0)
        self._cpu_known = "cpu" in state_dict  # not in checkpoints of earlier code


class Stopwatch:
    """A stopwatch that accumulates, on which a second start has no effect.

    Args:
        clock: seconds from any moment on.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.past = 0.0
        self._clock = clock
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        return self.past + (0.0 if self._since is None else self._clock() - self._since)

    def start(self) -> None:
        self._since = self._clock() if self._since is None else self._since

    def stop(self) -> None:
        self.past, self._since = self.seconds, None
