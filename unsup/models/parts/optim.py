"""Optimizers that methods share, their schedule, and gradient norms."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from unsup.core.errors import UsageError, closest


def annealed(network: nn.Module, build: Callable[..., Optimizer], weight_decay: float, steps: Callable[[], int]) -> Any:
    """Return an optimizer and its schedule, or None if there is nothing to train.

    The learning rate of `build(parameter groups)` is the peak one. Weights decay if `weight_decay` is above 0, biases
    and scales do not. `steps` returns the number of optimizer steps.
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        return None
    total = steps()
    optimizer = build(decaying(trained, weight_decay) if weight_decay else [{"params": trained}])
    schedule = LambdaLR(optimizer, lambda step: warmup_cosine(step, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def adamw(lr: float, beta2: float, fused: bool = True) -> Callable[..., Optimizer]:
    """Return what builds AdamW (Loshchilov & Hutter 2019) from parameter groups.

    `lr` is the learning rate, `beta2` the decay of the average of squared gradients. A fused step is faster, and
    unscales gradients itself.
    """
    return partial(AdamW, lr=lr, betas=(0.9, beta2), weight_decay=0.0, fused=fused)


def clips_mixed_gradients(trainer: Any) -> bool:
    """Return whether gradients are clipped in mixed precision.

    Lightning refuses that of a fused optimizer.
    """
    return bool(trainer and trainer.gradient_clip_val and "mixed" in str(trainer.precision))


def named_optimizer(options: Mapping[str, Any], lr: float) -> Callable[..., Optimizer]:
    """Return what builds an optimizer that the user names.

    Args:
        options: `name`, of a class in torch.optim or as package.Class, and its options.
        lr: the learning rate, which `options` may not have.

    Raises:
        UsageError: there is no such optimizer, or it does not take these options.
    """
    name, arguments = str(options["name"]), {key: value for key, value in options.items() if key != "name"}
    module, _, title = name.rpartition(".")
    known = {key: value for key, value in vars(torch.optim).items() if isinstance(value, type) and key != "Optimizer"}
    try:
        cls: Any = getattr(import_module(module), title, None) if module else known.get(title)
    except ImportError as e:
        raise UsageError(f"optimizer.name {name}: {e}") from e
    if not (isinstance(cls, type) and issubclass(cls, Optimizer)):
        raise UsageError(f"optimizer.name {name}: no optimizer of torch.optim ({closest(title, known)})")
    if "lr" in arguments:
        raise UsageError("optimizer.lr: the learning rate is model.lr")
    parameters = signature(cls).parameters
    for key in arguments:
        if key not in parameters:
            raise UsageError(f"optimizer.{key}: {title} has no such option ({closest(key, parameters)})")

    def build(groups: list[dict[str, Any]]) -> Optimizer:
        try:
            optimizer: Optimizer = cls(groups, **{"lr": lr, **arguments})
            return optimizer
        except (TypeError, ValueError) as e:
            raise UsageError(f"optimizer: {title} cannot be made with these options: {e}") from e

    return build


def decaying(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Return parameter groups in which weights decay, and biases and scales do not."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def gradient_norm(optimizer: Any) -> Tensor:
    """Return the Euclidean norm of an optimizer's gradients, before clipping."""
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def backward(model: Any, optimizer: Any, loss: Tensor) -> Tensor:
    """Compute gradients in manual optimization, and return their norm."""
    optimizer.zero_grad()
    model.manual_backward(loss)
    return gradient_norm(optimizer)


def warmup_cosine(step: int, total: int) -> float:
    """Return the fraction of the peak learning rate at a step.

    It rises linearly over the first tenth of the steps and falls as a half cosine to 0 at `total`.
    """
    warmup = max(1, total // 10)
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.5 * (1 + math.cos(math.pi * done))
