"""Kill trainings at random moments, resume them, and compare the results.

python benchmarks/soak.py [--kills 200 --minutes 40 --workers 2 --seed 0]

Real processes get SIGKILL at a moment drawn evenly from the time that a whole training takes, resumed ones too. Every
tenth run is evaluated at the end. The exit code is 1 if weights or optimizer differ from those of an undisturbed run.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import unsup  # noqa: F401  (before PyTorch: it sets how threads wait)

# isort: split
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the comparison that the tests of resuming use
from interruptions import equal, state

MODELS = ("ae", "vae", "gan")
OPTIONS = ("--data", "digits", "--epochs", "6", "--trainer.log_every_n_steps", "1")
EVALUATED = 10  # one run of this many
COMPARED = ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch")


def work(words: list[str], judged: bool) -> None:
    """Run a verb of `unsup` silently, in a process."""
    import unsup.training.train
    from unsup.cli.main import main

    torch.set_num_threads(1)
    if not judged:
        unsup.training.train.evaluate_run = lambda *args, **kwargs: {}  # type: ignore[assignment, attr-defined]
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        code = main(words)
    sys.exit(code)


class Soak:
    """The counts of all workers."""

    def __init__(self, folder: Path, kills: int, until: float) -> None:
        self.folder, self.most, self.until = folder, kills, until
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["unsup.training.train", "unsup.cli.main", "torch"])
        self.kills = self.runs = self.evaluated = self.restarted = 0
        self.mismatches: list[str] = []
        self.wholes: dict[str, tuple[dict[str, Any], float]] = {}  # model: its last checkpoint, seconds

    def process(self, words: list[str], judged: bool = False, seconds: float | None = None) -> int | None:
        """Return the exit code of a process, or None if it was killed after `seconds`."""
        child = self.context.Process(target=work, args=(words, judged))
        child.start()
        child.join(seconds)
        if child.exitcode is None:
            child.kill()
            child.join()
            return None
        return child.exitcode

    def whole(self, model: str) -> None:
        root = self.folder / "whole"
        for _ in range(2):  # the second one knows how long it takes
            start = time.perf_counter()
            assert self.process(["train", model, *OPTIONS, "--runs", str(root)]) == 0
            seconds = time.perf_counter() - start
        self.wholes[model] = (state(root / "digits" / model / "0-001"), seconds)

    def one(self, number: int, draw: random.Random) -> None:
        """Kill and resume a run until it finishes."""
        model = draw.choice(MODELS)
        whole, seconds = self.wholes[model]
        root = self.folder / str(number)
        judged = number % EVALUATED == 0
        run: Path | None = None
        while True:
            words = ["resume", str(run)] if run else ["train", model, *OPTIONS, "--runs", str(root)]
            code = self.process(words, judged, draw.uniform(0, seconds))
            self.kills += code is None
            found = sorted((root / "digits" / model).glob("0-*/config.yaml"))
            run = found[-1].parent if found else None
            if run and (run / "training.json").exists():
                break
            if code == 1:  # killed before its first checkpoint: there is nothing to resume
                run, self.restarted = None, self.restarted + 1
        if judged:
            self.process(["evaluate", str(run)], judged)
            self.evaluated += (run / "report.json").exists()
        self.runs += 1
        ours = state(run)
        if not all(equal(ours[key], whole[key]) for key in COMPARED):
            self.mismatches.append(f"{model}: {run}")

    def worker(self, seed: int) -> None:
        draw, number = random.Random(seed), 0
        while self.kills < self.most and time.monotonic() < self.until:
            self.one(1_000_000 * seed + number, draw)
            number += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), args.kills, time.monotonic() + 60 * args.minutes)
        for model in MODELS:
            soak.whole(model)
        with ThreadPoolExecutor(args.workers) as pool:
            for worker in [pool.submit(soak.worker, args.seed + i + 1) for i in range(args.workers)]:
                worker.result()
    print(
        f"{soak.kills} kills of {soak.runs} runs ({soak.restarted} restarted, killed before a checkpoint), "
        f"{soak.evaluated} evaluated, {len(soak.mismatches)} mismatches"
    )
    for mismatch in soak.mismatches:
        print(mismatch)
    return 1 if soak.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
