"""Clocks, and ratios of pairs that run alternately in one process."""

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
    """Seconds of the processor (all threads of this process) and of the wall clock."""

    cpu: float
    wall: float

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)


class Clock:
    """A clock that waits for the device before it is read."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._start = self._now()

    def _now(self) -> tuple[float, float]:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time(), time.perf_counter()

    def seconds(self) -> Seconds:
        """Return the seconds since the clock was made."""
        cpu, wall = self._now()
        return Seconds(cpu - self._start[0], wall - self._start[1])


def alternating(sides: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Seconds]]:
    """Return the seconds of each side, round by round (A B A B …), after a warm-up."""
    for act in sides.values():
        act()
    found: dict[str, list[Seconds]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, act in sides.items():
            clock = Clock()
            own = act()  # a side in another process returns its own time
            found[name].append(own if isinstance(own, Seconds) else clock.seconds())
    return found


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Return the median, least and greatest ratio of pairs."""
    quotients = [a / b for a, b in zip(above, below, strict=True)]
    return {"median": statistics.median(quotients), "min": min(quotients), "max": max(quotients)}


def ratios(above: Sequence[Seconds], below: Sequence[Seconds]) -> dict[str, dict[str, float]]:
    """Return `ratio` of processor time and of wall time."""
    return {
        which: ratio([getattr(s, which) for s in above], [getattr(s, which) for s in below])
        for which in ("cpu", "wall")
    }


def per(seconds: Seconds, images: int) -> Seconds:
    """Return the seconds per image."""
    return Seconds(seconds.cpu / images, seconds.wall / images)


def typical(found: Sequence[Seconds]) -> dict[str, float]:
    """Return the medians of processor and wall time."""
    return {which: statistics.median(getattr(s, which) for s in found) for which in ("cpu", "wall")}


def rates(of_image: Sequence[Seconds]) -> dict[str, int]:
    """Return images per second by processor and by wall time."""
    return {which: round(1 / seconds) for which, seconds in typical(of_image).items()}


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table with aligned columns, the first to the left."""
    cells = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [[cell.rjust(w) for cell, w in zip(row, widths, strict=True)] for row in cells]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *line[1:]]) for row, line in zip(cells, lines, strict=True))


def shown(found: dict[str, float]) -> str:
    """Return a ratio and its range as text."""
    return f"{found['median']:.2f} [{found['min']:.2f}-{found['max']:.2f}]"


@contextmanager
def terminal() -> Iterator[None]:
    """Send output to a hidden terminal, so that progress bars are drawn as for a user."""
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
                os.dup2(old, number)  # closes the terminal, so that `cat` ends
                os.close(old)
            reader.wait()
