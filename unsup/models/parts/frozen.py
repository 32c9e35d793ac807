"""Use of a model that leaves no trace in it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import lightning.pytorch as L
import torch


def weights_hash(model: L.LightningModule) -> str:
    """Return SHA-256 of names, types, shapes and values of the whole state."""
    digest = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def frozen(model: L.LightningModule, full_precision: bool = True) -> Iterator[None]:
    """Put a model into eval mode, without gradients.

    The mode of every module and the random state are restored at the end. With full precision float32 matrices are
    multiplied in float32 and convolutions are deterministic, whatever the settings of the process.
    """
    modes = {module: module.training for module in model.modules()}
    kind = model.device.type
    states = {"devices": [] if kind == "cpu" else [model.device], "device_type": "cuda" if kind == "cpu" else kind}
    with torch.no_grad(), torch.random.fork_rng(**states), _precise() if full_precision else nullcontext():
        model.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode


@contextmanager
def _precise() -> Iterator[None]:
    """Use float32 for products of float32 numbers on all devices."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
