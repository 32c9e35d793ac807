"""Trainings that are interrupted, and what is compared of them."""

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from unsup.cli.main import main

OPTIONS = ("--data", "digits", "--epochs", "3", "--trainer.log_every_n_steps", "1")


class Stop(L.Callback):
    """Ends a training in the hook of this name, from the second epoch on, by raising this."""

    def __init__(self, hook: str, error: BaseException) -> None:
        def stop(trainer: L.Trainer, *args: Any) -> None:
            if trainer.current_epoch >= 1:
                raise error

        setattr(self, hook, stop)


def start(root: Path, model: str, *words: str) -> tuple[int, Path]:
    """Exit code and run folder of a training."""
    code = main(["train", model, "--runs", str(root), *(words or OPTIONS)])
    return code, next(root.glob(f"*/{model}/0-001"))


def state(run: Path) -> dict[str, Any]:
    return dict(torch.load(run / "checkpoints" / "last.ckpt", weights_only=True))


def equal(a: Any, b: Any) -> bool:
    """Bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def curves(run: Path) -> dict[str, set[tuple[int, float]]]:
    """The points of each curve. The step after a checkpoint may be drawn twice, with one value."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag != "train/images_per_second"]
    points = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}
    assert all(len(drawn) - len(set(drawn)) <= tag.startswith("train/") for tag, drawn in points.items())
    return {tag: set(drawn) for tag, drawn in points.items()}
