"""From a frozen model and a data set to plain arrays; everything after this file sees arrays only."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unsup.data.base import ImageData, Split
from unsup.errors import UserError
from unsup.evaluation.feature_space import FeatureSpace
from unsup.models.base import Model
from unsup.seeds import seed_noise

SPLITS: tuple[Split, ...] = ("train", "val", "test")
IMPORTANCE_SAMPLES = 100  # of the posterior of an image
CHUNK = 500  # images sampled at a time

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """What a model says about the n images of a split, in the split's order."""

    codes: Floats  # (n, D)
    layers: dict[str, Floats]  # (n, d) each
    squared_error: Floats | None  # (n,) summed over an image's values; None: the model does not reconstruct
    likelihood: dict[str, Floats]  # in nats: "elbo" (n,), "kl" (n, D), "log_likelihood" (n,), as far as the model can


def encode(
    model: Model, data: ImageData, layers: bool, spaces: Sequence[FeatureSpace], say: Callable[[str], None]
) -> tuple[dict[str, Encoded], list[Floats], tuple[str, str]]:
    """All that the evaluation asks the model, in one pass over each split.

    Returns:
        what it says about each split; features (n, D) of new images in each of the spaces, n as many as the real ones
        there; SHA-256 over parameters and buffers, before and after.

    Raises:
        UserError: the weights have changed; what the model gives is not finite, out of range or of a wrong shape.
    """
    before = weights_hash(model)
    encoded: dict[str, Encoded] = {}
    for split in SPLITS:
        say(f"encoding {data.size(split):,} {split} images")
        encoded[split] = encode_split(model, data, split, layers, scored=split == "test")
    generated: list[Floats] = []
    for space in spaces:
        say(f"sampling {len(space.test):,} images")
        generated.append(np.concatenate([space.features(x) for x in samples(model, len(space.test))]))
    after = weights_hash(model)
    if after != before:
        raise UserError(
            f"{type(model).__name__}: the encoder changed while it was evaluated: in eval mode encode, layers, "
            "reconstruct, sample, elbo and log_likelihood must leave parameters and buffers alone"
        )
    return encoded, generated, (before, after)


def weights_hash(model: Model) -> str:
    """SHA-256 over names, types, shapes and values of every parameter and every buffer."""
    digest = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def encode_split(model: Model, data: ImageData, split: Split, layers: bool, scored: bool = True) -> Encoded:
    """Codes, inner layers, reconstruction errors and likelihoods of every image of a split, in one pass over it.

    The model runs on its own device, in eval mode, without gradients, with full float32 products whatever precision it
    was trained with. Its `training` flags, that precision and the global random state are put back afterwards.

    Args:
        layers: also the model's `layers`, if it has any.
        scored: also squared errors and likelihoods, if the model has `reconstruct`, `elbo`, `log_likelihood`.

    Raises:
        UserError: the codes are no matrix (n, D); something is not finite.
    """
    name = type(model).__name__
    inner_layers: Callable[[Tensor], dict[str, Tensor]] | None = getattr(model, "layers", None) if layers else None
    reconstruction: Callable[[Tensor], Tensor] | None = getattr(model, "reconstruct", None) if scored else None
    codes: list[Tensor] = []
    inner: dict[str, list[Tensor]] = {}
    errors: list[Tensor] = []
    nats: dict[str, list[Tensor]] = {}
    with frozen(model):
        for i, x in enumerate(data.batches(split, model.device)):
            codes.append(_matrix(model.encode(x), len(x), f"{name}.encode"))
            if inner_layers:
                for layer, z in inner_layers(x).items():
                    inner.setdefault(layer, []).append(_matrix(z, len(x), f"{name}.layers: {layer}"))
            if reconstruction:
                errors.append((x - reconstruction(x)).float().square().flatten(1).sum(1).cpu())
            if scored:
                for key, values in likelihood(model, x, i).items():
                    nats.setdefault(key, []).append(values)
    return Encoded(
        codes=_finite(torch.cat(codes).numpy(), f"{name}: the codes", split),
        layers={k: _finite(torch.cat(v).numpy(), f"{name}: layer {k}", split) for k, v in inner.items()},
        squared_error=_finite(torch.cat(errors).numpy(), f"{name}: the reconstructions", split) if errors else None,
        likelihood={k: _finite(torch.cat(v).numpy(), f"{name}: {k}", split) for k, v in nats.items()},
    )


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
        found["kl"] = _matrix(kl, n, f"{name}.elbo: KL")
        found["elbo"] = _vector(log_p, n, f"{name}.elbo: log p(x|z)") - found["kl"].sum(1)
    if hasattr(model, "log_likelihood"):
        seed_noise(model.device, "log_likelihood", batch)
        values = model.log_likelihood(x, IMPORTANCE_SAMPLES)
        found["log_likelihood"] = _vector(values, n, f"{name}.log_likelihood")
    return found


def samples(model: Any, n: int) -> Iterator[Tensor]:
    """n new images, the same ones every time, as chunks (m, C, H, W) of at most 500, float32 in [0, 1] on the CPU.

    The model is in eval mode, without gradients and with seeded noise, and afterwards as in `encode_split`.

    Raises:
        UserError: what `sample` gives is not finite, not in [0, 1] or of a wrong shape.
    """
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        with frozen(model):
            seed_noise(model.device, "samples", start)
            x = model.sample(size).float().cpu()
        what = f"{type(model).__name__}.sample({size}) gave"
        if x.shape != (size, *model.shape):
            raise UserError(f"{what} shape {tuple(x.shape)}: it must be {(size, *model.shape)}")
        low, high = x.min().item(), x.max().item()  # NaN where any value is
        if not 0 <= low <= high <= 1:
            raise UserError(f"{what} values from {low:g} to {high:g}: they must be finite and in [0, 1]")
        yield x


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


def _matrix(z: Tensor, n: int, what: str) -> Tensor:
    if z.ndim != 2 or len(z) != n:
        raise UserError(f"{what} gave shape {tuple(z.shape)} for {n} images: it must be ({n}, D), one row an image")
    return z.float().cpu()


def _vector(values: Tensor, n: int, what: str) -> Tensor:
    if values.shape != (n,):
        raise UserError(f"{what} gave shape {tuple(values.shape)} for {n} images: it must be ({n},)")
    return values.float().cpu()


def _finite(values: Floats, what: str, split: Split) -> Floats:
    broken = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(broken):
        raise UserError(
            f"{what} are not finite for {len(broken)} of {len(values)} {split} images (the first: {broken[0]}): "
            "train the model again with a lower learning rate"
        )
    return values
