"""Measure training on a GPU, as images per second and share of the matmul peak.

python benchmarks/gpu.py [--data_root data --images folder --rows ae vae … --out benchmarks/gpu.json]

A row is a recipe with an option, trained as `make train` does (TensorBoard, checkpoints, progress, all callbacks) on
resident data for a few seconds after a warm-up. Images per second are those of the epochs after the first. FLOPs are
counted by torch's FlopCounterMode in one step of the losses and their gradients.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import unsup  # noqa: F401  (before PyTorch: it sets how threads wait)

# isort: split
import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

from unsup.data.base import ImageData
from unsup.models.base import Model
from unsup.runs.build import load_data
from unsup.runs.config import Config, compose, resolve
from unsup.training.callbacks.throughput import Throughput
from unsup.training.prepare import prepare_training
from unsup.training.trainer import build_trainer, silence_libraries

DRIVER = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
SECONDS = 2.5  # per row, at least; at least two epochs too
Options = list[tuple[str, Any]]
BF16: Options = [("trainer.precision", "bf16-mixed"), ("matmul_precision", "high")]
FULL: Options = [("trainer.precision", "32-true"), ("matmul_precision", "highest")]
GRAPHS: Options = [("compile", "reduce-overhead")]
COMPILED: Options = [("compile", "default")]
EAGER: Options = [("compile", None)]
ROWS: dict[str, list[tuple[str, Options]]] = {
    "ae": [("fp32", FULL), ("bf16", BF16), ("fp32, CUDA graphs", FULL + GRAPHS)],
    "deep_ae": [("fp32", FULL), ("bf16", BF16), ("bf16, CUDA graphs", BF16 + GRAPHS)],
    "vae": [("fp32", FULL), ("bf16", BF16), ("bf16, CUDA graphs", BF16 + GRAPHS)],
    "conv_ae": [("fp32", FULL), ("bf16", BF16), ("bf16, CUDA graphs", BF16 + GRAPHS)],
    "gan": [("fp32", FULL), ("bf16", BF16)],
    "simclr_resnet18": [("bf16", BF16 + EAGER), ("bf16, compiled", BF16 + COMPILED)],
}


WHOLE = {"deep_ae": 30, "gan": 20}  # epochs of whole trainings, in the precision of the recipe


class Rates(Callback):
    """Record images per second after the first epoch, and stop training after a while."""

    def __init__(self, throughput: Throughput) -> None:
        self.throughput, self.found, self.start = throughput, list[float](), 0.0

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch == 0:
            self.start = time.perf_counter()
            return
        self.found.append(self.throughput.epoch_rate)
        trainer.should_stop = len(self.found) > 1 and time.perf_counter() - self.start > SECONDS


def measured(config: Config, data: ImageData) -> dict[str, float]:
    """Return the median images per second, GFLOP per image, and peak memory in GB."""
    data, model = prepare_training(config, data)
    torch.cuda.reset_peak_memory_stats()
    throughput = Throughput()
    rates = Rates(throughput)
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(config, Path(folder), throughput, model.unused_parameters)
        trainer.callbacks.append(rates)  # type: ignore[attr-defined]
        trainer.fit(model, datamodule=data)
    return {
        "images_per_second": statistics.median(rates.found),
        "gflop_per_image": gflop(model.cuda(), data),
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9,
    }


def whole(config: Config, data: ImageData) -> float:
    """Return the seconds of a whole training on loaded data, files included."""
    data, model = prepare_training(config, data)
    throughput = Throughput()
    with tempfile.TemporaryDirectory() as folder:
        build_trainer(config, Path(folder), throughput, model.unused_parameters).fit(model, datamodule=data)
    return throughput.record()["train_seconds"]


def gflop(model: Model, data: ImageData) -> float:
    """Return GFLOP per image of a training step; 0 with manual optimization."""
    if type(model).training_step is not Model.training_step:
        return 0.0
    x = next(iter(data.batches("val", "cuda", batch_size=256)))
    with FlopCounterMode(display=False) as counter:
        model.train().losses(x)["loss"].backward()
    return counter.get_total_flops() / len(x) / 1e9


def peak(dtype: torch.dtype, n: int = 8192) -> float:
    """Return the TFLOP/s of a product of two random (n, n) matrices."""
    a, b = torch.randn(2, n, n, device="cuda", dtype=dtype)
    return 2 * n**3 / timed(lambda: a @ b) / 1e12


def timed(run: Callable[[], Any], repeats: int = 10) -> float:
    """Return the median seconds of a few runs."""
    for _ in range(3):
        run()
    found = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def adapted(loaded: dict[str, ImageData], name: str, config: Config) -> ImageData:
    """Return the data set, read once, with the batch size of a recipe."""
    data = loaded[name] = loaded.get(name) or load_data(config)
    data.batch_size = config["data"]["init_args"]["batch_size"]
    data.steps_per_call = config["data"]["init_args"]["steps_per_call"]
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_root", default="data", help="folder that holds MNIST")
    parser.add_argument("--images", help="folder of photographs for simclr_resnet18; without it that row is left out")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--whole", action="store_true", help=f"also the seconds of whole trainings, epochs: {WHOLE}")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/gpu.json"))
    args = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks/gpu.py measures a CUDA device, and there is none here")
    silence_libraries()
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "driver": subprocess.check_output(DRIVER, text=True).strip(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "peak_tflops": {name: peak(getattr(torch, name)) for name in ("bfloat16", "float32")},
        "rows": [],
    }
    print({key: value for key, value in found.items() if key != "rows"}, flush=True)
    loaded: dict[str, ImageData] = {}
    for recipe in args.rows:
        photographs = recipe == "simclr_resnet18"
        if photographs and not args.images:
            continue
        name, where = (
            ("folder", ("data.images", args.images)) if photographs else ("mnist", ("data.root", args.data_root))
        )
        for title, options in ROWS[recipe]:
            config = resolve(compose(recipe, name, [], [where, ("trainer.max_epochs", 1000), *options]))
            data = adapted(loaded, name, config)
            row: dict[str, Any] = {"recipe": recipe, "options": title, **measured(config, data)}
            row["tflops"] = row["images_per_second"] * row["gflop_per_image"] / 1e3
            found["rows"].append(row)
            args.out.write_text(json.dumps(found, indent=1))
            print(
                f"{recipe:16} {title:20} {row['images_per_second']:10,.0f} images/s {row['tflops']:7.2f} TFLOP/s "
                f"({row['tflops'] / found['peak_tflops']['bfloat16']:.1%} of bf16 peak) {row['peak_gb']:6.2f} GB",
                flush=True,
            )
    for recipe, epochs in WHOLE.items() if args.whole else ():
        where, more = ("data.root", args.data_root), ("trainer.max_epochs", epochs)
        config = resolve(compose(recipe, "mnist", [], [where, more]))
        row = {"recipe": recipe, "epochs": epochs, "seconds": whole(config, adapted(loaded, "mnist", config))}
        found["rows"].append(row)
        args.out.write_text(json.dumps(found, indent=1))
        print(f"{recipe:16} {epochs} epochs: {row['seconds']:.1f} s", flush=True)


if __name__ == "__main__":
    main()
