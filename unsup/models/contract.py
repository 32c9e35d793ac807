"""The promises of a model, checked on one that `unsup.testing` has trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unsup.models.base import Model

Weights = dict[str, Tensor]  # as `state_dict` gives them


def require(subject: object, holds: object, sentence: str) -> None:
    """Raise an AssertionError with this sentence about an object, unless it holds."""
    if not holds:
        raise AssertionError(f"{type(subject).__name__}: {sentence}")


def copy_of(state: Mapping[str, Tensor]) -> Weights:
    return {name: value.detach().clone() for name, value in state.items()}


def same_state(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    """Return True if two states are equal, bit for bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def check_trained(model: Model, before: Weights, curves: Mapping[str, Sequence[tuple[int, float]]], x: Tensor) -> None:
    """Check all that a trained model, in eval mode, promises.

    Args:
        model: the model.
        before: its state before it was trained.
        curves: what was logged: {name: [(step, value), …]}, one value each step; empty without gradients.
        x: a few dozen training images.

    Raises:
        AssertionError: a promise is broken; the message says which.
    """
    check_weights(model, before)
    if any(p.requires_grad for p in model.parameters()):
        check_curves(model, curves)
    with torch.no_grad():
        check_codes(model, x[:20])
        check_outputs(model, x[:6])
        check_clusters(model, x)
        check_sample(model)


def check_weights(model: Model, before: Weights) -> None:
    """Check that training moves every parameter with a gradient, and that weights stay finite and of their shape."""
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


def check_curves(model: Model, curves: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    """Check that the loss falls, and that validation logs what training logs."""
    sentence = "training logs no loss: a training_step of its own passes its values to record"
    require(model, "train/loss" in curves, sentence)
    loss = np.array([value for _, value in curves["train/loss"]])
    require(model, np.isfinite(loss).all(), "the training loss is not finite")
    if type(model).training_step is Model.training_step:  # the optimizer minimises this very number
        first, last = loss[:5].mean(), loss[-5:].mean()
        change = f"from {first:.4g} to {last:.4g} in {len(loss)} steps"
        require(model, last < 0.9 * first, f"the training loss went {change}: it must fall by a tenth")
    logged: dict[str, set[str]] = {"train": set(), "val": set()}
    for tag in curves:
        stage, _, key = tag.partition("/")
        logged.setdefault(stage, set()).add(key)  # other stages belong to whole passes over the training images
    train = {key for key in logged["train"] - {"lr"} if not key.startswith("grad_norm")}
    names = f"{sorted(train)} in training and {sorted(logged['val'])} in validation"
    require(model, train == logged["val"] > set(), f"losses have different names: {names}")


def check_codes(model: Model, x: Tensor) -> None:
    """Check that a code is a fixed function of its image alone, and that encoding leaves no trace in the model."""
    modes, before = [module.training for module in model.modules()], copy_of(model.state_dict())
    z = model.encode(x)
    is_matrix = z.ndim == 2 and len(z) == len(x) and z.dtype == torch.float32
    require(model, is_matrix, f"encode gives {z.dtype} {tuple(z.shape)}: it must be torch.float32 ({len(x)}, D)")
    require(model, z.isfinite().all(), "encode gives codes that are not finite")
    require(model, z.std(0).max() > 0, "encode gives all images the same code")
    require(model, torch.equal(z, model.encode(x)), "encode gives the same image another code the second time")
    alone = torch.cat([model.encode(row[None]) for row in x])
    require(model, torch.allclose(z, alone, atol=1e-5, rtol=1e-4), "encode looks at other images of the batch")
    require(model, modes == [module.training for module in model.modules()], "encode changes the mode of a module")
    require(model, same_state(before, model.state_dict()), "encode changes a parameter or a buffer")


def check_outputs(trained: Model, x: Tensor) -> None:
    """Check shapes and ranges of the optional outputs."""
    model: Any = trained
    n, shape, z = len(x), tuple(x.shape[1:]), model.encode(x)

    def check_shape(name: str, output: Tensor, *expected: int) -> None:
        require(model, output.shape == expected, f"{name} gives shape {tuple(output.shape)}: it must be {expected}")

    def check_rows(name: str, output: Tensor) -> None:
        good = output.ndim == 2 and len(output) == n
        require(model, good, f"{name} gives shape {tuple(output.shape)}: it must be ({n}, D)")

    def check_images(name: str, images: Tensor) -> None:
        check_shape(name, images, 3, *shape)
        require(model, images.min() >= 0 and images.max() <= 1, f"{name} gives values outside [0, 1]")

    if hasattr(model, "reconstruct"):
        check_shape("reconstruct", model.reconstruct(x), n, *shape)
    if hasattr(model, "decode"):
        check_shape("decode", model.decode(z), n, *shape)
    if hasattr(model, "sample"):
        check_images("sample", model.sample(3))
    if hasattr(model, "generate"):
        require(model, hasattr(model, "noise_dim"), "generate needs an attribute noise_dim")
        check_images("generate", model.generate(torch.randn(3, model.noise_dim)))
    if hasattr(model, "elbo"):
        log_p, kl = model.elbo(x)
        check_shape("elbo (log p)", log_p, n)
        check_rows("elbo (KL)", kl)
    if hasattr(model, "log_likelihood"):
        check_shape("log_likelihood", model.log_likelihood(x, 3), n)
    if hasattr(model, "views"):
        views = model.views(x)
        good = len(views) == 2 and all(view.shape[:2] == x.shape[:2] and view.ndim == 4 for view in views)
        shapes = ", ".join(str(tuple(view.shape)) for view in views)
        require(model, good, f"views gives {shapes}: it must be two of ({n}, {shape[0]}, H, W)")
    if hasattr(model, "layers"):
        alone = [model.layers(row[None]) for row in x]
        for name, h in model.layers(x).items():
            check_rows(f"layers ({name})", h)
            same = torch.allclose(h, torch.cat([row[name] for row in alone]), atol=1e-5, rtol=1e-4)
            require(model, same, f"layers ({name}) looks at other images of the batch")


def check_clusters(trained: Model, x: Tensor) -> None:
    """Check that a cluster is a fixed function of its image alone, and that there are several."""
    model: Any = trained
    if not hasattr(model, "assign"):
        return
    require(model, hasattr(model, "num_clusters"), "assign needs an attribute num_clusters")
    ids = model.assign(x)
    is_vector = ids.shape == (len(x),) and ids.dtype == torch.int64
    require(model, is_vector, f"assign gives {ids.dtype} {tuple(ids.shape)}: it must be torch.int64 ({len(x)},)")
    known = ids.min() >= 0 and ids.max() < model.num_clusters
    require(model, known, f"assign gives {ids.min()} to {ids.max()}: it must be 0 to {model.num_clusters - 1}")
    require(model, len(ids.unique()) > 1, "assign puts all images into one cluster")
    require(model, torch.equal(ids, model.assign(x)), "assign gives the same image another cluster the second time")
    alone = torch.cat([model.assign(row[None]) for row in x])
    require(model, torch.equal(ids, alone), "assign looks at other images of the batch")


def check_sample(trained: Model) -> None:
    """Check that sampling leaves no trace in a model, whatever its mode."""
    model: Any = trained
    if not hasattr(model, "sample"):
        return
    before = copy_of(model.state_dict())
    model.train()
    model.sample(3)
    require(model, model.training, "sample leaves the model in eval mode")
    model.eval()
    require(model, same_state(before, model.state_dict()), "sample changes a parameter or a buffer")


def check_checkpoint(model: Model, path: Path, x: Tensor) -> None:
    """Check that a checkpoint holds plain values, and that the model built from it gives the same codes."""
    try:
        saved = torch.load(path, weights_only=True)
    except Exception as error:
        sentence = f"a checkpoint does not load with weights_only=True: options must be plain values ({error})"
        raise AssertionError(f"{type(model).__name__}: {sentence}") from error
    rebuilt = type(model)(**saved["hyper_parameters"])
    rebuilt.load_state_dict(saved["state_dict"])
    with torch.no_grad():
        same = torch.equal(rebuilt.eval().encode(x), model.encode(x))
    require(model, same, "the model that is rebuilt from a checkpoint gives other codes")
