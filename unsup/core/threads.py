"""Cores that a process can use, and how its threads wait for each other.

PyTorch is not imported here. `unsup` calls `wait_briefly` when it is imported, before anything loads PyTorch.
"""

import math
import os
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unsup.core.errors import UsageError

Threads = int | Literal["auto"]  # the option

SPINS = "1000"
MAX_THREADS = 1024  # with many more the system may refuse to start them
WINDOW = 0.2  # seconds over which the processor time of other processes is measured
BUSY = (1, 2, 3, 6, 7, 8)  # columns of /proc/stat: user, nice, system, interrupts (two kinds), taken by the host


def wait_briefly() -> None:
    """Let threads that wait for each other sleep soon, unless the environment decides.

    By default GNU's OpenMP lets them spin for a long time. Where other work shares the cores, a thread that spins keeps
    the one that it waits for from running. The library reads the variable when it loads. Child processes inherit it.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS


def checked_threads(value: Any) -> Threads:
    """Return a value of the option `threads`.

    Raises:
        UsageError: it is neither auto nor a number of threads.
    """
    if value == "auto" or (type(value) is int and 1 <= value <= MAX_THREADS):
        return value
    raise UsageError(f"threads: expected auto or a whole number from 1 to {MAX_THREADS}, got {value!r}")


@dataclass(frozen=True)
class Cores:
    """Cores of this machine as one process sees them.

    Attributes:
        usable: the number that the scheduler may run it on.
        busy: the number that other processes keep busy, on average.
        quota: the number whose processor time its container grants.
    """

    usable: int
    busy: float = 0
    quota: float = math.inf

    def idle(self, most: int) -> int:
        """Return the number of threads that each find an idle core, from 1 to `most`."""
        return max(1, int(min(most, self.quota, self.usable - self.busy + 0.5)))

    def note(self, most: int) -> str:
        """Return a line for the user if other processes use cores, else ""."""
        threads = self.idle(most)
        if threads == replace(self, busy=0).idle(most):
            return ""
        busy = min(self.usable, round(self.busy))
        cores = f"{busy} of {self.usable} core{'s' if self.usable > 1 else ''} {'are' if busy > 1 else 'is'} busy"
        return f"{cores}: {threads} thread{'s' if threads > 1 else ''} (--threads sets a number)"


def cores_now(stat: Path = Path("/proc/stat"), seconds: float = WINDOW) -> Cores | None:
    """Measure how busy the cores of this process are, where the system is Linux."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    import joblib

    usable = os.sched_getaffinity(0)
    try:
        ticks, own, start = busy_ticks(stat, usable), time.process_time(), time.monotonic()
        time.sleep(seconds)
        ticks, own = busy_ticks(stat, usable) - ticks, time.process_time() - own
        elapsed = time.monotonic() - start
    except (OSError, ValueError, IndexError):
        return None
    busy = (ticks / os.sysconf("SC_CLK_TCK") - own) / elapsed
    return Cores(len(usable), max(0.0, busy), joblib.cpu_count())


def busy_ticks(stat: Path, cores: Collection[int]) -> int:
    """Return the time that these cores have spent on any process, in clock ticks."""
    lines = (line.split() for line in stat.read_text().splitlines())
    times = {words[0]: words for words in lines if words and words[0].startswith("cpu")}
    return sum(int(times[f"cpu{core}"][column]) for core in cores if f"cpu{core}" in times for column in BUSY)
