"""How the kept linear probe does on corrupted test images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unsup.evaluation.codes import frozen
from unsup.evaluation.corruptions import CORRUPTIONS, SEVERITIES, Corruption
from unsup.metrics.diagnostics import sample
from unsup.metrics.heads import Probe
from unsup.metrics.probes import Ids
from unsup.models.base import Model

IMAGES = 3_000  # test images corrupted, at most: each of them 18 times
BATCH = 500


def robustness(
    model: Model, images: Sequence[Tensor], labels: Ids, probe: Probe, say: Callable[[str], None]
) -> dict[str, Any]:
    """{"images": how many, "clean": accuracy, and for each corruption a list of accuracies, mildest severity first}.

    Args:
        model: encodes them, frozen.
        images: batches (n, C, H, W) of all test images on the model's device; a fixed sample of at most 3,000 is used.
        labels: (n_test,).
        probe: fitted on clean training codes.
        say: told what is being computed.
    """
    x = torch.cat(list(images))
    at = torch.from_numpy(sample(len(x), IMAGES))
    index, truth = at.to(x.device), labels[at.numpy()]
    parts = list(zip(x[index].split(BATCH), index.split(BATCH), strict=True))

    def accuracy(corrupt: Corruption, severity: int) -> float:
        with frozen(model):
            codes = [model.encode(corrupt(part, severity, where)).float().cpu().numpy() for part, where in parts]
        return float(np.mean(probe.predict(np.concatenate(codes)) == truth))

    found: dict[str, Any] = {"images": len(at), "clean": accuracy(lambda part, severity, where: part, 0)}
    for name, corrupt in CORRUPTIONS.items():
        say(f"probe on test images with {name}")
        found[name] = [accuracy(corrupt, severity) for severity in range(SEVERITIES)]
    return found
