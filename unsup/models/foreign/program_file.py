"""Encoders in files of torch.export."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unsup.core.errors import UserError
from unsup.models.foreign.loaded import DEFAULT_SIZE, Loaded, Preparation, standard, weights_only


class Program(nn.Module):
    """An exported program, whose eval mode is the one that it was exported in."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.inner = module

    def train(self, mode: bool = True) -> "Program":
        return self  # a program has no modes

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def load(name: str, options: Preparation, pretrained: bool) -> Loaded:
    """Return the encoder in a .pt2 file, whose pictures have the size that it states.

    Raises:
        UserError: it is no exported program of one input (N, C, H, W), or holds more than tensors.
    """
    path = Path(name).expanduser()
    try:
        with weights_only():
            program = torch.export.load(path)
        sizes = input_sizes(program)
    except Exception as e:  # damaged files raise anything
        reason = next(iter(str(e).splitlines()), type(e).__name__)
        raise UserError(f"{path} cannot be read as a program of torch.export: {reason[:200]}") from e
    if len(sizes) != 4:
        raise UserError(f"{path} takes {sizes}: an encoder has one input (N, C, H, W)")
    channels, height = sizes[1:3]
    if height and options.size and options.size != height:
        raise UserError(f"{name} takes images of {height} x {height}: leave --encoder.size out")
    network = Program(program.module())
    return standard(network, options, size=height or DEFAULT_SIZE, channels=channels or 3)


def input_sizes(program: Any) -> list[int | None]:
    """Return the sizes of the only input, None for those that may vary."""
    (name,) = program.graph_signature.user_inputs
    (node,) = [node for node in program.graph.nodes if node.name == name]
    return [size if isinstance(size, int) else None for size in node.meta["val"].shape]
