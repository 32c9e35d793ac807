"""The untrained twin: the architecture of a model with new weights, the floor that shows what training has added."""

import hashlib
from typing import Any

import torch

from unsup.data.base import ImageData
from unsup.evaluation.codes import samples
from unsup.models.base import Model
from unsup.models.frozen import frozen, weights_hash
from unsup.models.optional_outputs import likelihood

INITIALISATIONS = 3  # of the untrained twin, 1 without gradients; layers and corrupted images: of the first alone


def num_initialisations(model: Model) -> int:
    """How many untrained twins a model gets: none where nothing is drawn at random before it is fitted, as for PCA."""
    if any(p.requires_grad for p in model.parameters()):
        return INITIALISATIONS
    return int(weights_hash(initialised(model, 0)) != weights_hash(initialised(model, 1)))


def untrained(model: Model, seed: int) -> Model:
    """The same architecture, freshly initialised, on the device of `model`.

    Batch-norm passes images on as they are, as it is built. Statistics taken from training images would make the floor
    a lower one (linear probe on validation images of MNIST: simclr .83 -> .67, conv_ae .74 -> .51, vae .75 -> .62;
    ResNet-18 on CIFAR-10: .37 -> .26).
    """
    return initialised(model, seed).to(model.device).eval()


def signature(model: Model, data: ImageData) -> str:
    """Two untrained twins are the same floor exactly when they are the same function: the hash of some outputs.

    They are computed on one thread of the CPU: with more, the last bits would be others.
    """
    digest = hashlib.sha256()
    twin: Any = initialised(model, 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        x = next(data.batches("train", size=64))
        with frozen(twin):
            outputs = [twin.encode(x), *(twin.layers(x).values() if hasattr(twin, "layers") else ())]
            outputs += [twin.reconstruct(x)] if hasattr(twin, "reconstruct") else []
            outputs += [twin.assign(x)] if hasattr(twin, "assign") else []
            outputs += likelihood(twin, x, 0).values()
        outputs += samples(twin, 64) if hasattr(twin, "sample") else []
    finally:
        torch.set_num_threads(threads)
    for output in outputs:
        digest.update(output.contiguous().numpy().data)
    return digest.hexdigest()


def initialised(model: Model, seed: int) -> Model:
    """The same architecture with new weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return type(model)(**model.hparams)
