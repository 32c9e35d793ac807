"""The outputs of a frozen model on a data set, as plain arrays."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from unsup.core.arrays import Floats
from unsup.core.errors import UserError
from unsup.core.seeds import seed_noise
from unsup.core.splits import SPLITS
from unsup.data.base import ImageData, Split
from unsup.evaluation.encoded import Encoded, finite
from unsup.evaluation.foreign_encoding import NOT_CACHED, PictureSource
from unsup.evaluation.progress import say
from unsup.evaluation.stored import stored_codes
from unsup.models.base import Model
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.foreign.stored_codes import StoredCodes
from unsup.models.parts.frozen import frozen
from unsup.models.parts.optional_outputs import as_matrix, clusters_of, likelihood, view_distances

CHUNK = 500  # images sampled at a time
REMEDY = "train the model again with a lower learning rate"  # what helps if its outputs are not finite


def encode_splits(
    model: Model, data: ImageData, layers: bool, source: PictureSource = NOT_CACHED
) -> tuple[dict[str, Encoded], list[Tensor]]:
    """Return the model's outputs on each split, and the test images.

    There is one pass over each split. The test images are batches (n, C, H, W) on the model's device, so that nothing
    reads them a second time. There are none of an encoder from elsewhere, which sees pictures of its own
    (`source`), and of codes in a file.

    Raises:
        UserError: outputs of the model are not finite or have a wrong shape.
    """
    if isinstance(model, ForeignEncoder) and not model.as_they_are:
        return {split: Encoded(codes) for split, codes in source.codes_of_splits(model, data).items()}, []
    if isinstance(model, StoredCodes):
        return {split: Encoded(codes) for split, codes in stored_codes(model, data).items()}, []
    encoded: dict[str, Encoded] = {}
    batches: Iterable[Tensor] = []
    for split in SPLITS:
        say(f"encoding {data.size(split):,} {split} images")
        batches = data.batches(split, model.device)
        if split == "test":
            batches = list(batches)
        encoded[split] = encode_batches(model, batches, split, layers, scored=split != "train")
    return encoded, list(batches)


def encode_batches(model: Any, batches: Iterable[Tensor], split: Split, layers: bool, scored: bool = True) -> Encoded:
    """Return what a model says about the images of a split, all of it checked.

    The model runs on its own device, in eval mode, without gradients and with full float32 products, whatever precision
    it was trained with. Its `training` flags, that precision and the global random state are restored afterwards.

    Args:
        model: the model.
        batches: images (n, C, H, W) in the order of the split, on the model's device.
        split: the split that the images belong to.
        layers: include the model's `layers`.
        scored: include reconstruction errors and, for test images, likelihoods and distances between views.

    Raises:
        UserError: an output is not finite or has a wrong shape.
    """
    name = type(model).__name__
    outputs: defaultdict[str, list[Tensor]] = defaultdict(list)
    inner: defaultdict[str, list[Tensor]] = defaultdict(list)
    nats: defaultdict[str, list[Tensor]] = defaultdict(list)
    with frozen(model):
        for i, x in enumerate(batches):
            outputs["the codes"].append(as_matrix(model.encode(x), len(x), f"{name}.encode"))
            if hasattr(model, "assign"):
                outputs["clusters"].append(clusters_of(model, x))
            if layers and hasattr(model, "layers"):
                for layer, z in model.layers(x).items():
                    inner[layer].append(as_matrix(z, len(x), f"{name}.layers: {layer}"))
            if scored and hasattr(model, "reconstruct"):
                errors = (x - model.reconstruct(x)).float().square().flatten(1).sum(1).cpu()
                outputs["the reconstructions"].append(errors)
            if scored and split == "test":
                for key, values in likelihood(model, x, i).items():
                    nats[key].append(values)
            if scored and split == "test" and hasattr(model, "views"):
                outputs["codes of views"].append(view_distances(model, x, i))

    def checked(parts: list[Tensor], what: str) -> Floats:
        return finite(torch.cat(parts).numpy(), f"{name}: {what}", split, REMEDY)

    def optional(what: str) -> Floats | None:
        return checked(outputs[what], what) if what in outputs else None

    return Encoded(
        codes=checked(outputs["the codes"], "the codes"),
        layers={layer: checked(parts, f"layer {layer}") for layer, parts in inner.items()},
        squared_error=optional("the reconstructions"),
        likelihood={key: checked(parts, key) for key, parts in nats.items()},
        view_distances=optional("codes of views"),
        clusters=torch.cat(outputs["clusters"]).numpy() if "clusters" in outputs else None,
    )


def samples(model: Any, n: int) -> Iterator[Tensor]:
    """Yield n new images, the same ones every time.

    They come in chunks (m, C, H, W) of at most 500, float32 on the CPU. The model is used as in `encode_batches`, with
    seeded noise.

    Raises:
        UserError: the images are not finite, not in [0, 1] or have a wrong shape.
    """
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        with frozen(model):
            seed_noise(model.device, "samples", start)
            x = model.sample(size).float().cpu()
        what = f"{type(model).__name__}.sample({size}) returned"
        if x.shape != (size, *model.shape):
            raise UserError(f"{what} shape {tuple(x.shape)}: it must be {(size, *model.shape)}")
        low, high = x.min().item(), x.max().item()  # NaN where any value is
        if not 0 <= low <= high <= 1:
            raise UserError(f"{what} values from {low:g} to {high:g}: they must be finite and in [0, 1]")
        yield x
