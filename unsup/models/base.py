"""The contract of a method, from images to losses and codes, without labels."""

from collections.abc import Mapping
from functools import partial
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor

from unsup.core.batch import Batch
from unsup.core.errors import UserError
from unsup.core.ranges import check_options
from unsup.models.parts.frozen import frozen
from unsup.models.parts.lightning import TrainingHooks
from unsup.models.parts.optim import adamw, annealed, clips_mixed_gradients, named_optimizer

__all__ = ["Batch", "Model"]


class Model(TrainingHooks):
    """Base class of every method.

    x is (N, C, H, W) float32 in [0, 1], z is (N, D). `encode` is required. A trained method also needs `losses` or its
    own `training_step`; one without gradients has `fit`; a frozen one has neither. The evaluator discovers the optional
    methods:

    * `reconstruct(x)` -> (N, C, H, W): scored as returned, displayed clamped to [0, 1];
    * `decode(z)` -> (N, C, H, W);
    * `sample(n)` -> (n, C, H, W) in [0, 1], new images; a method that makes them from standard normal noise also has
      `generate(noise)`, noise (n, `noise_dim`) -> (n, C, H, W) in [0, 1];
    * `elbo(x)` -> log p(x|z) (N,) of one posterior sample and KL(q(z|x) || p(z)) (N, D), in nats per image;
    * `log_likelihood(x, samples)` -> (N,): log p(x) in nats, estimated from `samples` posterior samples. A method
      with the attribute `dequantised` has a density of pixels (255 x + u) / 256, also scored in bits per dimension;
    * `views(x)` -> two random views (N, C, H, W) each; the distance of their codes is scored as alignment;
    * `layers(x)` -> {name: (N, D)}: inner representations, probed one by one;
    * `assign(x)` -> (N,) int64: the method's cluster of each image, from 0 to below the attribute `num_clusters`.

    `fit(images)` learns without gradients, before the first step. `images` is a callable; every call returns an
    iterator over all training images, in order, as batches x. The result belongs in parameters and buffers whose shapes
    are known from `__init__`. With `losses`, fine-tuning follows.

    A method that needs the index of its images, or several optimizers, overrides `training_step` and passes its scalars
    to `record`; noise is seeded before each step. A hook that derives something from the whole set
    (`on_train_epoch_start`, from `training_images`) does so again when a run is resumed, so it need not be saved.
    `iteration` and `total_steps()` give the progress of training (`unsup.models.parts.lightning`).

    The typed `__init__` is the schema of the recipe. It takes plain types only, so that checkpoints load with
    `weights_only=True`. Arguments named `shape` and `augmentation` come from the data set. A range is part of the type,
    `hidden: Annotated[int, AtLeast(1)] = 32` (`unsup.core.ranges`), and is checked before anything is built.
    `unsup.testing.check_model` checks a whole class.

    A class that brings weights from elsewhere states in `pretrained_on` what they were trained on, in the words of
    `unsup.reports.schema`: `{"images": ["other"], "supervision": ["text"], "text": "CLIP, LAION-2B"}`.

    Args:
        shape: (C, H, W) of an image.
        lr: peak learning rate, warmed up over the first tenth of all steps, then annealed to 0 (cosine).

    Raises:
        UsageError: an option is outside its range, or is none of the values of its `Literal`.
    """

    beta2: float = 0.999  # decay of Adam's average of squared gradients
    weight_decay: float = 0.0  # of the weights, not of biases and scales
    needs_init: bool = False  # whether the method requires `init_from`, another run whose weights this one starts from
    # Whether a backward pass gives some parameters no gradient, e.g. the discriminator's during the generator's step.
    unused_parameters: bool = False
    pretrained_on: Mapping[str, Any] | None = (
        None  # of weights that the class brings: {"images", "supervision", "text"}
    )
    untrained_options: Mapping[str, Any] | None = {}  # that differ in the untrained network; None if there is none
    bibtex: str = ""  # entry that cites the method, for reports
    views_per_image: int | None = None  # random views that a training step draws of each image, if known

    def __init__(self, shape: tuple[int, int, int], lr: float = 1e-3) -> None:
        super().__init__(lr)
        self.save_hyperparameters(*signature(type(self)).parameters)  # with these a checkpoint rebuilds the model
        check_options("model", type(self).__init__, {**self.hparams, "lr": lr})
        self.shape = shape

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Return scalars of a batch, "loss" to be minimised, all to be logged."""
        raise UserError(f"{type(self).__name__} defines neither losses(x) nor its own training_step")

    def encode(self, x: Tensor) -> Tensor:
        """Return the code z (N, D), in eval mode a fixed function of each image alone."""
        raise UserError(f"{type(self).__name__} does not define encode(x)")

    def configure_optimizers(self) -> Any:
        """Return the optimizer with its schedule, or None for a method without parameters."""
        default = adamw(self.lr, self.beta2, fused=not clips_mixed_gradients(self._trainer))
        build = named_optimizer(self.optimizer, self.lr) if self.optimizer else default
        return annealed(self, build, self.weight_decay, partial(self.total_steps, "the learning rate"))

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Start from another run's weights (`init_from`), all of which must fit.

        Other parameters keep their values. A method that uses some of the weights passes these to `super()`.
        """
        if not state:
            raise UserError(f"init_from: the other run has no weights that {type(self).__name__} starts from")
        own = self.state_dict()
        for name, value in state.items():
            if name not in own or own[name].shape != value.shape:
                have = f"{tuple(own[name].shape)} here" if name in own else "no such weight here"
                raise UserError(
                    f"init_from: {name} has shape {tuple(value.shape)} in the other run, {have}: "
                    f"give {type(self).__name__} that run's options and images"
                )
        self.load_state_dict(state, strict=False)  # all of these weights fit, by the check above
        self.initialised = True

    def sample_by_generate(self, n: int) -> Tensor:
        """Return `generate` of n noises in eval mode, for a method's `sample`."""
        model = cast(Any, self)
        if not hasattr(model, "noise_dim"):
            raise UserError(f"{type(self).__name__} has generate(noise) but no noise_dim: set it in __init__")
        noise = torch.randn(n, model.noise_dim, device=self.device)
        with frozen(self, full_precision=False):
            images: Tensor = model.generate(noise)
        return images
