"""A model used without changing it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unsup.models.base import Model


def weights_hash(model: Model) -> str:
    """SHA-256 over names, types, shapes and values of every parameter and every buffer."""
    digest = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def frozen(model: Model) -> Iterator[None]:
    """Eval mode, no gradients, full precision, noise that nobody else notices; all as it was afterwards."""
    training = {module: module.training for module in model.modules()}
    precision = torch.get_float32_matmul_precision()
    cuda = [model.device] if model.device.type == "cuda" else []
    model.eval()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.no_grad(),
            torch.random.fork_rng(cuda),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        for module, flag in training.items():
            module.training = flag


@contextmanager
def looking_at(model: Model) -> Iterator[None]:
    """Eval mode without gradients; every module's mode and the random state are as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
