"""Measure how evaluation and audit grow: python benchmarks/growth.py [--largest 100000].

Evaluation sees files of codes, as `unsup evaluate --codes` does: classes are Gaussians. Audit sees folders of drawn
textures. Each command runs in a process of its own; its processor seconds and peak memory are printed, the start of
Python and the libraries included.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from textures import textures

USUAL, DIMENSIONS, CLASSES = 10_000, 64, 10
CODES = [
    *((n, DIMENSIONS, CLASSES) for n in (1_000, 10_000, 100_000)),
    *((USUAL, d, CLASSES) for d in (16, 256, 1_024, 4_096)),
    *((USUAL, DIMENSIONS, k) for k in (100, 1_000)),
    (1_000_000, 512, 100),
]
FOLDERS = [(1_000, 28), (1_000, 64), (1_000, 224), (10_000, 28)]  # images, pixels of an edge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=1_000_000, help="number of codes")
    largest = parser.parse_args().largest
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        print("evaluate: images, dimensions, classes")
        for n, d, k in CODES:
            if n <= largest:
                file = codes(top / f"{n}-{d}-{k}.npz", n, d, k)
                print(f"{n:>9,} {d:>6,} {k:>6,}", *measured(top, "evaluate", "--codes", str(file)), flush=True)
                file.unlink()
        print("audit: images, pixels of an edge")
        for n, side in FOLDERS:
            folder = pictures(top / f"{n}-{side}", n, side)
            words = ("audit", "--images", str(folder), "--data.size", str(side))
            print(f"{n:>9,} {side:>6,}", *measured(top, *words), flush=True)


def measured(folder: Path, *words: str) -> tuple[str, str]:
    """Run a command in a folder, and return its processor seconds and peak memory."""
    with (folder / "output.txt").open("wb") as output:
        command = [sys.executable, "-m", "unsup", *words]
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"unsup {' '.join(words)} failed: {(folder / 'output.txt').read_text()}")
    return f"{used.ru_utime + used.ru_stime:8.1f} s", f"{used.ru_maxrss / 1e6:6.2f} GB"


def codes(path: Path, n: int, d: int, k: int) -> Path:
    """Write codes of n training images and of a fifth as many test images, at most 10,000."""
    rng = np.random.default_rng(0)
    centres = 0.5 * rng.standard_normal((k, d), np.float32)
    arrays: dict[str, Any] = {}
    for split, count in (("train", n), ("test", min(10_000, n // 5))):
        labels = rng.integers(k, size=count)
        labels[:k] = np.arange(k)[:count]
        drawn = rng.standard_normal((count, d), np.float32)
        drawn += centres[labels]
        arrays |= {split: drawn, f"{split}_labels": labels}
    np.savez(path, **arrays)
    return path


def pictures(folder: Path, n: int, side: int) -> Path:
    """Write a folder of n textures, enlarged or reduced."""
    folder.mkdir()
    for i, image in zip(range(n), endless(), strict=False):
        Image.fromarray(image).resize((side, side)).save(folder / f"{i:06}.png")
    return folder


def endless() -> Iterator[np.ndarray]:
    """Yield textures of all classes, again and again, with a small change each time."""
    rng = np.random.default_rng(0)
    while True:
        for _, drawn in textures():
            for image in drawn:
                yield np.roll(image, tuple(rng.integers(64, size=2)), (0, 1))


if __name__ == "__main__":
    main()
