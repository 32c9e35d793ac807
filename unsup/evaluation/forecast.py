"""The time that an evaluation is going to take."""

from unsup.evaluation.measures import Extent

SHARES: dict[Extent, float] = {"full": 1.0, "baseline": 0.7, "quick": 0.3}


def scoring_seconds(images: int, dim: int, extent: Extent) -> float:
    """Return about how many CPU-seconds the scores of labelled codes take.

    Fitted to MNIST on shared cores of 2026, where it is right within a factor of two: 9 s for 2,150 images of 16
    dimensions, 21 s and 86 s for 13,000 of 16 and 784, 44 s for 70,000 of 16.
    """
    return SHARES[extent] * (8 + 0.0004 * images + 0.07 * dim * (images / 13_000) ** 0.5)
