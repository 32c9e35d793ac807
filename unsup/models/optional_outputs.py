"""What a model with more to say than a code says of a batch of images; its answers are checked here.

The model is in eval mode, without gradients (`unsup.models.frozen.frozen`).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.errors import UserError
from unsup.core.seeds import seed_noise

IMPORTANCE_SAMPLES = 100  # of the posterior of an image


def clusters_of(model: Any, x: Tensor) -> Tensor:
    """(N,) int64, on the CPU: the cluster that a model with `assign` puts each image in.

    Raises:
        UserError: a wrong shape, other than int64, or not from 0 to below the model's `num_clusters`.
    """
    what, ids = f"{type(model).__name__}.assign", model.assign(x)
    if not isinstance(getattr(model, "num_clusters", None), int):
        raise UserError(f"{what} needs to know how many clusters there are: set num_clusters in __init__")
    if ids.shape != (len(x),) or ids.dtype != torch.int64:
        raise UserError(f"{what} gave {ids.dtype} {tuple(ids.shape)}: it must be torch.int64 ({len(x)},)")
    low, high = ids.min().item(), ids.max().item()
    if low < 0 or high >= model.num_clusters:
        raise UserError(
            f"{what} gave clusters {low} to {high}: num_clusters {model.num_clusters} allows 0 and up to below"
        )
    return ids.cpu()


def view_distances(model: Any, x: Tensor, batch: int) -> Tensor:
    """(N,) squared distance in [0, 4] between the unit-length codes of the two `views` of each image.

    The views are a function of the number of the batch alone.
    """
    seed_noise(model.device, "views", batch)
    first, second = (F.normalize(as_matrix(model.encode(view), len(x), "views"), dim=1) for view in model.views(x))
    return (first - second).square().sum(1)


def likelihood(model: Any, x: Tensor, batch: int) -> dict[str, Tensor]:
    """ELBO (N,), KL of each latent dimension (N, D) and importance-sampled log p(x) (N,) of x, in nats.

    What the model does not offer is absent. The noise is a function of the number of the batch alone.

    Raises:
        UserError: a shape is another one.
    """
    name, n = type(model).__name__, len(x)
    found: dict[str, Tensor] = {}
    if hasattr(model, "elbo"):
        seed_noise(model.device, "elbo", batch)
        log_p, kl = model.elbo(x)
        found["kl"] = as_matrix(kl, n, f"{name}.elbo: KL")
        found["elbo"] = _vector(log_p, n, f"{name}.elbo: log p(x|z)") - found["kl"].sum(1)
    if hasattr(model, "log_likelihood"):
        seed_noise(model.device, "log_likelihood", batch)
        values = model.log_likelihood(x, IMPORTANCE_SAMPLES)
        found["log_likelihood"] = _vector(values, n, f"{name}.log_likelihood")
    return found


def as_matrix(z: Tensor, n: int, what: str) -> Tensor:
    if z.ndim != 2 or len(z) != n:
        raise UserError(f"{what} gave shape {tuple(z.shape)} for {n} images: it must be ({n}, D), one row an image")
    return z.float().cpu()


def _vector(values: Tensor, n: int, what: str) -> Tensor:
    if values.shape != (n,):
        raise UserError(f"{what} gave shape {tuple(values.shape)} for {n} images: it must be ({n},)")
    return values.float().cpu()
