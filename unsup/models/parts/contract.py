"""The promises of a model, checked on one that `unsup.testing` has trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unsup.core.errors import UserError
from unsup.models.base import Model
from unsup.models.parts.optional_outputs import as_matrix, as_shape, clusters_of, likelihood, view_distances

Weights = dict[str, Tensor]  # as returned by `state_dict`
Curves = Mapping[str, Sequence[tuple[int, float]]]  # {name: [(step, value), …]}


def require(subject: object, holds: object, sentence: str) -> None:
    """Raise an AssertionError with a sentence about an object, unless it holds."""
    if not holds:
        raise AssertionError(f"{type(subject).__name__}: {sentence}")


def copy_of(state: Mapping[str, Tensor]) -> Weights:
    return {name: value.detach().clone() for name, value in state.items()}


def same_state(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    """Return True if two states are equal, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def check_trained(model: Model, before: Weights, curves: Curves, x: Tensor) -> None:
    """Check all promises of a trained model in eval mode.

    Args:
        model: the model.
        before: its state before it was trained.
        curves: logged values, one at each step; empty without gradients.
        x: a few dozen training images.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    check_weights(model, before)
    if any(p.requires_grad for p in model.parameters()):
        check_curves(model, curves)
    with torch.no_grad():
        try:
            check_codes(model, x[:20])
            check_outputs(model, x[:6])
            if hasattr(model, "assign"):
                check_clusters(model, x)
        except UserError as e:  # a wrong shape
            raise AssertionError(str(e)) from e
        if hasattr(model, "sample"):
            check_sample(model)


def check_weights(model: Model, before: Weights) -> None:
    """Check that all parameters learn, and that weights stay finite."""
    after = model.state_dict()
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        require(model, value.float().isfinite().all(), f"{name} is not finite after training")
    for name, value in model.named_parameters():
        moved = not value.requires_grad or not torch.equal(value, before[name])
        require(model, moved, f"{name} gets no gradient: use it in the loss, or set its requires_grad to False")
    if hasattr(model, "fit"):
        shapes = [{name: value.shape for name, value in state.items()} for state in (before, after)]
        require(model, shapes[0] == shapes[1], "fit changes the shape of a weight: give it this shape in __init__")
        require(model, not same_state(before, after), "fit changes nothing: save its result in parameters or buffers")


def check_curves(model: Model, curves: Curves) -> None:
    """Check that the loss falls, and that validation logs the same names as training."""
    sentence = "training logs no loss: a training_step of its own passes its values to record"
    require(model, "train/loss" in curves, sentence)
    loss = np.array([value for _, value in curves["train/loss"]])
    require(model, np.isfinite(loss).all(), "the training loss is not finite")
    if type(model).training_step is Model.training_step:  # the optimizer minimises this very number
        first, last = loss[:5].mean(), loss[-5:].mean()
        change = f"from {first:.4g} to {last:.4g} in {len(loss)} steps"
        require(model, last < 0.9 * first, f"the training loss went {change}: it must fall by a tenth")
    train, val = ({tag.partition("/")[2] for tag in curves if tag.startswith(stage)} for stage in ("train/", "val/"))
    train = {key for key in train - {"lr"} if not key.startswith("grad_norm")}
    names = f"{sorted(train)} in training and {sorted(val)} in validation"
    require(model, train == val > set(), f"losses have different names: {names}")


def check_codes(model: Model, x: Tensor) -> None:
    """Check that a code depends on its image alone, and leaves the model alone."""
    modes, before = [module.training for module in model.modules()], copy_of(model.state_dict())
    z = as_shape(model.encode(x), (len(x), "D"), f"{type(model).__name__}.encode")
    require(model, z.dtype == torch.float32, f"encode returns {z.dtype}: it must be torch.float32")
    require(model, z.isfinite().all(), "encode returns codes that are not finite")
    require(model, z.std(0).max() > 0, "encode returns the same code for all images")
    require(model, torch.equal(z, model.encode(x)), "encode returns another code for the same image the second time")
    alone = torch.cat([model.encode(row[None]) for row in x])
    rounding = 1e-4 * z.std().item()
    require(model, torch.allclose(z, alone, atol=rounding, rtol=1e-4), "encode looks at other images of the batch")
    require(model, modes == [module.training for module in model.modules()], "encode changes the mode of a module")
    require(model, same_state(before, model.state_dict()), "encode changes a parameter or a buffer")


def check_outputs(trained: Model, x: Tensor) -> None:
    """Check shapes and ranges of the optional outputs."""
    model: Any = trained
    name, shape = type(model).__name__, tuple(x.shape[1:])
    if hasattr(model, "reconstruct"):
        as_shape(model.reconstruct(x), (len(x), *shape), f"{name}.reconstruct")
    if hasattr(model, "decode"):
        as_shape(model.decode(model.encode(x)), (len(x), *shape), f"{name}.decode")
    made = {"sample": model.sample(3)} if hasattr(model, "sample") else {}
    if hasattr(model, "generate"):
        require(model, hasattr(model, "noise_dim"), "generate needs an attribute noise_dim")
        made["generate"] = model.generate(torch.randn(3, model.noise_dim))
    for method, images in made.items():
        as_shape(images, (3, *shape), f"{name}.{method}")
        require(model, images.min() >= 0 and images.max() <= 1, f"{method} returns values outside [0, 1]")
    likelihood(model, x, batch=0)
    if hasattr(model, "views"):
        view_distances(model, x, batch=0)
    if hasattr(model, "layers"):
        layers = model.layers(x)
        require(model, isinstance(layers, dict), f"layers returns a {type(layers).__name__}: it must be a dictionary")
        alone = [model.layers(row[None]) for row in x]
        for layer, h in layers.items():
            as_matrix(h, len(x), f"{name}.layers: {layer}")
            same = torch.allclose(h, torch.cat([row[layer] for row in alone]), atol=1e-5, rtol=1e-4)
            require(model, same, f"layers ({layer}) looks at other images of the batch")


def check_clusters(model: Any, x: Tensor) -> None:
    """Check that a cluster depends on its image alone, and that there are several."""
    ids = clusters_of(model, x)
    require(model, len(ids.unique()) > 1, "assign puts all images into one cluster")
    require(
        model, torch.equal(ids, model.assign(x)), "assign returns another cluster for the same image the second time"
    )
    alone = torch.cat([model.assign(row[None]) for row in x])
    require(model, torch.equal(ids, alone), "assign looks at other images of the batch")


def check_sample(model: Any) -> None:
    """Check that `sample` leaves no trace in the model."""
    before = copy_of(model.state_dict())
    model.train()
    model.sample(3)
    require(model, model.training, "sample leaves the model in eval mode")
    model.eval()
    require(model, same_state(before, model.state_dict()), "sample changes a parameter or a buffer")


def check_checkpoint(model: Model, path: Path, x: Tensor) -> None:
    """Check that a checkpoint holds plain values and restores the codes."""
    try:
        saved = torch.load(path, weights_only=True)
    except Exception as error:
        sentence = f"a checkpoint does not load with weights_only=True: options must be plain values ({error})"
        raise AssertionError(f"{type(model).__name__}: {sentence}") from error
    rebuilt = type(model)(**saved["hyper_parameters"])
    rebuilt.load_state_dict(saved["state_dict"])
    with torch.no_grad():
        same = torch.equal(rebuilt.eval().encode(x), model.encode(x))
    require(model, same, "the model rebuilt from a checkpoint returns other codes")
