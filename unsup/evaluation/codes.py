"""From a frozen model and a data set to plain arrays; everything after this file sees arrays only."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unsup.data.base import ImageData, Split
from unsup.errors import UserError
from unsup.models.base import Model


@dataclass(frozen=True)
class Encoded:
    """What a model says about the n images of a split, in the split's order."""

    codes: NDArray[np.float32]  # (n, D)
    layers: dict[str, NDArray[np.float32]]  # (n, d) each
    squared_error: (
        NDArray[np.float32] | None
    )  # (n,) summed over an image's values; None: the model does not reconstruct


def weights_hash(model: Model) -> str:
    """SHA-256 over names, types, shapes and values of every parameter and every buffer."""
    digest = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def encode_split(model: Model, data: ImageData, split: Split, layers: bool, reconstruct: bool = True) -> Encoded:
    """Codes, inner layers and reconstruction errors of every image of a split, in one pass over it.

    The model runs on its own device, in eval mode, without gradients, with full float32 products whatever precision it
    was trained with. Its `training` flags and that precision are put back afterwards.

    Args:
        layers: also the model's `layers`, if it has any.
        reconstruct: also the squared errors, if the model can reconstruct.

    Raises:
        UserError: the codes are no matrix (n, D), or not finite.
    """
    name = type(model).__name__
    inner_layers: Callable[[Tensor], dict[str, Tensor]] | None = getattr(model, "layers", None) if layers else None
    reconstruction: Callable[[Tensor], Tensor] | None = getattr(model, "reconstruct", None) if reconstruct else None
    codes: list[Tensor] = []
    inner: dict[str, list[Tensor]] = {}
    errors: list[Tensor] = []
    with _frozen(model):
        for x in data.batches(split, model.device):
            codes.append(_matrix(model.encode(x), len(x), f"{name}.encode"))
            if inner_layers:
                for layer, z in inner_layers(x).items():
                    inner.setdefault(layer, []).append(_matrix(z, len(x), f"{name}.layers: {layer}"))
            if reconstruction:
                errors.append((x - reconstruction(x)).float().square().flatten(1).sum(1).cpu())
    return Encoded(
        codes=_finite(torch.cat(codes).numpy(), f"{name}: the codes", split),
        layers={k: _finite(torch.cat(v).numpy(), f"{name}: layer {k}", split) for k, v in inner.items()},
        squared_error=_finite(torch.cat(errors).numpy(), f"{name}: the reconstructions", split) if errors else None,
    )


@contextmanager
def _frozen(model: Model) -> Iterator[None]:
    """Eval mode, no gradients, full precision; all as it was afterwards."""
    training = {module: module.training for module in model.modules()}
    precision = torch.get_float32_matmul_precision()
    model.eval()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        for module, flag in training.items():
            module.training = flag


def _matrix(z: Tensor, n: int, what: str) -> Tensor:
    if z.ndim != 2 or len(z) != n:
        raise UserError(f"{what} gave shape {tuple(z.shape)} for {n} images: it must be ({n}, D), one row an image")
    return z.float().cpu()


def _finite(values: NDArray[np.float32], what: str, split: Split) -> NDArray[np.float32]:
    broken = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(broken):
        raise UserError(
            f"{what} are not finite for {len(broken)} of {len(values)} {split} images (the first: {broken[0]}): "
            "train the model again with a lower learning rate"
        )
    return values
