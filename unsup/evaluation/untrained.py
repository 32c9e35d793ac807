"""The untrained network of a model."""

import hashlib
from typing import Any

import torch

from unsup.core.devices import one_thread
from unsup.data.base import ImageData
from unsup.evaluation.codes import samples
from unsup.models.base import Model
from unsup.models.foreign.code_cache import identity
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import frozen, weights_hash
from unsup.models.parts.optional_outputs import likelihood

INITIALISATIONS = 3  # of the untrained network; one without gradients


def num_initialisations(model: Model) -> int:
    """Return how many untrained networks to average, 0 if no weight is random."""
    if model.untrained_options is None:
        return 0
    if any(p.requires_grad for p in model.parameters()):
        return INITIALISATIONS
    random = weights_hash(_initialised(model, 0)) != weights_hash(_initialised(model, 1))
    return 1 if random else 0


def untrained(model: Model, seed: int) -> Model:
    """Return the same architecture with new weights, on the device of `model`.

    Batch-norm keeps the statistics that it is built with. Statistics of training images would make the baseline weaker
    (linear probe on validation images of MNIST: simclr .83 -> .67, conv_ae .74 -> .51, vae .75 -> .62; ResNet-18 on
    CIFAR-10: .37 -> .26).
    """
    return _initialised(model, seed).to(model.device).eval()


def signature(model: Model, data: ImageData) -> str:
    """Return a hash of outputs of the untrained network, equal for equal functions.

    The outputs are computed on one thread of the CPU: with more threads the last bits differ.
    """
    digest = hashlib.sha256()
    network: Any = _initialised(model, 0)
    if isinstance(network, ForeignEncoder):  # whose pictures are not those of the data set
        return identity(network)
    with one_thread():
        x = next(data.batches("train", batch_size=64))
        with frozen(network):
            outputs = [network.encode(x), *(network.layers(x).values() if hasattr(network, "layers") else ())]
            outputs += [network.reconstruct(x)] if hasattr(network, "reconstruct") else []
            outputs += [network.assign(x)] if hasattr(network, "assign") else []
            outputs += likelihood(network, x, 0).values()
        outputs += samples(network, 64) if hasattr(network, "sample") else []
    for output in outputs:
        digest.update(output.contiguous().numpy().data)
    return digest.hexdigest()


def _initialised(model: Model, seed: int) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return type(model)(**{**model.hparams, **(model.untrained_options or {})})
