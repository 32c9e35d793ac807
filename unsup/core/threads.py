"""Cores that a process can use, and how its threads wait for each other.

PyTorch is not imported here. `unsup` calls `wait_briefly` as it is imported, before anything loads PyTorch.
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
MAX_THREADS = 1024  # threads: with many more the system may refuse to start them
WINDOW = 0.2  # seconds over which the processor time of others is measured
BUSY = (1, 2, 3, 6, 7, 8)  # columns of /proc/stat: user, nice, system, interrupts (two kinds), taken by the host
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def wait_briefly() -> None:
    """Have threads sleep soon when they wait for each other, unless the environment says how they wait.

    By default GNU's OpenMP lets them spin for a long time. Where other work shares the cores, a thread that spins keeps
    the one that it waits for from running. The library reads the variable as it is loaded; child processes inherit it.
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
        usable: how many the scheduler may run it on.
        busy: how many of them other processes keep busy, on average.
        quota: how many the processor time is worth that its container grants.
    """

    usable: int
    busy: float = 0
    quota: float = math.inf

    def idle(self, most: int) -> int:
        """Return how many threads find a core of their own, at least one and no more than `most`."""
        return max(1, int(min(most, self.quota, self.usable - self.busy + 0.5)))

    def note(self, most: int) -> str:
        """Return a line for the user where others leave fewer than all cores, otherwise an empty text."""
        threads = self.idle(most)
        if threads == replace(self, busy=0).idle(most):
            return ""
        busy = min(self.usable, round(self.busy))
        cores = f"{busy} of {self.usable} core{'s' if self.usable > 1 else ''} {'are' if busy > 1 else 'is'} busy"
        return f"{cores}: {threads} thread{'s' if threads > 1 else ''} (--threads sets a number)"


def cores_now(proc: Path = PROC, cgroups: Path = CGROUPS, seconds: float = WINDOW) -> Cores | None:
    """Measure how busy the cores of this process are; None where the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    usable = os.sched_getaffinity(0)
    try:
        ticks, own, start = busy_ticks(proc, usable), time.process_time(), time.monotonic()
        time.sleep(seconds)
        ticks, own = busy_ticks(proc, usable) - ticks, time.process_time() - own
        passed = time.monotonic() - start
    except (OSError, ValueError, IndexError):
        return None
    busy = (ticks / os.sysconf("SC_CLK_TCK") - own) / passed
    return Cores(len(usable), max(0.0, busy), quota(proc, cgroups))


def busy_ticks(proc: Path, cores: Collection[int]) -> int:
    """Return the processor time that these cores have spent on any process, in ticks of the clock."""
    lines = (line.split() for line in (proc / "stat").read_text().splitlines())
    times = {words[0]: words for words in lines if words and words[0].startswith("cpu")}
    return sum(int(times[f"cpu{core}"][column]) for core in cores if f"cpu{core}" in times for column in BUSY)


def quota(proc: Path, cgroups: Path) -> float:
    """Return how many cores the processor time is worth that control groups grant this process, or infinity."""
    limits = [math.inf]
    try:
        groups = [line.split(":", 2) for line in (proc / "self" / "cgroup").read_text().splitlines()]
    except OSError:
        return math.inf
    for _, controllers, place in groups:
        base = cgroups / "cpu" if "cpu" in controllers.split(",") else cgroups
        if base == cgroups and controllers:  # a group that does not limit processor time
            continue
        inner = base / place.strip("/")
        for folder in (inner, *inner.parents):  # the groups around it limit it, too
            if folder.is_relative_to(base):
                limits.append(limit(folder))
    return min(limits)


def limit(group: Path) -> float:
    """Return how many cores the processor time of one control group is worth."""
    try:
        if (group / "cpu.max").exists():
            granted, period = (group / "cpu.max").read_text().split()
        else:
            granted, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(granted) / int(period) if int(granted) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # "max", or there is none
        return math.inf
