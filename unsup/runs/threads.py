"""The number of PyTorch's threads, on which the last bits of results depend."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unsup.core.threads import Threads, cores_now

log = logging.getLogger(__name__)

NUMBER = "OMP_NUM_THREADS"


def choose_threads(option: Threads) -> int:
    """Return the number of threads of a new run, and log why it is not the usual one."""
    threads, note = threads_and_note(option)
    if note:
        log.info(note)
    return threads


def threads_and_note(option: Threads) -> tuple[int, str]:
    """Return the number of threads of a new run, and a line for the user or "".

    The option `threads` comes first, then the environment, then the number of idle cores.
    """
    if option != "auto":
        cores = os.cpu_count() or option
        return option, f"{option} threads on {cores} cores get in each other's way" if option > cores else ""
    usual = torch.get_num_threads()  # of OMP_NUM_THREADS, otherwise one a core
    now = None if os.environ.get(NUMBER) else cores_now()
    return (now.idle(usual), now.note(usual)) if now else (usual, "")


@contextmanager
def use_threads(threads: int | None) -> Iterator[None]:
    """Let PyTorch use this many threads, in child processes too, unless None."""
    if threads is None:
        yield
        return
    usual, environment = torch.get_num_threads(), os.environ.get(NUMBER)
    if threads != usual:  # setting it changes how MKL chooses its threads
        torch.set_num_threads(threads)
    os.environ[NUMBER] = str(threads)  # Lightning sets another number where it starts processes and finds none
    try:
        yield
    finally:
        if threads != usual:
            torch.set_num_threads(usual)
        os.environ.pop(NUMBER)
        if environment is not None:
            os.environ[NUMBER] = environment
