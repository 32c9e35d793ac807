"""What a frozen encoder says about images, as plain arrays: all that the scores are computed from."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from unsup.core.arrays import Floats, Ids
from unsup.core.errors import UserError

SPLITS: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Encoded:
    """What a model says about the n images of a split, in the split's order."""

    codes: Floats  # (n, D)
    layers: dict[str, Floats] = field(default_factory=dict)  # (n, d) each
    squared_error: Floats | None = None  # (n,) summed over an image's values; None: the model does not reconstruct
    likelihood: dict[str, Floats] = field(default_factory=dict)  # in nats: "elbo" (n,), "kl" (n, D), "log_likelihood"
    between_views: Floats | None = None  # (n,) see `between_views`; None: the model has no `views`
    clusters: Ids | None = None  # (n,) see `assigned`; None: the model has no `assign`


def finite(values: Floats, what: str, split: str, remedy: str) -> Floats:
    """The values (n, ...) as they are, all of them finite.

    Raises:
        UserError: some are not; the message says what is, how many and the first of them, then the remedy.
    """
    broken = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if len(broken):
        share = f"{len(broken)} of {len(values)} {split} images (the first: {broken[0]})"
        raise UserError(f"{what} are not finite for {share}: {remedy}")
    return values
