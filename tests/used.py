"""Finished runs of a small model on digits, with all that an evaluation leaves behind for new images; and pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import sample_reports as reports
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tiny import trainer

from unsup.core.files import write_json
from unsup.data.base import ImageData, Split
from unsup.evaluation.codes import encode_batches
from unsup.evaluation.encoded import Encoded
from unsup.metrics.readout import Probe, Readout
from unsup.runs.build import build_model, load_data
from unsup.runs.config import compose, resolve
from unsup.runs.run import Run

COMMAND = "unsup train ae --data digits"


def finished(root: Path, model: str = "ae", epochs: int = 20, labelled: bool = True) -> Path:
    """A finished run, evaluated; without labels there is no probe."""
    config = resolve(compose(model, "digits", options=[("trainer.max_epochs", epochs)]))
    torch.manual_seed(0)
    data = load_data(config)
    net = build_model(config, data)
    run = Run.create(root, config, COMMAND, data.fingerprint()).folder
    fit = trainer(epochs)
    fit.fit(net, datamodule=data)
    fit.save_checkpoint(run / "checkpoints" / "last.ckpt")
    write_json(run / "training.json", {"epochs": epochs, "train_seconds": 1.0})

    train, val = (encode_split(net, data, split, layers=False) for split in ("train", "val"))
    probe = None
    if labelled:
        scaler = StandardScaler().fit(train.codes)
        fitted = LogisticRegression(max_iter=1000).fit(scaler.transform(train.codes), data.labels("train"))
        probe = Probe.of(fitted, scaler.mean_, scaler.scale_)
    centres = KMeans(10, n_init=2, random_state=0).fit(train.codes).cluster_centers_
    readout = Readout.fit(centres, train.codes, val.codes, val.squared_error, probe=probe)
    np.savez(run / "heads.npz", **readout.arrays())
    write_json(run / "report.json", reports.report(model, "digits") if labelled else reports.unlabelled())
    return run


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The 500 test images (500, 1, 8, 8) and their labels."""
    images, labels = load_data(resolve(compose("ae", "digits"))).load(train=False)
    assert labels is not None
    return images, labels


def write(path: Path, pixels: NDArray[np.uint8]) -> None:
    """A grey image (1, H, W) as PNG, whatever the file is called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.fromarray(pixels[0]).save(file, "PNG")


def encode_split(model: Any, data: ImageData, split: Split, layers: bool) -> Encoded:
    """What a model says of all images of a split."""
    return encode_batches(model, data.batches(split, model.device), split, layers)
