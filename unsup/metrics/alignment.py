"""How unlike two pictures are after one is laid over the other.

The residual is what a shift, a crop to about 90 %, another brightness and another contrast do not explain.
"""

import numpy as np

from unsup.core.area_averages import area_averages
from unsup.core.arrays import Floats

STARTS = (0.0, -0.1, 0.1)  # log scales from which the alignment is searched, at half the resolution
COARSE_STEPS, FINE_STEPS = 6, 4  # of Gauss and Newton
HOPELESS = 0.5  # residuals at half the resolution above which that is left out
LIMITS = np.array([0.2, 0.3] * 2, np.float32)  # of log scale and shift (the side is 2), of rows and of columns
LONGEST_STEP = 0.1
OVERLAP = 0.6  # share of the picture that is compared at least
PAIRS = 256  # at a time
LEAST_SIDE = 8  # of pictures at half the resolution
FLAT = 1e-5  # variance of pixels in [0, 1] below which nothing can be compared


def residuals(first: Floats, second: Floats) -> Floats:
    """Return the share of a picture's variance that its aligned partner leaves.

    The partners are aligned by their grey values and compared in all channels, with one brightness and one contrast.

    Args:
        first: (n, C, S, S) pictures, in [0, 1].
        second: their partners.

    Returns:
        (n,) in [0, 1]; 1 also for pictures of a single colour.
    """
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(first), PAIRS):
        parts.append(_residuals(first[start : start + PAIRS], second[start : start + PAIRS]))
    return np.concatenate(parts)


def _residuals(a: Floats, b: Floats) -> Floats:
    small_a, small_b = (resized(z.mean(axis=1, keepdims=True), max(LEAST_SIDE, z.shape[-1] // 2)) for z in (a, b))
    starts = [np.tile(np.array([scale, 0] * 2, np.float32), (len(a), 1)) for scale in STARTS]
    results = [_aligned(small_a, small_b, at, COARSE_STEPS) for at in starts]
    best = np.argmin([residual for residual, _ in results], axis=0), np.arange(len(a))
    residual, at = (np.stack(values)[best] for values in zip(*results, strict=True))
    near = np.flatnonzero(residual < HOPELESS)
    if not len(near):
        return residual
    a, b, at = a[near], b[near], at[near]
    _, at = _aligned(a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True), at, FINE_STEPS)
    residual[near] = _unexplained(a, *_warped(b, at))
    return residual


def resized(pictures: Floats, side: int) -> Floats:
    """Return area averages (n, C, side, side) of pictures, never enlarged."""
    rows, columns = (area_averages(n, min(n, side)) for n in pictures.shape[2:])
    return np.asarray(rows @ pictures @ columns.T, np.float32)


def _aligned(a: Floats, b: Floats, at: Floats, steps: int) -> tuple[Floats, Floats]:
    """Return the least residuals (n,) on a way that begins at (n, 4).

    They are grey. The second result is where they lie best.
    """
    n, side = len(a), a.shape[-1]
    grid = np.linspace(-1, 1, side, dtype=np.float32)
    best, best_at = np.full(n, np.inf, np.float32), at
    for step in range(steps + 1):
        warped, weight = _warped(b, at)
        residual = _unexplained(a, warped, weight)
        better = residual < best
        best, best_at = np.where(better, residual, best), np.where(better[:, None], at, best_at)
        if step == steps:
            break
        # a is nearly gain * warped + bias + gradients * (change of position)
        warped = warped[:, 0]
        down, right = (d * np.float32((side - 1) / 2) for d in np.gradient(warped, axis=(1, 2)))
        terms = [warped, np.ones_like(warped), down * grid[:, None], down, right * grid, right]
        design = np.stack(terms, axis=1).reshape(n, len(terms), -1)
        weighted = design * weight.reshape(n, 1, -1)
        products = weighted @ design.transpose(0, 2, 1)
        ridge = 1e-4 * np.einsum("nii->n", products)[:, None, None] / len(terms) * np.eye(len(terms), dtype=np.float32)
        fit = np.linalg.solve(products + ridge, weighted @ a.reshape(n, -1, 1))[..., 0]
        gain = np.maximum(fit[:, :1], LONGEST_STEP)
        at = np.clip(at + np.clip(fit[:, 2:] / gain, -LONGEST_STEP, LONGEST_STEP), -LIMITS, LIMITS)
    return best, best_at


def _unexplained(a: Floats, warped: Floats, weight: Floats) -> Floats:
    """Return the share of the variance inside the overlap that gain and bias leave."""
    w = weight / weight.sum(axis=(2, 3), keepdims=True) / a.shape[1]
    a, warped = (z - (w * z).sum(axis=(1, 2, 3), keepdims=True) for z in (a, warped))
    of_a, of_warped, joint = ((w * z).sum(axis=(1, 2, 3)) for z in (a * a, warped * warped, a * warped))
    usable = (of_a > FLAT) & (of_warped > FLAT) & (weight.mean(axis=(1, 2, 3)) >= OVERLAP)
    explained = np.maximum(joint, 0) ** 2 / np.maximum(of_a * of_warped, FLAT**2)
    return np.where(usable, 1 - explained.clip(0, 1), 1).astype(np.float32)


def _warped(b: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Return partners (n, C, S, S) scaled and shifted, and weights (n, 1, S, S).

    A weight is 1 inside the partner and 0 outside.
    """
    rows, rows_inside = _interpolation(at[:, :2], b.shape[-1])
    columns, columns_inside = _interpolation(at[:, 2:], b.shape[-1])
    inside = rows_inside[:, None, :, None] * columns_inside[:, None, None, :]
    return np.asarray(rows[:, None] @ b @ columns[:, None].transpose(0, 1, 3, 2), np.float32), inside


def _interpolation(at: Floats, side: int) -> tuple[Floats, Floats]:
    """Return matrices (n, S, S) of linear interpolation, and weights of places (n, S)."""
    grid, pixels = np.linspace(-1, 1, side, dtype=np.float32), np.arange(side, dtype=np.float32)
    place = (np.exp(at[:, :1]) * grid + at[:, 1:] + 1) * np.float32((side - 1) / 2)
    inside = ((place >= -0.5) & (place <= side - 0.5)).astype(np.float32)
    return np.maximum(np.float32(0), 1 - np.abs(place.clip(0, side - 1)[:, :, None] - pixels)), inside
