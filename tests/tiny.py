"""A few real digits and a quiet trainer: what tests of models train on, in milliseconds a step."""

import torch
from torch import Tensor

from unsup.models.parts.contract import same_state
from unsup.testing import Memory, TinyDigits, trainer
from unsup.testing import fit as train

__all__ = ["SHAPE", "Memory", "TinyDigits", "digits", "same_weights", "train", "trainer"]

SHAPE = TinyDigits.shape


def digits(n: int = 32) -> Tensor:
    """x (n, 1, 8, 8)."""
    images = TinyDigits(n).arrays[True][0]
    return torch.from_numpy(images).float() / 255


def same_weights(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Equal parameters and buffers, bit for bit."""
    return same_state(a.state_dict(), b.state_dict())
