"""Outputs of a frozen encoder as plain arrays, from which all scores are computed."""

from dataclasses import dataclass, field

import numpy as np

from unsup.core.arrays import LARGEST, SMALLEST, Floats, Ids
from unsup.core.errors import UserError
from unsup.core.words import counted


@dataclass(frozen=True)
class Encoded:
    """Outputs of a model for the n images of a split, None if it has no such method."""

    codes: Floats  # (n, D)
    layers: dict[str, Floats] = field(default_factory=dict)  # (n, d) each
    squared_error: Floats | None = None  # (n,) of the reconstruction, summed over an image's values
    likelihood: dict[str, Floats] = field(default_factory=dict)  # see `optional_outputs`
    view_distances: Floats | None = None  # (n,) see `optional_outputs.view_distances`
    clusters: Ids | None = None  # (n,) the model's own


def finite(values: Floats, what: str, split: str, remedy: str) -> Floats:
    """Return the values (n, ...) if all of them are finite and not too large.

    Values that are all below SMALLEST become 0.

    Raises:
        UserError: some are not; the message names them, how many they are and the first of them, then the remedy.
    """
    largest = max(-values.min(initial=0), values.max(initial=0))  # NaN if one is
    if largest <= LARGEST:
        return values if largest >= SMALLEST else np.zeros_like(values)
    limit, problem = LARGEST, f"beyond {LARGEST:g}"
    if not largest <= np.finfo(np.float32).max:
        limit, problem = float(np.finfo(np.float32).max), "not finite"
    broken = np.flatnonzero(~(np.abs(values.reshape(len(values), -1)) <= limit).all(axis=1))
    share = f"{len(broken):,} of {counted(len(values), f'{split} image')} (the first: image {broken[0]})"
    raise UserError(f"{what} are {problem} for {share}: {remedy}")
