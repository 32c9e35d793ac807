"""Outputs of a model for a batch of images, checked.

The model is in eval mode, without gradients (`unsup.models.parts.frozen.frozen`). Every function raises `UserError`
where the model returns something of a wrong shape.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.errors import UserError
from unsup.core.seeds import seed_noise

IMPORTANCE_SAMPLES = 100  # of the posterior of an image


def clusters_of(model: Any, x: Tensor) -> Tensor:
    """Return the cluster of each image by the model's `assign`, (N,) int64 on the CPU."""
    name, ids = f"{type(model).__name__}.assign", model.assign(x)
    if not isinstance(getattr(model, "num_clusters", None), int):
        raise UserError(f"{name} needs the number of clusters: set num_clusters in __init__")
    if not isinstance(ids, Tensor) or ids.shape != (len(x),) or ids.dtype != torch.int64:
        raise UserError(f"{name} returned {_kind(ids)}: it must be torch.int64 ({len(x)},)")
    low, high = ids.min().item(), ids.max().item()
    if low < 0 or high >= model.num_clusters:
        raise UserError(f"{name} returned clusters {low} to {high}: num_clusters is {model.num_clusters}")
    return ids.cpu()


def view_distances(model: Any, x: Tensor, batch: int) -> Tensor:
    """Return squared distances (N,) of the unit-length codes of two `views`.

    They are from 0 to 4. The views depend on the number of the batch alone.
    """
    seed_noise(model.device, "views", batch)
    views, name = model.views(x), f"{type(model).__name__}.views"
    if not isinstance(views, tuple | list) or len(views) != 2:
        raise UserError(f"{name} returned a {type(views).__name__}: it must return two views of each image")
    codes = [as_matrix(model.encode(as_shape(v, (*x.shape[:2], "H", "W"), name)), len(x), name) for v in views]
    first, second = (F.normalize(z, dim=1) for z in codes)
    return (first - second).square().sum(1)


def likelihood(model: Any, x: Tensor, batch: int) -> dict[str, Tensor]:
    """Return ELBO (N,), KL of each dimension (N, D) and log p(x) (N,), in nats.

    log p(x) is importance-sampled; of dequantised pixels it is also there as "log_density". Values that the model does
    not offer are absent. The noise depends on the number of the batch alone.
    """
    name, n = type(model).__name__, len(x)
    nats: dict[str, Tensor] = {}
    if hasattr(model, "elbo"):
        seed_noise(model.device, "elbo", batch)
        terms = model.elbo(x)
        if not isinstance(terms, tuple | list) or len(terms) != 2:
            raise UserError(f"{name}.elbo returned {_kind(terms)}: it must return log p(x|z) and the KL")
        nats["kl"] = as_matrix(terms[1], n, f"{name}.elbo: KL")
        nats["elbo"] = as_shape(terms[0], (n,), f"{name}.elbo: log p(x|z)").float().cpu() - nats["kl"].sum(1)
    if hasattr(model, "log_likelihood"):
        seed_noise(model.device, "log_likelihood", batch)
        values = model.log_likelihood(x, IMPORTANCE_SAMPLES)
        nats["log_likelihood"] = as_shape(values, (n,), f"{name}.log_likelihood").float().cpu()
        if getattr(model, "dequantised", False):
            nats["log_density"] = nats["log_likelihood"]
    return nats


def as_matrix(z: Any, n: int, name: str) -> Tensor:
    """Return a matrix (n, D) as float32 on the CPU."""
    return as_shape(z, (n, "D"), name).float().cpu()


def as_shape(output: Any, shape: tuple[int | str, ...], name: str) -> Tensor:
    """Return an output that has this shape, in which a letter stands for any size."""
    sizes = tuple(output.shape) if isinstance(output, Tensor) else ()
    fits = isinstance(output, Tensor) and len(sizes) == len(shape)
    if fits and all(isinstance(wanted, str) or size == wanted for size, wanted in zip(sizes, shape, strict=True)):
        return output
    wanted = ", ".join(map(str, shape)) + "," * (len(shape) == 1)
    raise UserError(f"{name} returned {_kind(output)}: it must be a tensor ({wanted})")


def _kind(output: Any) -> str:
    if isinstance(output, Tensor):
        return f"{output.dtype} {tuple(output.shape)}"
    return "None" if output is None else f"a {type(output).__name__}"
