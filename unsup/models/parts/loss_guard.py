"""The watch over a training loss: a run stops where it is no longer finite, before its weights are lost."""

import math

import torch
from torch import Tensor

from unsup.core.errors import UserError

LISTED = 5  # images of a batch that a message names


class LossGuard:
    """Sees every step's loss. On the CPU a bad one stops the run at once, before the optimizer takes it.

    On an accelerator that would mean to wait for the device in every step: there the first bad step is kept on the
    device, and read by `check`.

    Args:
        lr: the run's learning rate, for the message.
    """

    def __init__(self, lr: float) -> None:
        self.lr = lr
        self._bad: Tensor | None = None  # on the accelerator: the first bad step, -1 as long as there is none

    def observe(self, loss: Tensor, step: int, images: Tensor | None = None) -> None:
        """The loss of a training step on these images (n,), positions in the training split.

        Raises:
            UserError: it is not finite.
        """
        if loss.device.type == "cpu":
            if not math.isfinite(loss.item()):
                raise self._error(str(loss.item()), step, images)
            return
        if self._bad is None:
            self._bad = torch.full((), -1, device=loss.device)
        self._bad = torch.where(loss.isfinite() | (self._bad >= 0), self._bad, step)

    def check(self) -> None:
        """Waits for the accelerator. Raises UserError: a loss since the start was not finite."""
        if self._bad is not None and (step := int(self._bad.item())) >= 0:
            raise self._error("no longer finite", step, None)

    def _error(self, value: str, step: int, images: Tensor | None) -> UserError:
        at = ""
        if images is not None:
            few = ", ".join(map(str, images[:LISTED].tolist()))
            at = f" on the training images {few}{', …' if len(images) > LISTED else ''} ({len(images)} in the batch)"
        return UserError(f"the loss is {value} at step {step}{at}: lower model.lr (now {self.lr:g})")
