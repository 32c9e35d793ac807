"""Measure speed and memory by number of images, code size and image size."""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from data_paths import resident
from timing import Clock, Seconds, per, rates, table
from torch import Tensor

from unsup.data.batches import as_tensor
from unsup.models.ae import AE
from unsup.models.base import Model
from unsup.models.conv_ae import ConvAE
from unsup.models.parts.optim import adamw, annealed

COUNTS = (1_000, 10_000, 60_000, 250_000, 1_000_000)
QUICK_COUNTS = (1_000, 60_000)
SHAPE = (1, 28, 28)
CODES = (16, 64, 256, 1024)
SHAPES = ((1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 96, 96))
BATCH = 256


def measure(options: Any) -> dict[str, Any]:
    rounds = 2 if options.quick else options.pairs
    steps = 3 if options.quick else 20
    conv = {"width": 16, "blocks": 1, "hidden": 1024, "code_dim": 30}
    return {
        "images": [of_count(n, rounds) for n in (QUICK_COUNTS if options.quick else COUNTS)],
        "code size": {f"ae, {d}": of_model(AE(SHAPE, code_dim=d, hidden=max(32, d)), BATCH, steps) for d in CODES},
        "image size": {
            f"{name}, {'x'.join(map(str, shape))}": of_model(model, batch, steps)
            for shape in SHAPES[: 2 if options.quick else None]
            for name, model, batch in (("ae", AE(shape), BATCH), ("conv_ae", ConvAE(shape, **conv), 32))
        },
    }


def of_count(n: int, rounds: int) -> dict[str, Any]:
    """Return seconds per image of a shuffled epoch of n images, and of loading them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        kept = np.lib.format.open_memmap(path, "w+", np.uint8, (n, *SHAPE))
        noise = np.random.default_rng(0).integers(0, 256, (1_000, *SHAPE), dtype=np.uint8)
        for first in range(0, n, 1_000):
            kept[first : first + 1_000] = noise
        kept.flush()
        del kept
        found: dict[str, Any] = {"n": n, "megabytes": round(path.stat().st_size / 1e6)}
        stores = {}
        for name, mode in (("resident", None), ("memory map", "r")):
            before, start = private(), time.perf_counter()
            stores[name] = np.load(path, mmap_mode=mode)  # type: ignore[arg-type]
            ready = time.perf_counter() - start
            found[name] = {"seconds_until_ready": ready, "private_megabytes": round(private() - before)}
        seconds: dict[str, list[Seconds]] = {name: [] for name in stores}
        for _ in range(rounds + 1):
            for name, images in stores.items():
                clock = Clock()
                for _ in resident(as_tensor(images)):
                    pass
                seconds[name].append(per(clock.seconds(), n))
        for name, of in seconds.items():
            found[name]["images_per_second"] = rates(of[1:])
    print(f"{n:,} images: done", flush=True)
    return found


def private() -> float:
    """Return the megabytes of this process that are not backed by a file."""
    fields = Path("/proc/self/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE") / 1e6


def of_model(model: Model, batch: int, steps: int) -> dict[str, Any]:
    """Measure the optimizer steps of a plain loop in float32."""
    x = torch.rand(batch, *model.shape)
    made = annealed(model, adamw(model.lr, model.beta2), model.weight_decay, lambda: 1000)
    seconds = [step(model, made["optimizer"], x) for _ in range(steps + 1)][1:]
    parameters = sum(p.numel() for p in model.parameters())
    return {
        "parameters": parameters,
        "images_per_second": round(batch / statistics.median(s.cpu for s in seconds)),
        "training_state_megabytes": round(16 * parameters / 1e6, 1),  # float32: weight, gradient, two means of Adam
    }


def step(model: Model, optimizer: torch.optim.Optimizer, x: Tensor) -> Seconds:
    clock = Clock()
    loss = model.losses(x)["loss"]
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return clock.seconds()


def told(found: dict[str, Any]) -> str:
    rows = [
        [f"{row['n']:,}", row["megabytes"]]
        + [f"{row[name]['images_per_second']['wall']:,}" for name in ("resident", "memory map")]
        + [f"{row[name]['seconds_until_ready']:.2f}" for name in ("resident", "memory map")]
        + [row[name]["private_megabytes"] for name in ("resident", "memory map")]
        for row in found["images"]
    ]
    heads = ["images", "MB", "resident/s", "mapped/s", "ready s", "ready s", "private MB", "private MB"]
    sizes = [
        [name, f"{row['parameters']:,}", f"{row['images_per_second']:,}", row["training_state_megabytes"]]
        for of in (found["code size"], found["image size"])
        for name, row in of.items()
    ]
    return (
        table(heads, rows)
        + "\n\n"
        + table(["model, code or image size", "parameters", "images/s of processor time", "training state MB"], sizes)
    )
