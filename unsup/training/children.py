"""Commands of `unsup` in child processes, which end with this one."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from io import FileIO
from types import FrameType
from typing import NoReturn

GRACE = 10  # seconds for a child to end after Ctrl-C, and again after SIGTERM


def run_child(words: Sequence[str], output: FileIO, keep_open: Sequence[int] = ()) -> int:
    """Run `unsup <words>` in a child process, and return its exit code.

    The child ends with this process, unless that is killed. The code of a signal is negative.

    Args:
        words: the command line.
        output: a file for stdout and stderr.
        keep_open: file descriptors that the child keeps open as long as it lives.
    """
    before = signal.signal(signal.SIGTERM, exit_on_sigterm)
    command = [sys.executable, "-m", "unsup", *words]
    child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, pass_fds=keep_open)
    try:
        return child.wait()
    except BaseException as e:
        stop_child(child, patient=isinstance(e, KeyboardInterrupt))
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_text(code: int) -> str:
    """Return the exit code of a child, with the name of the signal that ended it."""
    return f"exit code {code}" if code > 0 else f"exit code {128 - code} ({signal.strsignal(-code)})"


def exit_on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    """Exit in order at SIGTERM, so that the child also ends."""
    sys.exit(128 + number)


def stop_child(child: subprocess.Popen[bytes], patient: bool) -> None:
    """End a child, with a first wait if Ctrl-C has also reached it."""
    try:
        for tell in (lambda: None, child.terminate) if patient else (child.terminate,):
            tell()
            try:
                child.wait(GRACE)
                return
            except subprocess.TimeoutExpired:
                continue
    finally:  # also at a second Ctrl-C
        if child.poll() is None:
            child.kill()
            child.wait()
