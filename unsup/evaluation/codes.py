"""From a frozen model and a data set to plain arrays, from which everything else is computed."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from unsup.core.arrays import Floats
from unsup.core.errors import UserError
from unsup.core.seeds import seed_noise
from unsup.data.base import ImageData, Split
from unsup.evaluation.encoded import SPLITS, Encoded, finite
from unsup.evaluation.progress import say
from unsup.models.base import Model
from unsup.models.frozen import frozen
from unsup.models.optional_outputs import as_matrix, clusters_of, likelihood, view_distances

CHUNK = 500  # images sampled at a time
AGAIN = "train the model again with a lower learning rate"  # what helps where its outputs are not finite


def encode(model: Model, data: ImageData, layers: bool) -> tuple[dict[str, Encoded], list[Tensor]]:
    """All that the evaluation asks the model about the images of each split, and the test images themselves.

    One pass over each split: the test images (batches of (n, C, H, W) on the model's device) are handed on so that
    nobody has to read them again.

    Raises:
        UserError: what the model gives is not finite or of a wrong shape.
    """
    encoded: dict[str, Encoded] = {}
    batches: Iterable[Tensor] = []
    for split in SPLITS:
        say(f"encoding {data.size(split):,} {split} images")
        batches = data.batches(split, model.device)
        if split == "test":
            batches = list(batches)
        encoded[split] = encode_batches(model, batches, split, layers, scored=split != "train")
    return encoded, list(batches)


def encode_batches(model: Model, batches: Iterable[Tensor], split: Split, layers: bool, scored: bool = True) -> Encoded:
    """Codes, inner layers, the model's own clusters, reconstruction errors, likelihoods and what views do to the codes.

    The model runs on its own device, in eval mode, without gradients, with full float32 products whatever precision it
    was trained with. Its `training` flags, that precision and the global random state are put back afterwards.

    Args:
        batches: images (n, C, H, W) in the split's order, on the model's device.
        split: whose images they are.
        layers: also the model's `layers`, if it has any.
        scored: also what the model's `reconstruct` and, of test images, `elbo`, `log_likelihood` and `views` allow.

    Raises:
        UserError: the codes are no matrix (n, D); something is not finite; clusters are wrong (`clusters_of`).
    """
    name = type(model).__name__
    inner_layers: Callable[[Tensor], dict[str, Tensor]] | None = getattr(model, "layers", None) if layers else None
    reconstruction: Callable[[Tensor], Tensor] | None = getattr(model, "reconstruct", None) if scored else None
    codes: list[Tensor] = []
    inner: dict[str, list[Tensor]] = {}
    errors: list[Tensor] = []
    nats: dict[str, list[Tensor]] = {}
    apart: list[Tensor] = []
    clusters: list[Tensor] = []
    with frozen(model):
        for i, x in enumerate(batches):
            codes.append(as_matrix(model.encode(x), len(x), f"{name}.encode"))
            if hasattr(model, "assign"):
                clusters.append(clusters_of(model, x))
            if inner_layers:
                for layer, z in inner_layers(x).items():
                    inner.setdefault(layer, []).append(as_matrix(z, len(x), f"{name}.layers: {layer}"))
            if reconstruction:
                errors.append((x - reconstruction(x)).float().square().flatten(1).sum(1).cpu())
            if scored and split == "test":
                for key, values in likelihood(model, x, i).items():
                    nats.setdefault(key, []).append(values)
            if scored and split == "test" and hasattr(model, "views"):
                apart.append(view_distances(model, x, i))

    def checked(parts: list[Tensor], what: str) -> Floats:
        return finite(torch.cat(parts).numpy(), f"{name}: {what}", split, AGAIN)

    return Encoded(
        codes=checked(codes, "the codes"),
        layers={k: checked(v, f"layer {k}") for k, v in inner.items()},
        squared_error=checked(errors, "the reconstructions") if errors else None,
        likelihood={k: checked(v, k) for k, v in nats.items()},
        between_views=checked(apart, "codes of views") if apart else None,
        clusters=torch.cat(clusters).numpy() if clusters else None,
    )


def samples(model: Any, n: int) -> Iterator[Tensor]:
    """n new images, the same ones every time, as chunks (m, C, H, W) of at most 500, float32 in [0, 1] on the CPU.

    The model is in eval mode, without gradients and with seeded noise, and afterwards as in `encode_batches`.

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
