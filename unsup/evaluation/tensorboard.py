"""TensorBoard records of an evaluated run, and the curves of its training."""

import logging
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from unsup.core.arrays import Array
from unsup.data.base import ImageData
from unsup.evaluation.model_images import downscaled
from unsup.evaluation.protocol import Evaluation
from unsup.metrics.diagnostics import principal_components, subsample
from unsup.reports.catalogue import Tables, number, scores_in
from unsup.reports.figures.codes import MAX_COLOURS
from unsup.reports.report import as_record
from unsup.reports.score_schema import Scores

Curves = dict[str, list[tuple[int | float, float]]]  # tag -> (step, value) pairs, in the order of the steps

ONLINE, EARLIER = "online/", "quick/"  # the scores of a model in training, now and in runs of earlier versions
CURVE_POINTS = 200  # of a curve in a report, at most
LEFT_OUT = ("train/lr", "train/images_per_second")  # curves that are no result of learning
SUFFIX = ".evaluation"  # of the file that an evaluation writes and the next one replaces
PROJECTED = 2_500  # test images in the projector
PROJECTED_DIM = 128  # dimensions of their codes, at most, because they are written as text
PLACES = ("root", "images")  # options that name folders
COMMON = {"lr": "lr", "code_dim": "code_dim", "batch_size": "batch_size", "max_epochs": "epochs"}  # without a prefix
COLUMNS: dict[str, Any] = {"model": "", "code_dim": 0, "lr": 0.0}  # options that are columns in HPARAMS for every run
GIVEN = re.compile(r"--(?:model|data|trainer)\.(\w+)")  # options on a command line
PREFIX = "report/"  # of the final scores: TensorBoard opens on the groups that sort before it


def remove_dashboard(run: Path) -> None:
    """Remove what `write_dashboard` has written into a run folder."""
    for old in run.glob(f"events.out.tfevents.*{SUFFIX}"):
        old.unlink()
    (run / "projector_config.pbtxt").unlink(missing_ok=True)
    shutil.rmtree(run / "00000", ignore_errors=True)  # where TensorBoard's writer puts the codes of step 0


def write_dashboard(
    run: Path, config: dict[str, Any], data: ImageData, evaluation: Evaluation, step: int, command: str = ""
) -> None:
    """Write an evaluation for TensorBoard, in place of an earlier evaluation.

    * `report/…`: the scores; in the HPARAMS tab next to model, size of the code, learning rate and the options that the
      command of the training names;
    * `pictures/confusion`: the confusion matrix, from the figures of the report;
    * `probe/<class>`: precision-recall curves of the probe, for at most 20 classes;
    * the projector: codes of at most 2,500 test images with the images; wide codes as principal components.
    """
    remove_dashboard(run)
    with SummaryWriter(run, filename_suffix=SUFFIX) as board:
        final = final_scores(as_record(evaluation.scores, Scores))
        options = options_of(config) | {"code_dim": evaluation.codes.shape[1]}
        # the table shows the first five columns, so that more options would hide the scores; all are kept
        columns = COLUMNS | {name: value for name, value in options.items() if name in _given(command)}
        for part in (hparams(columns, final)[0], *hparams(options, final)[1:]):
            board._get_file_writer().add_summary(part)  # `add_hparams` would create another run
        for name, value in final.items():
            board.add_scalar(name, value, step)
        if (confusion := run / "figures" / "confusion.png").exists():
            pixels = np.asarray(Image.open(confusion).convert("RGB"))
            board.add_image("pictures/confusion", pixels, step, dataformats="HWC")
        labels = data.labels("test")
        names = [" ".join(name.split()) for name in data.class_names]
        probe = evaluation.readout.probe
        if probe is not None and labels is not None and len(probe.classes) <= MAX_COLOURS:
            shares = probe.probabilities(evaluation.codes)
            for i, c in enumerate(probe.classes):
                board.add_pr_curve(f"probe/{names[c]}", labels == c, shares[:, i], step)
        project(board, data, evaluation, labels, names)


def final_scores(scores: Scores) -> dict[str, float]:
    """Return the scores that loggers show, as `report/…`, the headline first."""
    paths = [score.path for score in scores_in(Tables.SUMMARY) if score.spread]  # the code's size is an option
    numbers = {path.partition(".")[2].replace(".", "/"): number(path, scores) for path in paths}
    return {f"{PREFIX}{name}": value for name, value in numbers.items() if value is not None}


def project(
    board: SummaryWriter, data: ImageData, evaluation: Evaluation, labels: Array | None, names: list[str]
) -> None:
    """Write codes of test images with image, class and cluster for the projector."""
    codes = evaluation.codes
    at = subsample(len(codes), PROJECTED)
    if codes.shape[1] > PROJECTED_DIM:
        codes = principal_components(codes).transform(codes)[:, :PROJECTED_DIM]
    clusters = evaluation.clusters if evaluation.own_clusters is None else evaluation.own_clusters
    known = {"cluster": [str(c) for c in clusters[at]]}
    if labels is not None:
        known = {"class": [names[c] for c in labels[at]]} | known
        if evaluation.predicted is not None:
            known["class by the probe"] = [names[c] for c in evaluation.predicted[at]]
    images = torch.cat(list(data.batches("test", positions=at)))
    rows = [list(row) for row in zip(*known.values(), strict=True)]
    board.add_embedding(codes[at], rows, downscaled(images), global_step=0, tag="codes", metadata_header=list(known))


def _given(command: str) -> set[str]:
    """Return the options that a command line names, as in `options_of`."""
    return {COMMON.get(match[1], match[0].removeprefix("--")) for match in GIVEN.finditer(command)}


def options_of(config: dict[str, Any]) -> dict[str, str | int | float]:
    """Return all options of a run by name, common ones without a prefix."""
    options = {"seed": config["seed"], "model": config["recipe"], "data": config["dataset"]}
    for section in ("model", "data", "trainer"):
        values = config[section].get("init_args", config[section] if section == "trainer" else {})
        options |= {COMMON.get(key, f"{section}.{key}"): value for key, value in values.items() if key not in PLACES}
    return {key: value if isinstance(value, int | float | str) else str(value) for key, value in options.items()}


def curves_of(run: Path) -> Curves:
    """Return finite values that training logged as `train/…`, `val/…` and `online/…`.

    A curve keeps at most 200 points, its first and last among them. Runs of earlier versions have `quick/…` in place of
    `online/…`.
    """
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns about the repeated steps of a resumed run
    events = EventAccumulator(str(run), size_guidance={SCALARS: 0}).Reload()
    curves: Curves = {}
    for tag in events.Tags()[SCALARS]:
        if not tag.startswith(("train/", "val/", ONLINE, EARLIER)) or tag in LEFT_OUT:
            continue
        points = {event.step: event.value for event in events.Scalars(tag) if np.isfinite(event.value)}
        steps = sorted(points)
        at = np.unique(np.linspace(0, len(steps) - 1, min(CURVE_POINTS, len(steps))).round().astype(int))
        curves[tag.replace(EARLIER, ONLINE)] = [(steps[i], points[steps[i]]) for i in at]
    return curves
