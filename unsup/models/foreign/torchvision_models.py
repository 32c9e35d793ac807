"""Classifiers of torchvision without their last layer."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.transforms import InterpolationMode

from unsup.core.errors import UsageError, UserError, closest
from unsup.models.foreign.loaded import Loaded, Preparation, in_words, normalisation_in_words

INCEPTION = ("googlenet", "inception_v3")


def load(name: str, options: Preparation, pretrained: bool) -> Loaded:
    """Return a classifier with its default weights, which torchvision may download.

    Raises:
        UsageError: torchvision has none of this name.
        UserError: the weights cannot be downloaded.
    """
    known_classifier(name)
    weights = models.get_model_weights(name).DEFAULT
    network = without_last_layer(name, build(name))
    if pretrained:
        load_weights(name, weights, network)
    preset = prepared_by(weights.transforms, options)
    mean, std = preset.mean, preset.std
    words = in_words(preset.resize_size[0], preset.crop_size[0], preset.interpolation.value)
    preset.mean, preset.std = [0.0] * 3, [1.0] * 3  # the network's own, so that pictures are in [0, 1]
    origin = f"torchvision {weights}: {'ImageNet-1k, after SWAG' if 'SWAG' in weights.name else 'ImageNet-1k'}"
    return Loaded(
        network,
        preset,
        (3, *preset.crop_size * 2),
        mean,
        std,
        f"{words}; {normalisation_in_words(mean, std)}",
        repr(preset),
        {"images": ["other"], "supervision": ["labels"], "text": origin},
        builder=True,
    )


def known_classifier(name: str) -> None:
    """Raise `UsageError` unless torchvision has a classifier of this name."""
    known = models.list_models(module=models)
    if name not in known:
        raise UsageError(f"torchvision has no classifier {name!r} ({closest(name, known)})")


def build(name: str) -> nn.Module:
    """Return a classifier with random weights for pictures as its weights expect them."""
    arguments: dict[str, Any] = {}
    if name in INCEPTION:
        arguments["transform_input"] = True  # as it is if there are weights
    if name.startswith("vit_"):  # whose positions have a size
        arguments["image_size"] = models.get_model_weights(name).DEFAULT.transforms().crop_size[0]
    return network_of(name, **arguments)


def network_of(name: str, **arguments: Any) -> nn.Module:
    """Return a classifier with random weights, without heads for training."""
    if name in INCEPTION:
        arguments = {"aux_logits": False, "init_weights": True, **arguments}
    return models.get_model(name, weights=None, **arguments)


def prepared_by(preset: Any, options: Preparation) -> Any:
    """Return the transform of some weights, with the user's options."""
    standard = preset()
    size = options.size or standard.crop_size[0]
    crop = options.crop or standard.crop_size[0] / standard.resize_size[0]
    changed: dict[str, Any] = {}
    if options.size or options.crop:
        changed |= {"crop_size": size, "resize_size": round(size / crop)}
    if options.interpolation:
        changed["interpolation"] = InterpolationMode(options.interpolation)
    changed |= {key: value for key in ("mean", "std") if (value := getattr(options, key)) is not None}
    return partial(preset, **changed)()


def without_last_layer(name: str, network: nn.Module) -> nn.Module:
    """Replace the last linear layer, which names classes, by the identity.

    Raises:
        UserError: there is none.
    """
    linear = [path for path, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise UserError(f"torchvision:{name} has no linear layer to take off: write a function that returns its codes")
    parent, _, last = linear[-1].rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    return network


def load_weights(name: str, weights: Any, network: nn.Module) -> None:
    """Load weights from torch's cache or by download.

    Those of the layer that was taken off are left out.

    Raises:
        UserError: there are none, or not all that the network needs.
    """
    file = Path(torch.hub.get_dir(), "checkpoints", Path(weights.url).name)
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as e:  # no network, or a damaged download
        problem = f"which cannot be downloaded here ({' '.join(str(e).split())})"
        raise UserError(f"torchvision:{name} needs {file.name}, {problem}: put it into {file.parent}") from e
    except Exception as e:  # of files that hold other things than weights
        raise UserError(f"{file} is no file of weights: delete it, so that it is downloaded again") from e
    own = network.state_dict()
    try:
        network.load_state_dict({key: value for key, value in state.items() if key in own})
    except RuntimeError as e:
        raise UserError(f"{file} does not fit torchvision:{name}: delete it, so that it is downloaded again") from e
