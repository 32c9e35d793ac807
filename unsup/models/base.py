"""The contract of a method.

Images go in; losses, codes and, where a method has them, reconstructions and samples come out. No labels, ever.
"""

from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor

from unsup.core.errors import UserError
from unsup.core.ranges import Above, AtLeast, check_options
from unsup.models.frozen import frozen
from unsup.models.parts.lightning import Batch, TrainingHooks
from unsup.models.parts.optim import annealed_adam

__all__ = ["Batch", "Model"]

RANGES = {"lr": Above(0), "code_dim": AtLeast(1), "weight_decay": AtLeast(0)}  # of every method that has the option


class Model(TrainingHooks):
    """Base class of every method.

    x is (N, C, H, W) float32 in [0, 1], z is (N, D). Required are `losses` and `encode`; a method without gradients
    has `fit(images)` instead of `losses`. The evaluator discovers what else is there:

    * `reconstruct(x)` -> (N, C, H, W): scored as it is (not clamped), shown clamped to [0, 1];
    * `decode(z)` -> (N, C, H, W);
    * `sample(n)` -> (n, C, H, W) in [0, 1], new images; where these come from standard normal noise also
      `generate(noise)`, noise (n, `noise_dim`) -> (n, C, H, W) in [0, 1];
    * `elbo(x)` -> log p(x|z) (N,) of one posterior sample and KL(q(z|x) || p(z)) (N, D), both in nats an image, and
      `log_likelihood(x, samples)` -> (N,): log p(x) in nats, estimated from that many posterior samples;
    * `views(x)` -> two random views (N, C, H, W) each: how near their codes are is scored as alignment;
    * `layers(x)` -> {name: (N, D)}: inner representations, probed one by one;
    * `assign(x)` -> (N,) int64: the method's own cluster of each image, 0 to below `num_clusters`, an attribute;
    * `fit(images)`: learn, before the first step, from passes over `images()`, each an ordered stream of x. Fitted
      state lives in parameters and buffers whose shapes are known from `__init__`. A method may have `losses` as well
      (stages: fit, then fine-tune).

    A method that needs the index of its images, or several optimizers, overrides `training_step`: noise is seeded
    before it is called, and it hands its scalars to `record`. What a hook derives from the whole set
    (`on_train_epoch_start`, from `training_images`) it derives again when a run is resumed: no need to save it.
    `iteration` and `total_steps()` say how far training is. These, and all that Lightning calls, come from
    `unsup.models.parts.lightning`.

    The typed `__init__` is the schema of the recipe: plain types only, so that checkpoints load with
    `weights_only=True`. Arguments named `shape` and `augmentation` are filled from the data set. A range is part of the
    type, `hidden: Annotated[int, AtLeast(1)] = 32` (`unsup.core.ranges`), and is checked before anything is built;
    `lr`, `code_dim` and `weight_decay` have theirs in every method. `unsup.testing.check_model` checks a whole class.

    Args:
        shape: (C, H, W) of an image.
        lr: peak learning rate of Adam; warmed up over the first tenth of all steps, then annealed to 0 (cosine).

    Raises:
        UsageError: an option is outside its range, or one typed as `Literal` has another value.
    """

    beta2: float = 0.999  # how slowly Adam's average of squared gradients moves
    weight_decay: float = 0.0  # of the weights, not of biases and scales: a method that wants some sets it
    needs_init: bool = False  # whether the method makes no sense from nothing, without `init_from`
    unused_parameters: bool = False  # whether some get no gradient in a backward pass, as a GAN's other player
    initialised: bool = False  # whether it has started from another run's weights; `fit` may ask

    def __init__(self, shape: tuple[int, int, int], lr: float = 1e-3) -> None:
        super().__init__(lr)
        self.save_hyperparameters(*signature(type(self)).parameters)  # with these a checkpoint rebuilds the model
        check_options("model", type(self).__init__, {**self.hparams, "lr": lr}, RANGES)
        self.shape = shape

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Scalars of this batch: "loss" is minimised, all are logged. Views, noise and masks are drawn in here."""
        raise UserError(f"{type(self).__name__} defines neither losses(x) nor its own training_step")

    def encode(self, x: Tensor) -> Tensor:
        """The code z (N, D): in eval mode a fixed function of each image alone."""
        raise UserError(f"{type(self).__name__} does not define encode(x)")

    def configure_optimizers(self) -> Any:
        """Adam, warm-up over a tenth of the steps, cosine to 0; no optimizer for a method without parameters."""
        return annealed_adam(self, self.lr, self.beta2, self.weight_decay, self.total_steps)

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Start from another run's weights (`init_from`), all of which must fit; other parameters stay as they are.

        A method that takes some of them passes that subset to `super().initialise`.
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
        self.load_state_dict(state, strict=False)  # strict in the direction that matters, by the check above
        self.initialised = True

    def generated(self, n: int) -> Tensor:
        """`generate` of n noises: the `sample` of a method that has `generate`. Eval mode: no statistics change."""
        model = cast(Any, self)
        if not hasattr(model, "noise_dim"):
            raise UserError(f"{type(self).__name__} has generate(noise) but no noise_dim: set it in __init__")
        noise = torch.randn(n, model.noise_dim, device=self.device)
        with frozen(self, full_precision=False):
            images: Tensor = model.generate(noise)
        return images
