"""Measure what each setting gains on the optimizer steps of a plain loop.

Ratios are of images per second. "medium" products and bf16-mixed are other arithmetic; the others change hardly any
weight. Settings of malloc are read when a process starts, so that each of their rounds is a new process.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import Seconds, alternating, ratios, shown, table
from torch import Tensor

from unsup.data.batches import to_unit
from unsup.data.mnist import MNIST
from unsup.runs.build import build_model
from unsup.runs.config import compose, resolve

MALLOC = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"}
STEPS = {"ae": 200, "vae": 20, "deep_ae": 20, "conv_ae": 8, "gan": 8}
BATCH = 256


def measure(options: Any) -> dict[str, Any]:
    rounds = 1 if options.quick else options.pairs
    few = 8 if options.quick else 1
    x = images(options.data_root)
    cores = os.cpu_count() or 1
    found: dict[str, Any] = {}
    for name in ("ae", "vae", "deep_ae"):
        found[f"{name}: matmul_precision medium / highest"] = compared(
            steps(name, x, few, products="medium"), steps(name, x, few), rounds
        )
    for name in ("conv_ae", "gan"):
        found[f"{name}: precision bf16-mixed / 32-true"] = compared(
            steps(name, x, few, cast=True), steps(name, x, few), rounds
        )
    for other in ("default", "foreach"):
        found[f"ae: fused Adam / {other}"] = compared(steps("ae", x, few), steps("ae", x, few, adam=other), rounds)
    if options.quick:  # the rest takes minutes on a busy machine
        return found
    for name in ("ae", "deep_ae", "conv_ae"):
        found[f"{name}: {cores} threads / 1"] = compared(
            steps(name, x, few, threads=cores), steps(name, x, few, threads=1), rounds
        )
    sides = {"told": child("conv_ae", options.data_root, MALLOC), "as it is": child("conv_ae", options.data_root, {})}
    found["conv_ae: MALLOC_…THRESHOLD_ / as it is"] = quotients(alternating(sides, rounds))
    return found


def compared(act: Callable[[], None], other: Callable[[], None], rounds: int) -> dict[str, Any]:
    return quotients(alternating({"act": act, "other": other}, rounds))


def quotients(seconds: dict[str, list[Seconds]]) -> dict[str, Any]:
    """Return images per second of the first side over those of the second."""
    act, other = seconds.values()
    return ratios(other, act)


def images(root: str) -> Tensor:
    """Return a batch (256, 1, 28, 28)."""
    return to_unit(torch.from_numpy(MNIST(root).load(train=True)[0][:BATCH]))


def steps(
    name: str, x: Tensor, few: int, products: str = "highest", cast: bool = False, adam: str = "fused", threads: int = 1
) -> Callable[[], None]:
    """Return some optimizer steps of a recipe; both losses of the GAN at once."""
    config = resolve(compose(name, "mnist"))
    model = build_model(config, MNIST()).train()
    flags: dict[str, Any] = {
        "fused": {"fused": True},
        "default": {"fused": False, "foreach": False},
        "foreach": {"foreach": True},
    }
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], **flags[adam])
    count = max(1, STEPS[name] // few)

    def act() -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(products)
        for _ in range(count):
            with torch.autocast("cpu", torch.bfloat16, cast, cache_enabled=False):
                loss = model.losses(x)["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        torch.set_num_threads(before)

    return act


CHILD = """
import sys, time
from switches import images, steps
act = steps(sys.argv[1], images(sys.argv[2]), 1, cast=sys.argv[1] == "conv_ae")
act()
start = time.process_time(), time.perf_counter()
act()
print(time.process_time() - start[0], time.perf_counter() - start[1])
"""


def child(name: str, root: str, told: dict[str, str]) -> Callable[[], Seconds]:
    """Return the seconds of the steps in a new process with these malloc settings."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])

    def act() -> Seconds:
        environment = os.environ | {"PYTHONPATH": path} | told
        words = [sys.executable, "-c", CHILD, name, root]
        out = subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout
        cpu, wall = map(float, out.split())
        return Seconds(cpu, wall)

    return act


def told(found: dict[str, Any]) -> str:
    rows = [[name, shown(row["cpu"]), shown(row["wall"])] for name, row in found.items()]
    return table(["images/s with the first setting / with the second", "processor time", "wall time"], rows)
