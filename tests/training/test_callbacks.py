"""Callbacks show and measure; they change nothing that is trained."""

import io
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tiny import SHAPE, Memory, TinyDigits, same_weights
from torch import Tensor, nn

from unsup.cli.output import log_in_terminal
from unsup.models.base import Model
from unsup.training.averaging import NoEmptyAverage
from unsup.training.callbacks.curves import FlushLoggers, GradientNorm, Layout
from unsup.training.callbacks.images import Pictures
from unsup.training.callbacks.online_scores import TIMES, OnlineScores
from unsup.training.callbacks.progress import Progress
from unsup.training.callbacks.schedule import evenly_spaced
from unsup.training.callbacks.throughput import Stopwatch, Throughput
from unsup.training.trainer import callbacks


class Noisy(Model):
    """Batch norm, dropout and noise from the global generator that nobody seeds between steps."""

    def __init__(self, shape: tuple[int, int, int] = SHAPE, lr: float = 1e-3) -> None:
        super().__init__(shape, lr)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2))
        self.decoder = nn.Linear(16, 64)
        self.decoder.eval()  # a module's own choice of mode must survive a picture

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None: ...

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.reconstruct(x + 0.1 * torch.randn_like(x)) - x).square().mean()}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x)).view_as(x)


class Fitted(Model):
    """Learns without steps."""

    def fit(self, images: Any) -> None:
        time.sleep(0.1)

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def reconstruct(self, x: Tensor) -> Tensor:
        return x


def fit(
    model: Model,
    extra: list[Callback],
    epochs: int = 2,
    data: TinyDigits | None = None,
    resume: Any = None,
    **kwargs: Any,
) -> L.Trainer:
    torch.manual_seed(7)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=extra,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        **{"logger": False, "enable_progress_bar": any(isinstance(c, Progress) for c in extra), **kwargs},
    )
    trainer.fit(model, datamodule=data or TinyDigits(), ckpt_path=resume)
    return trainer


def noisy() -> Noisy:
    torch.manual_seed(3)
    return Noisy()


def images(folder: Path) -> dict[str, list[int]]:
    events = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    return {tag: [event.step for event in events.Images(tag)] for tag in events.Tags()["images"]}


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_training_is_the_same_with_and_without_callbacks(tmp_path: Path) -> None:
    plain, watched = noisy(), noisy()
    fit(plain, [])
    fit(watched, callbacks(Throughput()), logger=TensorBoardLogger(tmp_path, name="", version=""))
    assert same_weights(plain, watched)
    assert images(tmp_path) and "online/linear_probe" in scalars(tmp_path)  # it did look
    assert not same_weights(plain, noisy())  # and training moved the weights


@pytest.mark.parametrize("steps_per_call", [1, 2])
def test_the_norm_is_that_of_the_gradients_before_they_are_clipped(steps_per_call: int) -> None:
    """Of the loss (w - 1)² / 2 summed over 3 weights that start at 3: the first gradient is (2, 2, 2)."""

    class Bowl(Model):
        def __init__(self) -> None:
            super().__init__(SHAPE, 1e-2)
            self.weight = nn.Parameter(torch.full((3,), 3.0))

        def losses(self, x: Tensor) -> dict[str, Tensor]:
            return {"loss": (self.weight - 1).square().sum() / 2}

    memory = Memory()
    clip = {"gradient_clip_val": 0.1} if steps_per_call == 1 else {}
    fit(Bowl(), [GradientNorm()], 1, TinyDigits(steps_per_call=steps_per_call), logger=memory, **clip)
    curve = memory.curves["train/grad_norm"]
    assert curve[0] == (0, pytest.approx(12**0.5)) and [step for step, _ in curve] == [0, 1, 2, 3, 4]
    assert [norm for _, norm in curve] == sorted((norm for _, norm in curve), reverse=True)


def test_curves_that_belong_together_share_a_drawing(tmp_path: Path) -> None:
    fit(noisy(), callbacks(Throughput()), logger=TensorBoardLogger(tmp_path, name="", version=""))
    layout = EventAccumulator(str(tmp_path)).Reload().Tensors("custom_scalars__config__")
    written = layout_pb2.Layout.FromString(layout[0].tensor_proto.string_val[0])
    assert [category.title for category in written.category] == ["Learning", "Representation"]
    tags = {tag for category in written.category for chart in category.chart for tag in chart.multiline.tag}
    assert tags - {"train/lr"} <= set(scalars(tmp_path)) | {"train/lr"}


def test_throughput_counts_every_image_and_leaves_validation_out(tmp_path: Path) -> None:
    class SlowValidation(Noisy):
        def on_validation_epoch_end(self) -> None:
            time.sleep(0.3)

    throughput, memory = Throughput(), Memory()
    started = time.perf_counter()
    fit(SlowValidation(), [throughput], logger=memory)
    elapsed = time.perf_counter() - started
    measured = throughput.record()
    assert throughput.images == 2 * 144
    assert 0.6 < measured["train_seconds"] <= elapsed  # all of fit
    assert 288 / measured["images_per_second"] < measured["train_seconds"] - 0.6  # steps alone
    curve = memory.curves["train/images_per_second"]
    assert [step for step, _ in curve] == [5, 10]
    steps = 288 / measured["images_per_second"]  # seconds
    assert 0.5 * steps < sum(144 / rate for _, rate in curve) <= 1.001 * steps


def test_throughput_counts_lists_of_batches_and_goes_on_after_a_resume(tmp_path: Path) -> None:
    first, again = Throughput(), Throughput()
    trainer = fit(Regular(), [first], epochs=1, data=TinyDigits(steps_per_call=2))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert first.images == 144
    fit(Regular(), [again], data=TinyDigits(steps_per_call=2), resume=tmp_path / "a.ckpt")
    assert again.images == 288
    assert again.record()["train_seconds"] > first.record()["train_seconds"]
    assert again.record()["cpu_seconds"] > first.record()["cpu_seconds"] > 0
    assert again.record()["images_seen"] == 288


def test_processor_time_is_of_work_and_not_of_waiting() -> None:
    class Sleepy(Regular):
        def on_validation_epoch_end(self) -> None:
            time.sleep(1)

    throughput = Throughput()
    fit(Sleepy(), [throughput], epochs=1)
    record = throughput.record()
    assert 0 < record["cpu_seconds"] < record["train_seconds"] - 0.9


def test_processor_time_before_a_resume_is_unknown_if_the_checkpoint_does_not_have_it() -> None:
    throughput = Throughput()
    throughput.load_state_dict({"images": 5, "fit": 1.0, "steps": 1.0})
    record = throughput.record()
    assert record["images_seen"] == 5 and "cpu_seconds" not in record and "cpu" not in throughput.state_dict()


class Regular(Noisy):
    on_train_batch_start = Model.on_train_batch_start


def test_a_fit_without_steps_has_seconds_and_no_rate() -> None:
    throughput = Throughput()
    fit(Fitted(SHAPE), [throughput], epochs=0)
    assert set(throughput.record()) == {"train_seconds", "cpu_seconds", "images_seen"}
    assert throughput.record()["images_seen"] == 0
    assert throughput.record()["train_seconds"] >= 0.1


def test_stopwatch() -> None:
    watch = Stopwatch()
    watch.start()
    time.sleep(0.02)
    watch.start()
    watch.stop()
    measured = watch.seconds
    assert measured >= 0.02
    time.sleep(0.01)
    assert watch.seconds == measured
    watch.stop()
    assert watch.seconds == measured


@pytest.mark.parametrize(("epochs", "lines"), [(1, 1), (3, 3), (20, 20), (41, 15)])
def test_plain_progress_is_a_few_lines(epochs: int, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    throughput = Throughput()
    with log_in_terminal():
        fit(
            noisy(),
            [throughput, Progress(throughput, OnlineScores())],
            epochs=epochs,
            data=TinyDigits(n=60, batch_size=60),
        )
    first, *printed = [line for line in capsys.readouterr().err.splitlines() if " " in line]
    s = "" if epochs == 1 else "s"
    assert first == f"54 training images, 1 step an epoch, {epochs} step{s} (batches of 60, {epochs} epoch{s})"
    printed = [line for line in printed if line.startswith("epoch ")]
    assert len(printed) == lines
    assert printed[-1].startswith(f"epoch {epochs}/{epochs}  train ")
    assert "  val " in printed[-1] and printed[-1].endswith(" images/s")


def test_progress_shows_a_probe_in_the_epochs_in_which_it_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    throughput, quick = Throughput(), OnlineScores()
    with log_in_terminal():
        fit(noisy(), [throughput, quick, Progress(throughput, quick)], epochs=20, logger=Memory())
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch ")]
    measured = evenly_spaced(range(1, 21), TIMES)
    assert [i for i, line in enumerate(lines, 1) if "  probe " in line] == measured


def test_progress_counts_epochs_of_a_run_given_in_steps(capsys: pytest.CaptureFixture[str]) -> None:
    throughput = Throughput()
    with log_in_terminal():
        fit(noisy(), [throughput, Progress(throughput, OnlineScores())], epochs=-1, max_steps=12)
    printed = capsys.readouterr().err
    assert "epoch 3/3  " in printed and " 5 steps an epoch, 12 steps (batches of " in printed


def test_terminal_gets_one_bar_for_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    throughput = Throughput()
    with log_in_terminal():
        fit(noisy(), [throughput, Progress(throughput, OnlineScores())], epochs=3)
    shown = terminal.getvalue()
    assert shown.count("\n") == 2  # that of the length, and the bar stays on its line
    last = shown.strip().rsplit("\r", 1)[-1]
    assert last.startswith("epoch 3/3") and "images/s" in last and "val " in last
    assert all(ord(c) < 0x2580 or ord(c) > 0x259F or c == "█" for c in last)  # the last one is full


def test_curves_are_on_disk_before_a_checkpoint_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    logger = Memory()
    monkeypatch.setattr(logger, "save", lambda: order.append("curves"))
    trainer = fit(noisy(), [FlushLoggers()], logger=logger)
    monkeypatch.setattr(trainer.strategy, "save_checkpoint", lambda *args, **kwargs: order.append("checkpoint"))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert order[-2:] == ["curves", "checkpoint"]


def test_callbacks_in_their_order() -> None:
    found = callbacks(Throughput())
    assert [type(c) for c in found] == [
        Throughput,
        GradientNorm,
        OnlineScores,
        Progress,
        Pictures,
        Layout,
        FlushLoggers,
        NoEmptyAverage,
    ]
    progress = found[3]
    assert isinstance(progress, Progress) and progress.throughput is found[0] and progress.online is found[2]
