"""Hostile input: mutated images, folders, checkpoints, records and reports, and impossible options.

python benchmarks/fuzz.py [--inputs 20000 --minutes 60 --seed 0 --kinds option image ...]

Each of them must work, or end in lines that begin with `unsup: ` and with exit code 1 or 2. A traceback is counted
and listed, and so are a call of over 30 seconds, a file written outside the scratch folder and a process that is
started. Exit code 1 where there was any. The same seed makes the same inputs.
"""

import argparse
import collections
import io
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from hostile import Checkpoints, Images, Options, Records, Reports

SECONDS = 30  # that a call may take
MEMORY = 12 << 30  # bytes of address space: what asks for more is refused, as on a full machine
SHARES = {"option": 30, "image": 40, "checkpoint": 15, "report": 10, "record": 5}  # in a hundred


class TooSlow(BaseException):
    """Not to be caught by what is judged."""


class Judge:
    """Counts what becomes of each input.

    Args:
        scratch: the folder in which files may be written.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = str(scratch.resolve())
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.done: collections.Counter[str] = collections.Counter()  # inputs of a kind
        self.faults: list[str] = []
        self.watching = False
        self.broken: list[str] = []  # promises of the call at work
        sys.addaudithook(self.watch)
        signal.signal(signal.SIGALRM, self.too_slow)

    def watch(self, event: str, args: tuple[Any, ...]) -> None:
        """Watch Python for writes and processes, which count even if nothing fails."""
        if not self.watching:
            return
        if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork"):
            self.broken.append(f"{event} {args!r}"[:200])
        elif (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or event in (
            "os.mkdir",
            "os.rename",
            "os.remove",
            "os.rmdir",
            "os.symlink",
        ):
            self.written(args[0])

    def written(self, path: Any) -> None:
        where = os.path.realpath(os.fspath(path)) if isinstance(path, str | bytes | os.PathLike) else ""
        where = os.fsdecode(where)
        if where and where != os.devnull and not where.startswith((self.scratch, "/dev/shm", "/proc/self")):
            self.broken.append(f"written outside: {where}")

    def too_slow(self, *_: Any) -> None:
        raise TooSlow

    def call(self, kind: str, what: str, act: Callable[[], Any], count: int = 1) -> None:
        """Judge one call: `act` returns an exit code (None is 0), or raises UserError."""
        from unsup.core.errors import UserError, one_line

        message, self.broken, self.watching = io.StringIO(), [], True
        signal.alarm(SECONDS)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(message), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = act() or 0
        except UserError as e:
            code = e.exit_code
            print(f"unsup: {one_line(e)}", file=message)
        except SystemExit as e:  # --help
            code = e.code
        except TooSlow:
            code = "too slow"
        except KeyboardInterrupt:
            raise
        except BaseException:
            code = "traceback"
            self.broken.append(traceback.format_exc(limit=-6))
        finally:
            signal.alarm(0)
            self.watching = False
        lines = message.getvalue().split("\n")[:-1]
        if code in (1, 2) and not (lines and all(line.startswith("unsup: ") for line in lines)):
            self.broken.append(f"stderr: {lines[-5:]}")
        if code not in (0, 1, 2) and not self.broken:
            self.broken.append(f"ended as {code}")
        ended = {0: "worked", 1: "refused (1)", 2: "refused (2)"}.get(code, "FAULT")
        self.counts[kind, "FAULT" if self.broken else ended] += count
        self.done[kind] += count
        if self.broken:
            self.faults.append(f"{kind}: {what[:600]}\n  " + "\n  ".join(self.broken[:3]))


def fuzz(inputs: int, seed: int, kinds: list[str], scratch: Path, minutes: float = math.inf) -> Judge:
    """Judge about so many inputs of these kinds, or as many as the minutes allow."""
    judge = Judge(scratch)
    sources = {
        "option": Options(scratch).one,
        "image": Images(scratch).folder,
        "checkpoint": Checkpoints(scratch).one,
        "report": Reports(scratch).one,
        "record": Records(scratch).one,
    }
    draw, until = random.Random(seed), time.monotonic() + 60 * minutes
    while sum(judge.counts.values()) < inputs and time.monotonic() < until:
        behind = min(kinds, key=lambda kind: judge.done[kind] / SHARES[kind])
        what, act, count = sources[behind](draw)
        judge.call(behind, what, act, count)
    return judge


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=tuple(SHARES), default=list(SHARES))
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        judge = fuzz(args.inputs, args.seed, args.kinds, Path(folder), args.minutes)
        os.chdir("/")
    for fault in judge.faults:
        print(fault)
    for (kind, ended), count in sorted(judge.counts.items()):
        print(f"{kind:14} {ended:12} {count:7,}")
    total = sum(judge.counts.values())
    print(f"{total:,} inputs, {len(judge.faults)} faults, {time.perf_counter() - start:.0f} s")
    return 1 if judge.faults else 0


if __name__ == "__main__":
    sys.exit(main())
