"""The device that encoders run on."""

import torch


def fastest_device() -> torch.device:
    """Return the first CUDA device, or else that of Apple's chips, or else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
