"""What training shows of a model: bounded in number, from the same noise, and without leaving a trace in it."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import SHAPE, TinyDigits, same_weights, trainer
from torch import Tensor
from toys import Coder, Decoder, Generator, Still, Variational

from unsup.evaluation.model_images import filter_grid, grids_of, pixel_weights, reconstruction_grid, thumbnails
from unsup.models.base import Model
from unsup.models.parts.frozen import frozen
from unsup.training.callbacks.images import Pictures
from unsup.training.callbacks.schedule import evenly_spaced

SAMPLES, RECONSTRUCTIONS, WALKS, FILTERS = (
    f"pictures/{name}" for name in ("samples", "reconstructions", "traversals", "filters")
)


def fit(
    model: Model, folder: Path, epochs: int, *extra: Callback, resume: Path | None = None, **kwargs: Any
) -> Pictures:
    """Train on 32 digits, one step an epoch; the callback that took pictures into `folder`."""
    pictures = Pictures()
    logger = TensorBoardLogger(folder, name="", version="")
    t = trainer(epochs, logger, callbacks=[pictures, *extra], **kwargs)
    t.fit(model, datamodule=TinyDigits(n=32), ckpt_path=resume, weights_only=True)
    return pictures


def new(kind: type[Coder]) -> Coder:
    torch.manual_seed(3)
    return kind()


def shown(folder: Path) -> dict[str, list[int]]:
    """{tag: the training steps, which are epochs here, of its pictures}."""
    events = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    return {tag: [event.step for event in events.Images(tag)] for tag in events.Tags()["images"]}


class Disturbed(Variational):
    """Draws from the global generator, which nobody seeds between its steps."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None: ...


class ModesAndNoise(Callback):
    """After each epoch every module's mode and the next random number."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seen.append(([m.training for m in pl_module.modules()], torch.rand(1).item()))


def test_training_is_the_same_with_and_without_pictures(tmp_path: Path) -> None:
    plain, watched = new(Disturbed), new(Disturbed)
    seen = [ModesAndNoise(), ModesAndNoise()]
    torch.manual_seed(7)
    trainer(4, callbacks=[seen[0]]).fit(plain, datamodule=TinyDigits(n=32))
    after = torch.get_rng_state()
    torch.manual_seed(7)
    fit(watched, tmp_path, 4, seen[1])
    assert torch.equal(after, torch.get_rng_state())
    assert same_weights(plain, watched) and not same_weights(plain, new(Disturbed))
    assert seen[0].seen == seen[1].seen and len(seen[0].seen) == 4
    assert shown(tmp_path)[SAMPLES] == [1, 2, 3, 4]  # it did look


def test_looking_restores_modes_and_random_state() -> None:
    model = new(Variational).train()
    model.decoder[1].eval()
    before = torch.get_rng_state()
    with frozen(model, full_precision=False):
        assert not any(module.training for module in model.modules())
        torch.rand(3)
    assert torch.equal(before, torch.get_rng_state())
    assert model.training and model.encoder.training and not model.decoder[1].training


def test_pictures_of_a_long_run_are_few_and_spread(tmp_path: Path) -> None:
    fit(new(Variational), tmp_path, 100, limit_val_batches=0)
    steps = shown(tmp_path)
    assert len(steps[SAMPLES]) == 30 and len(steps[RECONSTRUCTIONS]) == 10
    for drawn in steps.values():
        assert drawn[0] == 1 and drawn[-1] == 100
        gaps = [b - a for a, b in pairwise(drawn)]
        assert max(gaps) <= 1.5 * min(gaps)


@pytest.mark.parametrize(
    ("kind", "tags"),
    [
        (Coder, set()),
        (Decoder, {RECONSTRUCTIONS, WALKS}),
        (Generator, {SAMPLES}),
        (Variational, {SAMPLES, RECONSTRUCTIONS, WALKS}),
    ],
)
def test_a_model_shows_what_it_has(kind: type[Coder], tags: set[str], tmp_path: Path) -> None:
    pictures = fit(new(kind), tmp_path, 2)
    assert shown(tmp_path) == {tag: [1, 2] for tag in {*tags, FILTERS}}
    assert (tmp_path / "figures" / "progress.png").exists() == (SAMPLES in tags)
    assert list(pictures.state_dict()["strip"]) == ([1, 2] if SAMPLES in tags else [])


def test_the_noise_is_the_same_each_time(tmp_path: Path) -> None:
    strip = fit(new(Still), tmp_path, 3).state_dict()["strip"]
    assert torch.equal(strip[1], strip[2]) and torch.equal(strip[1], strip[3])
    assert strip[1].shape == (10, *SHAPE) and strip[1].dtype == torch.uint8 and strip[1].float().std() > 50


def test_the_end_is_shown_once_even_if_unforeseen(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            trainer.should_stop = trainer.current_epoch == 6

    pictures = fit(new(Variational), tmp_path, 1000, Stop())
    assert shown(tmp_path) == {tag: [1, 7] for tag in (SAMPLES, RECONSTRUCTIONS, WALKS, FILTERS)}
    assert list(pictures.state_dict()["strip"]) == [1, 7]


def test_epochs_of_a_run_given_in_steps(tmp_path: Path) -> None:
    fit(new(Generator), tmp_path, -1, max_steps=3)
    assert shown(tmp_path) == {SAMPLES: [1, 2, 3], FILTERS: [1, 2, 3]}


class Fitted(Model):
    """Learns without steps."""

    def fit(self, images: Any) -> None: ...

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def reconstruct(self, x: Tensor) -> Tensor:
        return x

    def sample(self, n: int) -> Tensor:
        return torch.rand(n, *self.shape)


def test_a_model_without_epochs_gets_its_picture_and_no_progress(tmp_path: Path) -> None:
    fit(Fitted(SHAPE), tmp_path, 0)
    assert shown(tmp_path) == {SAMPLES: [0], RECONSTRUCTIONS: [0]}
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_pictures_of_reduced_precision(tmp_path: Path, precision: str) -> None:
    fit(new(Variational), tmp_path, 2, precision=precision)
    assert shown(tmp_path) == {tag: [1, 2] for tag in (SAMPLES, RECONSTRUCTIONS, WALKS, FILTERS)}


def test_the_strip_goes_on_after_a_resume(tmp_path: Path) -> None:
    class Save(Callback):
        def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            if trainer.current_epoch == 2:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    whole = fit(new(Variational), tmp_path / "whole", 6, Save()).state_dict()["strip"]
    resumed = fit(new(Variational), tmp_path / "resumed", 6, resume=tmp_path / "half.ckpt").state_dict()["strip"]
    assert list(whole) == list(resumed) == [1, 2, 3, 4, 5, 6]
    assert all(torch.equal(whole[epoch], resumed[epoch]) for epoch in whole)
    assert not torch.equal(whole[1], whole[6])
    first, second = ((tmp_path / run / "figures" / "progress.png").read_bytes() for run in ("whole", "resumed"))
    assert first == second
    assert shown(tmp_path / "resumed")[SAMPLES] == [4, 5, 6]


def test_evenly() -> None:
    assert evenly_spaced(range(1, 1), 10) == []
    assert evenly_spaced(range(1, 8), 10) == list(range(1, 8))
    assert evenly_spaced(range(1, 101), 10) == [1, 12, 23, 34, 45, 56, 67, 78, 89, 100]
    assert evenly_spaced([1, 2, 3, 4, 5, 6, 20, 40], 3) == [1, 20, 40]  # a resumed run's: by distance, not by place
    for n in range(11, 60):
        few = evenly_spaced(range(1, n + 1), 10)
        assert len(few) == 10 and few[0] == 1 and few[-1] == n


class Headed(Coder):
    """Its code has as many entries as an image has pixels, and so has the input of its head."""

    def __init__(self) -> None:
        super().__init__(code_dim=math.prod(SHAPE))
        self.head = torch.nn.Linear(math.prod(SHAPE), 5)
        self.maps = torch.nn.Conv2d(SHAPE[0], 4, 3, stride=2, padding=1)
        self.to_code = torch.nn.Linear(4 * 4 * 4, math.prod(SHAPE))

    def encode(self, x: Tensor) -> Tensor:
        return self.to_code(self.maps(x).flatten(1))


def test_only_a_layer_that_sees_the_pixels_is_shown_as_filters() -> None:
    x, dense, headed = torch.rand(2, *SHAPE), new(Coder), new(Headed)
    with frozen(dense), frozen(headed):
        seen = pixel_weights(dense, x)
        assert seen is not None and torch.equal(seen.flatten(1), dense.encoder[1].weight)
        assert "filters" in grids_of(dense, x)
        assert "filters" not in grids_of(headed, x)


def test_filters_are_grey_where_they_look_at_nothing() -> None:
    weight = torch.zeros(70, 1, 4, 4)
    weight[0, 0, 0, 0], weight[1, 0, 1, 1], weight[1, 0, 2, 2] = 3.0, -0.02, 0.01
    cells = filter_grid(weight)[0, 2:, 2:].unfold(0, 4, 6).unfold(1, 4, 6)
    assert cells.shape[:2] == (8, 8)  # 64 of 70
    assert cells[0, 0, 0, 0] == 1 and cells[0, 1, 1, 1] == 0 and cells[0, 1, 2, 2] == 0.75
    assert (cells == 0.5).sum() == 64 * 16 - 3


def test_thumbnails() -> None:
    x = torch.rand(2, 3, 128, 96)
    small = thumbnails(x)
    assert small.shape == (2, 3, 64, 48) and small.dtype == torch.uint8
    block = x[0, 0, :2, :2].mean() * 255
    assert abs(small[0, 0, 0, 0].item() - block.item()) <= 0.51
    assert torch.equal(
        thumbnails(torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1)).flatten(), torch.tensor([0, 128, 255])
    )


def test_pairs_puts_each_image_above_its_reconstruction() -> None:
    x = torch.linspace(0, 1, 19).view(19, 1, 1, 1).expand(19, 1, 4, 4)
    grid = reconstruction_grid(x, 1 - x)[0]  # cells of 4 pixels and borders of 2
    rows, columns = grid.shape[0] // 6, grid.shape[1] // 6
    assert (rows, columns) == (4, 8)  # 16 of 19 images: whole lines only
    cells = grid[2:, 2:].unfold(0, 4, 6).unfold(1, 4, 6)[..., 0, 0]
    assert torch.equal(cells[0], x[:8, 0, 0, 0]) and torch.equal(cells[2], x[8:16, 0, 0, 0])
    assert torch.equal(cells[1], 1 - cells[0]) and torch.equal(cells[3], 1 - cells[2])
