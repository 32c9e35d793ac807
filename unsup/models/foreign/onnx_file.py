"""Encoders in ONNX files."""

import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unsup.core.errors import UserError
from unsup.models.foreign.loaded import DEFAULT_SIZE, Loaded, Preparation, standard


class OnnxNetwork(nn.Module):
    """A session of onnxruntime on the CPU. Its first output is the code.

    The file's SHA-256 is a buffer, so that the hash of the weights is that of the file.

    Raises:
        UserError: the file is no ONNX graph of one input.
    """

    digest: Tensor

    def __init__(self, path: Path) -> None:
        super().__init__()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as e:  # onnxruntime has classes of its own
            raise UserError(f"{path} cannot be read as ONNX: {next(iter(str(e).splitlines()), '')}") from e
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            shapes = ", ".join(f"{value.name} {value.shape}" for value in inputs)
            raise UserError(f"{path} takes {shapes}: an encoder has one input (N, C, H, W)")
        self.input = inputs[0].name
        self.shape: list[int | str | None] = inputs[0].shape
        content = np.frombuffer(hashlib.sha256(path.read_bytes()).digest(), np.uint8)
        self.register_buffer("digest", torch.from_numpy(content.copy()))

    def forward(self, x: Tensor) -> Tensor:
        n, fixed = len(x), self.shape[0]
        if isinstance(fixed, int) and fixed > 0:  # the graph takes so many images at a time
            x = F.pad(x, (0, 0, 0, 0, 0, 0, 0, -n % fixed))
            parts = x.split(fixed)
        else:
            parts = (x,)
        codes = [self.session.run(None, {self.input: part.cpu().numpy()})[0] for part in parts]
        return torch.from_numpy(np.concatenate(codes)[:n]).to(x.device)


def load(name: str, options: Preparation, pretrained: bool) -> Loaded:
    """Return the encoder in an ONNX file, whose pictures have the size that it states."""
    network = OnnxNetwork(Path(name).expanduser())
    channels, height = (size if isinstance(size, int) and size > 0 else None for size in network.shape[1:3])
    if height and options.size and options.size != height:
        raise UserError(f"{name} takes images of {height} x {height}: leave --encoder.size out")
    return standard(network, options, size=height or DEFAULT_SIZE, channels=channels or 3)
