"""The time that an evaluation is going to take."""

from unsup.evaluation.measures import Extent

SHARES: dict[Extent, float] = {"full": 1.0, "baseline": 0.7, "quick": 0.3}


FEW_DIMENSIONS = 1_024  # of what clusterings and diagnostics see: wider codes are reduced to fewer


def scoring_seconds(images: int, dim: int, classes: int, extent: Extent) -> float:
    """Return about how many CPU-seconds the scores of codes take.

    It is right within a factor of two for what was measured on shared cores of 2026: MNIST, and Gaussian classes as in
    docs/performance/scale.md. The last term is the linear probe of all images, which no extent leaves out; on
    CIFAR-10, whose classes are harder to separate, it took up to five times as long (1,536 to 6,664 dimensions).

    Args:
        images: in all splits.
        dim: of the codes.
        classes: their number, 0 without labels.
        extent: as in `judge_arrays`.
    """
    spread = 0.04 * min(dim, FEW_DIMENSIONS) * (images / 13_000) ** 0.5
    return SHARES[extent] * (8 + 0.0003 * images + 0.18 * classes + spread) + 2e-8 * images * dim * classes
