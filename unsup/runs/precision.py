"""The precision of a training on processors that have no bfloat16.

Recipes with convolutions compute in bfloat16, which halves their time on processors that have it. Others emulate it, at
about a tenth of the speed of float32. What a recipe states is adapted to the processor; what the user states is not.
"""

import functools
import logging
from typing import Any

import torch

from unsup.core.devices import fastest_device
from unsup.runs.length import PRECISION

log = logging.getLogger(__name__)

HALF = ("bf16-mixed", "bf16")
EMULATED = "this processor has no bfloat16"


def adapt_precision(config: dict[str, Any]) -> None:
    """Use float32 where only the recipe asks for a bfloat16 that is emulated."""
    if PRECISION in config.get("adaptable", []) and emulated(config["trainer"]):
        config["trainer"]["precision"] = "32-true"
        say_once(f"{EMULATED}: {config['recipe']} is trained in float32")


def emulated(trainer: dict[str, Any]) -> bool:
    """Return whether a trainer would emulate bfloat16 on its processor."""
    return trainer.get("precision") in HALF and on_processor(trainer) and not has_bfloat16()


def on_processor(trainer: dict[str, Any]) -> bool:
    accelerator = trainer.get("accelerator") or "auto"
    return accelerator == "cpu" or (accelerator == "auto" and fastest_device().type == "cpu")


def has_bfloat16() -> bool:
    """Return whether oneDNN computes convolutions in bfloat16."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@functools.cache
def say_once(line: str) -> None:
    log.info(line)
