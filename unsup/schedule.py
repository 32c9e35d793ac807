"""The optimizer that methods share: Adam, its learning rate warmed up, then annealed."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


def annealed_adam(network: nn.Module, lr: float, weight_decay: float, steps: Callable[[], int]) -> Any:
    """What `configure_optimizers` returns; None where there is nothing to train.

    Weights decay (AdamW, Loshchilov & Hutter 2019), biases and scales do not.

    Args:
        lr: the highest learning rate.
        steps: tells how many optimizer steps there will be; asked only where there is something to train.
    """
    trained = [p for p in network.parameters() if p.requires_grad]
    if not trained:
        return None
    groups: list[dict[str, Any]] = [{"params": trained}]
    if weight_decay:
        groups = [
            {"params": [p for p in trained if p.ndim > 1]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
    total = steps()
    optimizer = torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay, fused=True)
    schedule = LambdaLR(optimizer, lambda step: warmup_cosine(step, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def warmup_cosine(step: int, total: int) -> float:
    """Share of the peak learning rate at `step`: linear over the first tenth, then a half cosine to 0 at `total`."""
    warmup = max(1, total // 10)
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return 0.5 * (1 + math.cos(math.pi * done))
