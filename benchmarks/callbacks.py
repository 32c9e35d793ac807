"""What all that watches a training costs: with logger, checkpoints and callbacks, against Lightning's bare trainer.

python benchmarks/callbacks.py [--model deep_ae --data mnist --data_root data --epochs 3 --pairs 5]

Both sides train the first epochs of the recipe's whole plan, one after the other in one process. Pictures and quick
scores come ten times a run, and once more where it ends: of a few epochs they are a larger part than of a whole run.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback

from unsup.build import build_model, prepare
from unsup.callbacks import Throughput
from unsup.config import Config, compose, resolve
from unsup.data.base import ImageData
from unsup.trainer import build_trainer, quiet


class Stop(Callback):
    """Ends a training early, without a change of its plan."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 == self.epochs


def seconds(config: Config, data: ImageData, epochs: int, watched: bool) -> tuple[float, float]:
    """Of processor and of wall time, for the first epochs."""
    L.seed_everything(0, verbose=False)
    model = build_model(config, data)
    with tempfile.TemporaryDirectory() as folder:
        trainer: Any
        if watched:
            trainer = build_trainer(config, Path(folder), Throughput())
            trainer.callbacks.append(Stop(epochs))
        else:
            bare: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
            trainer = L.Trainer(**config["trainer"], **bare, enable_model_summary=False, callbacks=[Stop(epochs)])
        cpu, wall = time.process_time(), time.perf_counter()
        trainer.fit(model, datamodule=data)
        return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="deep_ae")
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--data_root", default="data")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=5)
    args = parser.parse_args()
    config = resolve(compose(args.model, args.data, [], [("data.root", args.data_root)]))
    quiet()
    torch.set_float32_matmul_precision(config["matmul_precision"])
    data = prepare(config)
    seconds(config, data, 1, watched=True)  # what is loaded once is loaded now
    ratios = []
    for pair in range(args.pairs):
        bare, watched = (seconds(config, data, args.epochs, side) for side in (False, True))
        ratios.append([w / b for w, b in zip(watched, bare, strict=True)])
        print(f"pair {pair + 1}: processor {ratios[-1][0]:.3f}, wall {ratios[-1][1]:.3f}", flush=True)
    cpu, wall = (statistics.median(column) for column in zip(*ratios, strict=True))
    what = f"{args.model} on {args.data}, {args.epochs} epochs"
    print(f"{what}: watched / bare {cpu:.3f} of processor time, {wall:.3f} of wall time")


if __name__ == "__main__":
    main()
