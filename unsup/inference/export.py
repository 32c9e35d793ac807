"""Export of a trained encoder, each file tested against the original."""

import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unsup.core.commands import install
from unsup.core.errors import UserError
from unsup.core.files import create_folder, fill_folder
from unsup.inference.export_text import readme
from unsup.metrics.readout import Probe
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import frozen
from unsup.runs.encoder import WEIGHTS, Encoder, load_encoder, read_weights, write_weights
from unsup.runs.run import Run

MAX_DIFFERENCE = 1e-4  # in standard deviations of the codes; other kernels round differently
TEST_BATCH_SIZES = (1, 3, 64)
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")

Encode = Callable[[Tensor], Tensor]


class BareEncoder(nn.Module):
    """images (N, C, H, W), float32 in [0, 1] -> codes (N, D), without checks."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.model = encoder.model

    def forward(self, images: Tensor) -> Tensor:
        return self.model.encode(images)


def export_run(run: Run, out: Path | None = None, onnx: bool = False) -> Path:
    """Write the encoder of a run, and its probe, if any, into a new folder.

    It has `encoder.pt2` (torch.export, for any number of images), `weights.safetensors` (for `unsup.load_encoder`),
    `encoder.onnx` on request, `probe.npz`, and `README.md`, which says how to use each.

    Each file is loaded again and tested. On random images an encoder must give the codes of the original, from
    `weights.safetensors` to the last bit, from the others within 1e-4 standard deviations of the codes, and the probe
    the same classes.

    Args:
        run: the run.
        out: the new folder (default: <run>/export).
        onnx: whether to also export to ONNX.

    Raises:
        UserError: the folder exists, a package for ONNX is missing, or a test fails.
    """
    if onnx and (missing := [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]):
        raise UserError(f"ONNX needs {', '.join(missing)}: {install('onnx')}")
    encoder = load_encoder(run)
    dim = encoder(torch.zeros(1, *encoder.shape)).shape[1]
    out = create_folder(out or run.folder / "export")
    with fill_folder(out) as folder:
        write_weights(folder / WEIGHTS, encoder, run.config["model"]["class_path"])
        encoders: dict[str, Encode] = {
            "encoder.pt2": write_program(folder / "encoder.pt2", encoder),
            WEIGHTS: read_weights(folder / WEIGHTS),
        }
        if onnx:
            encoders["encoder.onnx"] = write_onnx(folder / "encoder.onnx", folder / "encoder.pt2")
        differences = {name: code_difference(encoder, encode) for name, encode in encoders.items()}
        for name, value in differences.items():
            if not value <= (0 if name == WEIGHTS else MAX_DIFFERENCE):  # also refuses NaN
                raise UserError(f"{name} gives other codes than the run's encoder, by {value:.2g} standard deviations")
        report = run.report if run.evaluated else None
        probe = run.readout.probe if run.has_readout else None
        if probe is not None:
            write_probe(folder / "probe.npz", probe, run.class_names)
        text = readme(report, encoder.shape, dim, differences, probe is not None, TEST_BATCH_SIZES)
        (folder / "README.md").write_text(text, encoding="utf-8")
    return out


def write_program(path: Path, encoder: Encoder) -> Encode:
    """Write encoder.pt2, and return the encoder that is loaded from it."""
    example, sizes = torch.zeros(2, *encoder.shape), ({0: torch.export.Dim("n")},)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No complete tensor found")  # for views that share memory
        try:
            program = torch.export.export(BareEncoder(encoder), (example,), dynamic_shapes=sizes)
        except Exception as e:
            if not isinstance(encoder.model, ForeignEncoder):
                raise
            reason = next(iter(str(e).split("\n")), "")[:200]  # ONNX, and code that torch cannot trace
            raise UserError(f"{encoder.model.name} cannot be exported by torch: {type(e).__name__}: {reason}") from e
        torch.export.save(program, path)
    loaded: Encode = torch.export.load(path).module()
    return loaded


def write_onnx(path: Path, program: Path) -> Encode:
    """Write encoder.onnx, and return the encoder that onnxruntime loads from it."""
    import onnxruntime

    graph = torch.onnx.export(torch.export.load(program), input_names=["images"], output_names=["codes"], verbose=False)
    assert graph is not None
    graph.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def encode(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["codes"], {"images": images.numpy()})[0])

    return encode


def write_probe(path: Path, probe: Probe, names: list[str]) -> None:
    """Write probe.npz, and test it on random codes as README.md says to use it.

    Raises:
        UserError: it gives other classes than the probe.
    """
    class_names = np.array(names)
    arrays: dict[str, Any] = {key: value for key, value in vars(probe).items() if key != "classes"}
    np.savez(path, **arrays, classes=class_names[probe.classes])
    rng = np.random.default_rng(0)
    codes = rng.normal(probe.mean, probe.scale, (1000, len(probe.mean))).astype(np.float32)
    with np.load(path, allow_pickle=False) as file:
        scores = (codes - file["mean"]) / file["scale"] @ file["weights"].T + file["bias"]
        classes = file["classes"][scores.argmax(axis=1)]
    if classes.tolist() != class_names[probe.predict(codes)].tolist():
        raise UserError(f"{path.name} gives other classes than the run's probe")


@torch.no_grad()
def code_difference(encoder: Encoder, encode: Encode) -> float:
    """Return the largest difference of codes of random images, in standard deviations."""
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(n, *encoder.shape, generator=generator) for n in TEST_BATCH_SIZES]
    with frozen(encoder.model):
        pairs = [(encoder(x), encode(x)) for x in images]
    ours, theirs = (torch.cat(codes) for codes in zip(*pairs, strict=True))
    return float((ours - theirs).abs().max() / ours.std().clamp(min=torch.finfo(torch.float32).tiny))
