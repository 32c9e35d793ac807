"""A fixed workload, whose time says how fast the machine of a run is.

CPU-seconds of two machines compare after each is divided by its time for this workload.
"""

import time
from functools import cache

import torch
import torch.nn.functional as F

ROUNDS = {"cpu": 20, "cuda": 2000}  # about a second of a server's processor, or of a GPU
SIZE = 1024  # of the square matrices, 1.07 billion multiplications in a product
IMAGES, CHANNELS, SIDE = 64, 32, 32  # of a convolution, 0.60 billion multiplications


@cache
def reference_seconds(device: torch.device) -> float:
    """Return the seconds of the workload, measured once per process and device.

    On a CPU they are the processor's seconds of one thread, so that other work on the machine counts little. On a GPU
    they are wall time. A round is a product of two matrices and a convolution with 3 x 3 filters, in float32. The
    random state is left alone.
    """
    a = torch.linspace(-1, 1, SIZE * SIZE, device=device).view(SIZE, SIZE)
    x = torch.linspace(-1, 1, IMAGES * CHANNELS * SIDE * SIDE, device=device).view(IMAGES, CHANNELS, SIDE, SIDE)
    filters = torch.linspace(-1, 1, CHANNELS * CHANNELS * 9, device=device).view(CHANNELS, CHANNELS, 3, 3)

    def seconds(rounds: int) -> float:
        clock = time.thread_time if device.type == "cpu" else time.perf_counter
        wait_for(device)
        began = clock()
        for _ in range(rounds):
            a @ a
            F.conv2d(x, filters, padding=1)
        wait_for(device)
        return clock() - began

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            seconds(1)  # the first round also allocates
            return seconds(ROUNDS["cuda" if device.type == "cuda" else "cpu"])
    finally:
        torch.set_num_threads(threads)


def wait_for(device: torch.device) -> None:
    """Wait until the device has finished, so that a clock does not stop early."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
