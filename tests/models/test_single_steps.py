"""Options and callbacks that count batches do so, however many steps a call makes."""

from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint

from unsup.core.errors import UsageError
from unsup.data.digits import Digits
from unsup.models.ae import AE
from unsup.models.parts.single_steps import counts_steps
from unsup.models.vae import VAE

STEPS = 24  # of an epoch of digits with batches of 50


class Seen(AE):
    """Notes the sum of each training batch, and how many there were at each validation."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self.batches: list[float] = []
        self.validations: list[int] = []

    def losses(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        if self.training:
            self.batches.append(x.sum().item())
        return super().losses(x)

    def on_validation_start(self) -> None:
        self.validations.append(len(self.batches))


def train(steps_per_call: int, epochs: int = 3, **options: Any) -> Seen:
    data = Digits(batch_size=50, steps_per_call=steps_per_call)
    torch.manual_seed(0)
    model = Seen((1, 8, 8))
    trainer = L.Trainer(
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        num_sanity_val_steps=0,
        **options,
    )
    trainer.fit(model, datamodule=data)
    return model


@pytest.mark.parametrize("steps_per_call", [1, 16])
@pytest.mark.parametrize(("batches", "number"), [(1, 1), (0.5, 12)])
def test_overfitting_sees_the_same_batches_in_every_epoch(
    batches: float, number: int, steps_per_call: int, recwarn: pytest.WarningsRecorder
) -> None:
    seen = train(steps_per_call, overfit_batches=batches).batches
    assert len(seen) == 3 * number and seen[:number] == seen[number : 2 * number] == seen[2 * number :]
    assert len(set(seen)) == number
    assert not [w for w in recwarn if "overfit" in str(w.message)]


@pytest.mark.parametrize(
    ("options", "steps", "validations"),
    [
        ({"limit_train_batches": 5}, 15, [5, 10, 15]),
        ({"limit_train_batches": 0.5}, 36, [12, 24, 36]),
        ({"val_check_interval": 8}, 72, [8, 16, 24, 32, 40, 48, 56, 64, 72]),
        ({"val_check_interval": 0.5}, 72, [12, 24, 36, 48, 60, 72]),
        ({"accumulate_grad_batches": 2}, 72, [24, 48, 72]),
        ({"max_steps": 30}, 30, [24]),
    ],
)
def test_batches_are_counted_one_by_one(options: dict[str, Any], steps: int, validations: list[int]) -> None:
    models = [train(steps_per_call, **options) for steps_per_call in (1, 16)]
    for model in models:
        assert (len(model.batches), model.validations) == (steps, validations)
    first, second = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


class OwnCounter(Callback):
    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        trainer.lightning_module.calls = getattr(trainer.lightning_module, "calls", 0) + 1


def test_a_callback_on_batches_sees_each_step() -> None:
    model: Any = train(16, callbacks=[OwnCounter()])
    assert model.calls == 3 * STEPS
    assert counts_steps(EMAWeightAveraging()) and counts_steps(ModelCheckpoint(every_n_train_steps=5))
    assert not counts_steps(ModelCheckpoint(monitor="val/loss")) and not counts_steps(Callback())


def test_batch_normalisation_refuses_batches_of_one_image() -> None:
    trainer = L.Trainer(max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False)
    model = VAE((1, 8, 8), code_dim=2)
    with pytest.raises(UsageError, match="some batches would have only one: raise data.batch_size \\(now 2\\)"):
        trainer.fit(model, datamodule=Digits(batch_size=2))  # an odd number of images
