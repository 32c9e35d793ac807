"""Measure the seconds until a command answers, and the peak memory of training.

Each measurement runs in a new process.
"""

import multiprocessing
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from timing import Seconds, table, typical

COMMANDS = {
    "python": ["-c", "pass"],
    "unsup --help": ["-m", "unsup", "--help"],
    "unsup models": ["-m", "unsup", "models"],
    "unsup train --print_config": ["-m", "unsup", "train", "ae", "--data", "digits", "--print_config"],
    "import torch": ["-c", "import torch"],
    "import unsup.training.train": ["-c", "import unsup.training.train"],
}
LIGHT = ("python", "unsup --help", "unsup models")  # those of --quick
STEPS = 20  # of a training; more steps need no more memory


def measure(options: Any) -> dict[str, Any]:
    rounds = 1 if options.quick else options.pairs
    commands = {name: words for name, words in COMMANDS.items() if name in LIGHT or not options.quick}
    found: dict[str, list[Seconds]] = {name: [] for name in commands}
    for number in range(rounds + 1):  # the first one reads files from disk
        for name, words in commands.items():
            seconds = answer(words)
            found[name] += [seconds] if number else []
    sides = ("b",) if options.quick else ("a", "b")
    return {
        "seconds": {name: typical(of) for name, of in found.items()},
        "peak_memory_mb": {
            name: {side: peak(name, side, options) for side in sides}
            for name in (options.models[:1] if options.quick else options.models)
        },
    }


def answer(words: list[str]) -> Seconds:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Seconds(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def peak(model: str, side: str, options: Any) -> dict[str, int]:
    """Return the peak megabytes of a short training on MNIST, in memory and on the device."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool:
        return pool.submit(held, model, side, options).result()


def held(model: str, side: str, options: Any) -> dict[str, int]:
    import torch
    import training

    from unsup.training.trainer import silence_libraries

    silence_libraries()
    plan = training.planned(model, options, STEPS)
    training.plain(plan) if side == "a" else training.ours(plan)
    found = {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    return found | ({"device": torch.cuda.max_memory_allocated() >> 20} if plan.device.type == "cuda" else {})


def told(found: dict[str, Any]) -> str:
    rows = [[name, f"{of['cpu']:.2f}", f"{of['wall']:.2f}"] for name, of in found["seconds"].items()]
    memory = [
        [name, *(" + ".join(f"{mb:,}" for mb in of.get(side, {}).values()) for side in ("a", "b"))]
        for name, of in found["peak_memory_mb"].items()
    ]
    return (
        table(["start", "processor s", "wall s"], rows)
        + "\n\n"
        + table(["peak memory, MB (+ on the device)", "a plain loop", "b unsup"], memory)
    )
