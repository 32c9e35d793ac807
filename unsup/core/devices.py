"""The device that encoders run on, and its threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def fastest_device() -> torch.device:
    """Return the first CUDA device, or else that of Apple's chips, or else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, because more threads add in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
