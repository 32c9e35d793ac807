"""Clocks and ratios: what is compared runs alternately in one process, and pairs are what is divided."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Seconds:
    """Of the processor, all threads of this process together, and of the wall clock."""

    cpu: float
    wall: float

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)


class Clock:
    """Reads both once the device has done what it was given."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._start = self._now()

    def _now(self) -> tuple[float, float]:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time(), time.perf_counter()

    def seconds(self) -> Seconds:
        """Since the clock was made."""
        cpu, wall = self._now()
        return Seconds(cpu - self._start[0], wall - self._start[1])


def alternating(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Seconds]]:
    """A B A B …: seconds of each side, round by round. Each runs once before: what is loaded once is loaded then."""
    for act in sides.values():
        act()
    found: dict[str, list[Seconds]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, act in sides.items():
            clock = Clock()
            own = act()  # a side that runs elsewhere tells its own
            found[name].append(own if isinstance(own, Seconds) else clock.seconds())
    return found


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest of the quotients of pairs."""
    quotients = [a / b for a, b in zip(above, below, strict=True)]
    return {"median": statistics.median(quotients), "min": min(quotients), "max": max(quotients)}


def ratios(above: Sequence[Seconds], below: Sequence[Seconds]) -> dict[str, dict[str, float]]:
    """`ratio` of processor time and of wall time."""
    return {
        which: ratio([getattr(s, which) for s in above], [getattr(s, which) for s in below])
        for which in ("cpu", "wall")
    }


def per(seconds: Seconds, images: int) -> Seconds:
    """Of one image."""
    return Seconds(seconds.cpu / images, seconds.wall / images)


def typical(found: Sequence[Seconds]) -> dict[str, float]:
    """Medians of both."""
    return {which: statistics.median(getattr(s, which) for s in found) for which in ("cpu", "wall")}


def rates(of_image: Sequence[Seconds]) -> dict[str, int]:
    """Images a second of both."""
    return {which: round(1 / seconds) for which, seconds in typical(of_image).items()}


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns of even width, the first to the left."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [[cell.rjust(w) for cell, w in zip(row, widths, strict=True)] for row in cells]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *line[1:]]) for row, line in zip(cells, lines, strict=True))


def shown(found: dict[str, float]) -> str:
    """A ratio and its range."""
    return f"{found['median']:.2f} [{found['min']:.2f}-{found['max']:.2f}]"


@contextmanager
def terminal() -> Iterator[None]:
    """Output goes to a terminal that nobody looks at: progress bars are drawn as they are for a user."""
    os.environ.setdefault("TERM", "xterm-256color")
    ours, theirs = os.openpty()
    saved = os.dup(1), os.dup(2)
    with subprocess.Popen(["cat"], stdin=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as reader:
        os.close(ours)
        for number in (1, 2):
            os.dup2(theirs, number)
        os.close(theirs)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), saved, strict=True):
                os.dup2(old, number)  # the last hold on the terminal: `cat` ends
                os.close(old)
            reader.wait()
