"""Measure how well `classify` detects images that are out of distribution.

python benchmarks/unlike.py RUN [RUN ...] [--photographs FOLDER]

For evaluated runs on MNIST, or another data set of grey digits. The kinds of images are digits turned, cut or mixed,
photographs, and noise. For each kind it prints the share that is flagged in %, and the area under the ROC curve of its
distances against those of the test images.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import unsup  # noqa: F401  (before PyTorch: it sets how threads wait)

# isort: split
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from unsup.core.arrays import Floats
from unsup.core.errors import UserError
from unsup.data.decode import unreadable_message
from unsup.data.pixels import Reading
from unsup.data.remarks import Remarks
from unsup.data.scan import find_images
from unsup.inference.encode_folder import code_columns, readable_batches
from unsup.runs.encoder import Encoder
from unsup.runs.run import Run

BATCH = 500
PHOTOGRAPHS = 10_000


def photographs(folder: Path, encoder: Encoder) -> Tensor:
    """Return some images below a folder as the encoder sees them, uint8 (n, C, S, S).

    Raises:
        UserError: there are no images, or some cannot be read.
    """
    files = find_images(folder)
    if not files:
        raise UserError(f"{folder} holds no images")
    remarks = Remarks()
    every = -(-len(files) // PHOTOGRAPHS)
    found = [x for _, x in readable_batches(folder, files[::every], encoder, Reading(), remarks)]
    if remarks.unreadable:
        raise UserError(unreadable_message(remarks.unreadable, len(files)))
    return torch.cat(found)


def kinds(x: Tensor, labels: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Return {kind: images (m, 1, H, W)}, made of test images (n, 1, H, W) in [0, 1]."""
    noise = torch.Generator().manual_seed(0)
    yield "inverted digits", 1 - x
    yield "noise", torch.rand(x.shape, generator=noise)
    yield "two digits on top of each other", torch.maximum(x, x[torch.randperm(len(x), generator=noise)])
    turned = ~torch.isin(labels, torch.tensor([0, 1, 8]))
    yield "digits turned by 90° (not 0, 1, 8)", x[turned].rot90(1, (2, 3))
    changed = torch.isin(labels, torch.tensor([2, 3, 4, 5, 7]))
    yield "digits upside down (2, 3, 4, 5, 7)", x[changed].rot90(2, (2, 3))
    lower = x.clone()
    lower[:, :, : x.shape[2] // 2] = 0
    yield "lower half only", lower


def measure(run: Run, others: Path | None) -> None:
    """Print the lines of one run; `others` is a folder of photographs."""
    data = run.data()
    encoder, readout, labels = Encoder(run.model()), run.readout, data.labels("test")
    if labels is None:
        raise UserError(f"{run}: its images have no labels, which say what can be turned")

    def distances(x: Tensor) -> Floats:
        return np.concatenate([code_columns(encoder, readout, part)["distance"] for part in x.split(BATCH)])

    x = torch.cat(list(data.batches("test")))
    test = distances(x)
    print(f"{run}\n  {'test images (false alarms)':36} {100 * (test > 1).mean():5.1f}", flush=True)
    more = [("photographs", photographs(others, encoder))] if others else []
    for name, images in [*more, *kinds(x, torch.from_numpy(labels))]:
        found = distances(images)
        area = roc_auc_score(np.arange(len(test) + len(found)) >= len(test), np.concatenate([test, found]))
        print(f"  {name:36} {100 * (found > 1).mean():5.1f} ({area:.3f})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--photographs", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    try:
        for run in args.runs:
            measure(Run.find(run), args.photographs)
    except UserError as e:
        sys.exit(f"unlike: {e}")
