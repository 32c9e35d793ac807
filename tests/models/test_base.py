"""What every method gets from the base: steps, schedule, noise, logging, whole passes, other runs' weights."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as L
import numpy as np
import pytest
import torch
from tiny import SHAPE, TinyDigits, digits, same_weights, train, trainer
from torch import Tensor, nn

from unsup.core.errors import UsageError, UserError
from unsup.models.base import Batch, Model
from unsup.models.parts.optim import warmup_cosine
from unsup.runs.config import compose, resolve
from unsup.training.prepare import prepare_training


class Linear(Model):
    """The smallest method with noise; keeps the noise that it drew."""

    def __init__(self, shape: tuple[int, int, int], code_dim: int = 4, lr: float = 1e-2) -> None:
        super().__init__(shape, lr)
        self.encoder = nn.Linear(64, code_dim)
        self.decoder = nn.Linear(code_dim, 64)
        self.drawn: list[Tensor] = []

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        noise = torch.randn(len(x), 64)
        self.drawn.append(noise[0, :3])
        x = x.flatten(1)
        loss = (self.decoder(self.encoder(x + 0.1 * noise)) - x).square().sum(1).mean()
        return {"loss": loss, "half": loss / 2}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1))


def linear(seed: int = 0, **kwargs: Any) -> Linear:
    torch.manual_seed(0)
    model = Linear(SHAPE, **kwargs)
    model.seed = seed
    return model


@pytest.mark.parametrize("limit", [{}, {"max_steps": 7}])
def test_several_steps_a_call_change_nothing(limit: dict[str, int]) -> None:
    one, many = linear(), linear()
    first, curves = train(one, TinyDigits(steps_per_call=1), epochs=3, **limit)
    second, curves_many = train(many, TinyDigits(steps_per_call=4), epochs=3, **limit)
    assert first.global_step == second.global_step == limit.get("max_steps", 15)
    assert same_weights(one, many)
    assert curves == curves_many  # each step's loss and learning rate, and validation
    assert not same_weights(one, linear())


def test_several_steps_a_call_ignore_no_option() -> None:
    class Own(Linear):
        def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
            return self.losses(batch[0])["loss"]

    with pytest.raises(UserError, match="steps_per_call"):
        train(Own(SHAPE), TinyDigits(steps_per_call=4))
    train(Own(SHAPE), TinyDigits())
    clipped = [linear(), linear()]
    for model, steps_per_call in zip(clipped, (1, 4), strict=True):
        train(model, TinyDigits(steps_per_call=steps_per_call), gradient_clip_val=0.01)
    assert same_weights(*clipped)


def test_learning_rate_is_annealed_over_the_whole_run() -> None:
    assert [round(warmup_cosine(step, 40), 3) for step in (0, 3, 4, 22, 40, 50)] == [0.25, 1.0, 1.0, 0.5, 0.0, 0.0]
    for steps_per_call in (1, 4):
        _, curves = train(linear(), TinyDigits(steps_per_call=steps_per_call), epochs=8)  # 40 steps
        rates = [value for _, value in curves["train/lr"]]
        assert rates == pytest.approx([0.01 * warmup_cosine(step, 40) for step in range(40)])


@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_a_run_without_an_end_is_refused(steps_per_call: int) -> None:
    with pytest.raises(UserError, match="max_epochs"):
        train(linear(), TinyDigits(steps_per_call=steps_per_call), epochs=-1)


def test_noise_is_a_function_of_seed_and_step() -> None:
    runs = []
    for seed, disturb in ((0, False), (0, True), (1, False)):
        model = linear(seed)
        torch.manual_seed(99 if disturb else 5)  # what came before does not matter
        train(model, TinyDigits(), epochs=2)
        runs.append(torch.stack(model.drawn))  # 5 training steps, 1 validation batch, 5, 1
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert len({tuple(row.tolist()) for row in runs[0]}) == 11  # every step its own, both validations the same
    assert torch.equal(runs[0][5], runs[0][11])


def test_noise_is_seeded_for_methods_with_their_own_step() -> None:
    class Own(Linear):
        def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
            return self.losses(batch[0])["loss"]

    drawn = []
    for cls in (Own, Linear):
        model = cls(SHAPE)
        train(model)
        drawn.append(torch.stack(model.drawn))
    assert torch.equal(*drawn)


def test_index_names_the_image_of_the_whole_pass() -> None:
    class Indexed(Linear):
        def on_train_epoch_start(self) -> None:
            self.whole = torch.cat(list(self.training_images()))

        def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
            x, index = batch
            assert torch.equal(self.whole[index], x)
            self.seen = [*getattr(self, "seen", []), *index.tolist()]
            return self.losses(x)["loss"]

    model = Indexed(SHAPE)
    train(model, data := TinyDigits())
    assert sorted(model.seen) == list(range(data.size("train")))
    assert len(model.whole) == data.size("train")
    assert model.whole.dtype == torch.float32 and 0 <= model.whole.min() < model.whole.max() <= 1


def test_train_and_validation_log_the_same_keys_on_one_axis() -> None:
    trainer, curves = train(linear(), epochs=2, log_every_n_steps=5)
    assert curves.keys() == {"train/loss", "train/half", "train/lr", "val/loss", "val/half"}
    assert [step for step, _ in curves["train/loss"]] == [0, 5]
    assert [step for step, _ in curves["val/loss"]] == [5, 10] and trainer.global_step == 10


def test_validation_is_the_mean_over_images() -> None:
    class Brightness(Linear):
        def losses(self, x: Tensor) -> dict[str, Tensor]:
            return {"loss": x.mean() + 0 * self.encoder(x.flatten(1)).sum()}

    data = TinyDigits(n=450, batch_size=32)  # validation: 45 images, batches of unequal size
    _, curves = train(Brightness(SHAPE), data)
    assert curves["val/loss"][0][1] == pytest.approx(torch.cat(list(data.batches("val"))).mean().item())


@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_a_loss_that_is_not_finite_stops_the_run(steps_per_call: int) -> None:
    class Bursts(Linear):
        def losses(self, x: Tensor) -> dict[str, Tensor]:
            values = super().losses(x)
            return {"loss": values["loss"] / (self.global_step != 3)}

    with pytest.raises(UserError, match=r"inf at step 3 on the training images \d.*: lower model.lr \(now 0.01\)"):
        train(Bursts(SHAPE), TinyDigits(steps_per_call=steps_per_call))


@pytest.mark.parametrize("lr", [0, -1, float("nan"), float("inf")])
def test_a_bad_learning_rate_is_one_line(lr: float) -> None:
    with pytest.raises(UserError, match=r"model.lr is .*: it must be (above 0|finite)"):
        Linear(SHAPE, lr=lr)


def test_initialise_takes_a_part_and_refuses_the_rest() -> None:
    model, other = linear(), Linear(SHAPE)
    part = {name: value for name, value in other.state_dict().items() if name.startswith("encoder")}
    model.initialise(part)
    assert torch.equal(model.encoder.weight, other.encoder.weight)
    assert torch.equal(model.decoder.weight, linear().decoder.weight)
    for wrong, message in ((Linear(SHAPE, code_dim=5).state_dict(), "shape"), ({"nope": torch.ones(1)}, "no such")):
        model = linear()
        with pytest.raises(UserError, match=message):
            model.initialise(wrong)
        assert same_weights(model, linear())  # all or nothing


def test_arguments_rebuild_the_model() -> None:
    class Plain(Linear):
        """Inherits its arguments."""

    class Fixed(Linear):
        """Has fewer arguments than its base."""

        def __init__(self, shape: tuple[int, int, int], size: int = 3) -> None:
            hidden = size + 1
            super().__init__(shape, code_dim=hidden)

    for model in (Plain(SHAPE, code_dim=2), Fixed(SHAPE, size=6)):
        again = type(model)(**model.hparams)
        again.load_state_dict(model.state_dict())
        assert dict(again.hparams) == dict(model.hparams)


class Centre(Model):
    """Fitted without gradients: the mean image, and a random draw."""

    mean: Tensor
    drawn: Tensor

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("drawn", torch.zeros(3))

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        assert torch.equal(torch.cat(list(images())), torch.cat(list(images())))  # as many passes as it likes
        self.mean.copy_(torch.cat(list(images())).mean(0))
        self.drawn.copy_(torch.rand(3))

    def encode(self, x: Tensor) -> Tensor:
        return (x - self.mean).flatten(1)


def test_fit_sees_the_training_images_and_seeded_noise(tmp_path: Path) -> None:
    fitted = []
    for seed in (0, 0, 1):
        model, data = Centre(SHAPE), TinyDigits()
        model.seed = seed
        trainer, curves = train(model, data, epochs=0)
        images, _ = data.load(train=True)
        inside = np.setdiff1d(np.arange(len(images)), data._get_rows("val"))
        assert model.mean.numpy() == pytest.approx(images[inside].mean(0) / 255, abs=1e-6)
        assert not curves
        trainer.save_checkpoint(tmp_path / "fitted.ckpt")
        state = torch.load(tmp_path / "fitted.ckpt", weights_only=True)["state_dict"]
        assert torch.equal(state["mean"], model.mean)
        fitted.append(model)
    assert same_weights(fitted[0], fitted[1])
    assert not torch.equal(fitted[0].drawn, fitted[2].drawn)


class Staged(Linear):
    """Fits, then trains."""

    fits = 0

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        self.fits += 1
        with torch.no_grad():
            self.decoder.bias.copy_(torch.cat(list(images())).mean(0).flatten())


class StopAfterFirstEpoch(L.Callback):
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = True


@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_a_resumed_run_ends_where_the_uninterrupted_one_does(tmp_path: Path, steps_per_call: int) -> None:
    """Also after a fit, which is not repeated."""
    whole, half, rest = (Staged(SHAPE) for _ in range(3))
    half.load_state_dict(whole.state_dict())
    data = {"steps_per_call": steps_per_call}
    _, curves = train(whole, TinyDigits(**data), epochs=3)
    first, _ = train(half, TinyDigits(**data), epochs=3, callbacks=[StopAfterFirstEpoch()])
    assert first.global_step == 5
    first.save_checkpoint(tmp_path / "half.ckpt")
    _, later = train(rest, TinyDigits(**data), epochs=3, resume=tmp_path / "half.ckpt")
    assert (whole.fits, half.fits, rest.fits) == (1, 1, 0)
    assert same_weights(whole, rest)
    assert later["train/loss"] == curves["train/loss"][5:] and later["val/loss"] == curves["val/loss"][1:]


def test_two_optimizers_a_batch_share_the_axis_of_one() -> None:
    class Two(Linear):
        def __init__(self, shape: tuple[int, int, int]) -> None:
            super().__init__(shape)
            self.automatic_optimization = False

        @property
        def iteration(self) -> int:
            return self.global_step // 2

        def training_step(self, batch: Batch, batch_idx: int) -> None:
            values = self.losses(batch[0])
            self.record(values)
            self.manual_backward(values["loss"])
            for optimizer in self.optimizers():
                optimizer.step()
                optimizer.zero_grad()

        def configure_optimizers(self) -> list[torch.optim.Optimizer]:
            return [torch.optim.Adam(net.parameters(), self.lr) for net in (self.encoder, self.decoder)]

    model = Two(SHAPE)
    trainer, curves = train(model, epochs=2, log_every_n_steps=5)
    assert trainer.global_step == 20
    assert [step for step, _ in curves["train/loss"]] == [0, 5]
    assert [step for step, _ in curves["val/loss"]] == [5, 10]
    assert model.total_steps() == 10


def test_a_method_without_losses_says_so() -> None:
    class Nothing(Linear):
        losses = Model.losses

    with pytest.raises(UserError, match="^Nothing defines neither losses"):
        train(Nothing(SHAPE))
    with pytest.raises(UserError, match=r"^Model does not define encode\(x\)$"):
        Model(SHAPE).encode(digits(1))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda values: None, "NoneType"),
        (lambda values: values["loss"], "Tensor"),
        (lambda values: {"total": values["loss"]}, "the keys total"),
        (lambda values: {"loss": 0.5}, 'float as "loss"'),
        (lambda values: values | {"epoch": 3}, 'int as "epoch"'),
        (lambda values: {"loss": values["loss"].expand(5)}, r'a tensor of shape \(5,\) as "loss"'),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_losses_that_are_no_scalars_are_one_line(change: Callable[[Any], Any], problem: str, training: bool) -> None:
    class Odd(Linear):
        def losses(self, x: Tensor) -> dict[str, Tensor]:
            values = super().losses(x)
            return change(values) if self.training == training else values

    with pytest.raises(UserError, match=f"^Odd.losses returned {problem}: it must be a dictionary of scalar tensors "):
        train(Odd(SHAPE))


def test_a_loss_without_gradient_is_one_line() -> None:
    class Still(Linear):
        def losses(self, x: Tensor) -> dict[str, Tensor]:
            return {"loss": x.mean()}

    with pytest.raises(UserError, match='^Still.losses: "loss" depends on no weight'):
        train(Still(SHAPE))


class Choosy(Model):
    def __init__(
        self, shape: tuple[int, int, int], kind: Literal["a", "b"] = "a", other: Literal[1, 2] | None = None
    ) -> None:
        super().__init__(shape)


def test_a_choice_that_there_is_not_is_refused() -> None:
    Choosy(SHAPE, "b", 2)
    with pytest.raises(UsageError, match="^model.kind is 'c': choose one of a, b$"):
        Choosy(SHAPE, "c")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="^model.other is 3: choose one of 1, 2, None$"):
        Choosy(SHAPE, other=3)  # type: ignore[arg-type]


def test_a_code_without_entries_is_refused_for_every_method() -> None:
    with pytest.raises(UsageError, match="^model.code_dim is 0: it must be at least 1$"):
        Linear(SHAPE, code_dim=0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_losses_train_to_the_same_weights() -> None:
    options = [("trainer.max_epochs", 2), ("trainer.accelerator", "cpu")]
    models = []
    for mode in (None, "default"):
        data, model = prepare_training(resolve(compose("ae", "digits", [], [*options, ("compile", mode)])))
        trainer(2).fit(model, datamodule=data)
        models.append(model)
    eager, compiled = models
    assert eager.compiled_losses is None and compiled.compiled_losses is not None
    for ours, theirs in zip(compiled.parameters(), eager.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)
