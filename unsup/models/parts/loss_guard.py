"""Stop a run at the first loss that is not finite, before its weights are lost."""

import math

import torch
from torch import Tensor

from unsup.core.errors import UserError

LISTED = 5  # images of a batch in a message


class LossGuard:
    """Checks the loss of every step.

    On the CPU a bad loss stops the run before the optimizer uses it. On an accelerator, which would have to be waited
    for in every step, the number of the first bad step is stored, and `check` reads it.

    Args:
        lr: the run's learning rate, for the message.
    """

    def __init__(self, lr: float) -> None:
        self.lr = lr
        self._bad: Tensor | None = None  # on the accelerator: the first bad step, or -1

    def observe(self, loss: Tensor, step: int, images: Tensor | None = None) -> None:
        """Check the loss of a step on these training images, positions (n,).

        Raises:
            UserError: the loss is on the CPU and not finite.
        """
        if loss.device.type == "cpu":
            if not math.isfinite(loss.item()):
                raise self._error(str(loss.item()), step, images)
            return
        if self._bad is None:
            self._bad = torch.full((), -1, device=loss.device)
        self._bad = torch.where(loss.isfinite() | (self._bad >= 0), self._bad, step)

    def check(self) -> None:
        """Read the first bad step from the accelerator, which waits for it.

        Raises:
            UserError: a loss was not finite.
        """
        if self._bad is not None and (step := int(self._bad.item())) >= 0:
            raise self._error("no longer finite", step, None)

    def _error(self, value: str, step: int, images: Tensor | None) -> UserError:
        where = ""
        if images is not None:
            few = ", ".join(map(str, images[:LISTED].tolist()))
            where = f" on the training images {few}{', …' if len(images) > LISTED else ''} ({len(images)} in the batch)"
        return UserError(f"the loss is {value} at step {step}{where}: lower model.lr (now {self.lr:g})")
