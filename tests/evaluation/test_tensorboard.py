"""What an evaluation puts beside the curves of a run: complete, of the right images, once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
from tiny import TinyDigits
from toys import Coder

import unsup.evaluation.tensorboard
from unsup.evaluation.protocol import judge_model
from unsup.evaluation.tensorboard import write_dashboard

CONFIG: dict[str, Any] = {
    "seed": 3,
    "recipe": "coder",
    "dataset": "tiny",
    "model": {"init_args": {"code_dim": 3}},
    "data": {"init_args": {"root": "somewhere", "batch_size": 32}},
    "trainer": {"max_epochs": 4},
}


class Unlabelled(TinyDigits):
    def __init__(self) -> None:
        super().__init__()
        self.arrays = {train: (images, None) for train, (images, _) in self.arrays.items()}
        self.class_names = ()


def written(folder: Path, data: TinyDigits) -> EventAccumulator:
    data.setup()
    torch.manual_seed(0)
    evaluation = judge_model(Coder(), data, layers=False)
    for _ in range(2):  # the second one replaces the first
        write_dashboard(
            folder, CONFIG, data, evaluation, 40, "unsup train coder --trainer.max_epochs 4 --model.depth=2"
        )
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def test_scores_stand_beside_options(tmp_path: Path) -> None:
    events = written(tmp_path, TinyDigits())
    start = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    options = dict(plugin_data_pb2.HParamsPluginData.FromString(start).session_start_info.hparams)
    assert set(options) == {"seed", "model", "data", "code_dim", "batch_size", "epochs"}  # not where things lie
    assert options["code_dim"].number_value == 3
    assert [event.step for event in events.Scalars("report/linear_probe/accuracy")] == [40]
    assert len(list(tmp_path.glob("events.*"))) == 1
    table = events.summary_metadata["_hparams_/experiment"].plugin_data.content
    experiment = plugin_data_pb2.HParamsPluginData.FromString(table).experiment
    assert {info.name for info in experiment.hparam_infos} == {"model", "code_dim", "lr", "epochs"}
    scores = [info.name.tag for info in experiment.metric_infos]
    assert scores[:2] == ["report/linear_probe/accuracy", "report/few_label/10/mean"]


def test_time_series_open_on_what_was_learned(tmp_path: Path) -> None:
    """TensorBoard unfolds the first two groups of tags, in the order of the alphabet."""
    groups = {tag.partition("/")[0] for tag in written(tmp_path, TinyDigits()).Tags()["scalars"]}
    assert sorted(groups | {"train", "val", "online", "pictures"})[:2] == ["online", "pictures"] and groups == {
        "report"
    }


def test_recall_begins_at_one_for_every_class(tmp_path: Path) -> None:
    events = written(tmp_path, TinyDigits())
    for c in range(10):
        (curve,) = events.Tensors(f"probe/{c}")
        precision, recall = tensor_util.make_ndarray(curve.tensor_proto)[4:]
        assert recall[0] == 1 and (np.diff(recall) <= 0).all()
        share = np.mean(TinyDigits().arrays[False][1] == c)
        assert precision[0] == pytest.approx(share, abs=0.02)  # all images are called c


def test_the_projector_shows_codes_with_their_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsup.evaluation.tensorboard, "PROJECTED", 100)
    data = TinyDigits()
    written(tmp_path, data)
    assert (tmp_path / "projector_config.pbtxt").read_text().count("embeddings") == 1
    folder = tmp_path / "00000" / "codes"
    codes = np.loadtxt(folder / "tensors.tsv")
    head, *rows = [line.split("\t") for line in (folder / "metadata.tsv").read_text().splitlines()]
    assert codes.shape == (100, 3) and head == ["class", "cluster", "class by the probe"]
    at = np.sort(np.random.default_rng(0).choice(400, 100, replace=False))
    assert [row[0] for row in rows] == [str(c) for c in data.labels("test")[at]]
    sprite = np.asarray(Image.open(folder / "sprite.png").convert("L"))
    cells = sprite.reshape(10, 8, 10, 8).swapaxes(1, 2).reshape(100, 1, 8, 8)
    assert np.abs(cells - data.arrays[False][0][at].astype(int)).max() <= 1


def test_without_labels_there_are_clusters(tmp_path: Path) -> None:
    events = written(tmp_path, Unlabelled())
    assert not events.Tags()["tensors"] and "report/rankme" in events.Tags()["scalars"]
    head, *rows = (tmp_path / "00000" / "codes" / "metadata.tsv").read_text().splitlines()
    assert len(head.split("\t")) == 1 and len(rows) in (399, 400)  # one column has no head in TensorBoard's format
