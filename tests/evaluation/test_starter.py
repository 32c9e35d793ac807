"""EfficientNet-Lite0 by name, file, module, ONNX, torch.export and codes: equal codes and equal scores."""

from pathlib import Path
from typing import Any

import foreign
import numpy as np
import pytest
import torch

import unsup
from unsup.data.folder import Folder
from unsup.evaluation.foreign_encoding import PictureSource
from unsup.evaluation.protocol import Evaluation, judge_model
from unsup.models.base import Model
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.foreign.starter import MEAN, STD
from unsup.models.foreign.stored_codes import StoredCodes

BUILD = "from unsup.models.foreign.starter import EfficientNetLite0 as build\n"
OPTIONS: dict[str, Any] = {"size": 64, "crop": 0.875, "mean": list(MEAN), "std": list(STD)}
ONE_DRAW = 0.0051  # by one of 20 test images in one of ten draws of few labels, which may lie on a boundary
FILES = {key: OPTIONS[key] for key in ("crop", "mean", "std")}  # what a file does not say


def numbers(scores: Any) -> list[float]:
    """All numbers of nested scores, in order."""
    if isinstance(scores, dict):
        return [number for key in sorted(scores) for number in numbers(scores[key])]
    if isinstance(scores, list | tuple):
        return [number for item in scores for number in numbers(item)]
    return [float(scores)] if isinstance(scores, int | float | np.number) else []


def judged(model: Model, folder: Path) -> Evaluation:
    data = Folder("pictures", size=16, root="data")
    return judge_model(model, data, source=PictureSource(folder))


@pytest.mark.nightly
def test_the_starter_is_the_same_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("efficientnet_lite_pytorch", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    foreign.folder(tmp_path / "pictures", 120)
    (tmp_path / "lite.py").write_text(BUILD)
    starter = ForeignEncoder("starter", size=64)
    program = torch.export.export(
        starter.network, (torch.zeros(2, 3, 64, 64),), dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    torch.export.save(program, tmp_path / "lite.pt2")
    torch.onnx.export(program, verbose=False).save(tmp_path / "lite.onnx")  # type: ignore[union-attr]
    forms: dict[str, Model] = {
        "name": starter,
        "file": ForeignEncoder("lite.py:build", **OPTIONS),
        "module": ForeignEncoder("unsup.models.foreign.starter:EfficientNetLite0", **OPTIONS),
        "object": unsup.Encoder(starter.network, **OPTIONS).model,
        "onnx": ForeignEncoder("lite.onnx", **FILES),
        "pt2": ForeignEncoder("lite.pt2", **FILES),
    }
    data = Folder("pictures", size=16, root="data")
    codes = {split: PictureSource().codes(starter, data, split) for split in ("train", "val", "test")}
    np.savez(tmp_path / "codes.npz", **codes)
    forms["codes"] = StoredCodes(data.shape, "codes.npz")
    evaluations = {name: judged(model, tmp_path / "codes") for name, model in forms.items()}
    first = evaluations["name"]
    assert numbers(first.scores)
    scale = np.abs(first.codes).max()
    for name, evaluation in evaluations.items():
        assert np.abs(evaluation.codes - first.codes).max() < 1e-4 * max(1, scale), name
        assert numbers(evaluation.scores) == pytest.approx(numbers(first.scores), abs=ONE_DRAW, rel=1e-3), name
        assert np.array_equal(evaluation.correct["linear_probe"], first.correct["linear_probe"]), name
        assert np.array_equal(evaluation.clusters, first.clusters), name
