"""Backbones that start from the weights of torchvision or timm."""

from typing import Any

from unsup.core.errors import UsageError, UserError
from unsup.models.base import Model
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import weights_hash
from unsup.models.parts.library_backbones import LibraryBackbone


def load_library_weights(model: Model, name: str) -> dict[str, Any]:
    """Give the backbone of a model its library's weights, and return their record.

    Args:
        model: with a backbone of the same network.
        name: torchvision:NAME or timm:NAME, as of an encoder.

    Raises:
        UsageError: the model has no such backbone.
        UserError: there are no such weights, or they do not fit its images.
    """
    backbones = [module for module in model.modules() if isinstance(module, LibraryBackbone)]
    network = str(model.hparams.get("backbone", ""))
    if model.needs_init:
        raise UsageError(f"init_from: {type(model).__name__} starts from another run, not from {name}")
    if not backbones or network.partition(".")[0] != name.partition(".")[0]:
        raise UsageError(f"init_from: {name} starts a backbone of this network: give --model.backbone {name}, too")
    loaded = ForeignEncoder(name, size=model.shape[1] if name.startswith("timm:") else None)
    weights = loaded.network.state_dict()
    for backbone in backbones:  # a teacher is a copy
        own = backbone.network.state_dict()
        for key, value in own.items():
            if key not in weights or weights[key].shape != value.shape:
                raise UserError(
                    f"init_from: {key} of {name} does not fit images of {model.shape[1]} x {model.shape[2]}: "
                    "residual networks begin otherwise below 64 pixels (--data.size), and transformers have one size"
                )
        backbone.network.load_state_dict(weights)
    return {"run": name, "weights_sha256": weights_hash(loaded), "pretrained_on": dict(loaded.pretrained_on or {})}
