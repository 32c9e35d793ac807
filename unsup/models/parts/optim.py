"""Optimizers that methods share, their schedule, and gradient norms."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR


def annealed_adam(network: nn.Module, lr: float, beta2: float, weight_decay: float, steps: Callable[[], int]) -> Any:
    """Return Adam and its schedule, or None if there is nothing to train.

    `lr` is the peak learning rate, `beta2` the decay of the average of squared gradients. Weights decay (AdamW,
    Loshchilov & Hutter 2019), biases and scales do not. `steps` returns the number of optimizer steps.
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        return None
    groups = decaying(trained, weight_decay) if weight_decay else [{"params": trained}]
    total = steps()
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, beta2), weight_decay=weight_decay, fused=True)
    schedule = LambdaLR(optimizer, lambda step: warmup_cosine(step, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


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
