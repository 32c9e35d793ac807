"""The README.md of an export."""

from collections.abc import Mapping, Sequence

from unsup.reports.format import markdown_table, with_interval, with_spread
from unsup.reports.schema import Report

README = """\
# {heading}

The encoder of this run: images {named}, pixels in [0, 1], to codes (N, {dim}), float32.

{files}
The difference is the largest one between an entry of a code and the original's, on random images in batches of
{batches}, in standard deviations of all entries; 0 is equal to the last bit.

Run these snippets in this folder. `encoder.pt2` needs torch alone, and takes float32 images in [0, 1] only:

```python
import torch

encoder = torch.export.load("encoder.pt2").module()
images = torch.rand{images}  # yours: {named}, float32 in [0, 1]
with torch.no_grad():
    codes = encoder(images).numpy()
```

`weights.safetensors` needs `unsup` installed, and takes uint8 images, or float ones in [0, 1]:

```python
import torch
import unsup

encoder = unsup.load_encoder(".")
images = torch.rand{images}  # yours: {named}, uint8, or float in [0, 1]
codes = encoder(images).numpy()
```
"""

ONNX = """
`encoder.onnx` needs onnxruntime and no torch, and takes float32 images in [0, 1] only:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("encoder.onnx")
images = np.random.default_rng(0).random({images}, np.float32)  # yours: {named}, float32 in [0, 1]
(codes,) = session.run(["codes"], {{"images": images}})
```
"""

PROBE = """
`probe.npz` is the linear probe, for numpy alone: `mean` (D,), `scale` (D,), `weights` (K, D), `bias` (K,) and the
names of the K `classes`.

```python
import numpy as np

codes = np.zeros((2, {dim}), np.float32)  # yours, from above: (N, {dim})
probe = np.load("probe.npz")
scores = (codes - probe["mean"]) / probe["scale"] @ probe["weights"].T + probe["bias"]  # (N, K); softmax: shares
classes = probe["classes"][scores.argmax(axis=1)]
```
"""

DESCRIPTIONS = {
    "encoder.pt2": "torch.export, for `torch.export.load`",
    "weights.safetensors": "parameters and buffers, for `unsup.load_encoder`",
    "encoder.onnx": "ONNX, for any runtime",
}
# In place of the second one for an encoder that was trained elsewhere
NAMED = "name of the encoder and hash of its weights, for `unsup.load_encoder` where the encoder is found"


def readme(
    report: Report | None,
    shape: tuple[int, int, int],
    dim: int,
    differences: Mapping[str, float],
    probe: bool,
    batch_sizes: Sequence[int],
) -> str:
    """Return README.md, which says what each file is and how to use it.

    Args:
        report: of the run, if it was evaluated.
        shape: (C, H, W) of an image.
        dim: of the codes.
        differences: of each exported encoder's codes, by file.
        probe: whether there is a probe.
        batch_sizes: with which the encoders were tested.
    """
    named = report is not None and report.run.encoder is not None
    descriptions = DESCRIPTIONS | ({"weights.safetensors": NAMED} if named else {})
    rows = [
        {"file": f"`{name}`", "what it is": descriptions[name], "difference": f"{value:.1g}"}
        for name, value in differences.items()
    ]
    text = README + (ONNX if "encoder.onnx" in differences else "") + (PROBE if probe else "")
    text = text.format(
        heading=report.heading if report else "An encoder",
        images=(2, *shape),
        named=f"(N, {', '.join(map(str, shape))})",
        dim=dim,
        files=markdown_table(rows, texts=2) + "\n",
        batches=", ".join(map(str, batch_sizes)),
    )
    if report and report.run.pictures:
        text += (
            f"\nIts pictures: {report.run.pictures}. The files here take the mean and the deviation off themselves.\n"
        )
    if report and report.scores.linear_probe:
        text += f"\nOn the test images: linear probe {with_interval(report.scores.linear_probe)}"
        few = report.scores.few_label.get("10")
        text += (f", few-label probe (10 labels per class) {with_spread(few)}" if few else "") + ".\n"
    return text
