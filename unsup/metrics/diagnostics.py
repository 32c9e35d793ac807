"""Properties of codes that need no labels."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

RANK_IMAGES = 25_600  # for what a covariance matrix tells: as many as the RankMe paper uses
SILHOUETTE_IMAGES = 5_000  # the cost grows with the square
AT_A_TIME = 50_000  # images
WIDE = 1024  # codes with more dimensions are compressed for what would take minutes on them
COMPRESSED = 256
ACTIVE = 0.01  # nats of mean KL above which a latent dimension is said to be used


@threadpool_limits.wrap(limits=1)
def principal_components(train: NDArray[np.float32]) -> PCA:
    """Fit at most 256 components on at most 25,600 training codes (n, D)."""
    some = train[subsample(len(train), RANK_IMAGES)]
    with np.errstate(invalid="ignore"):  # shares of a variance of 0
        return PCA(min(COMPRESSED, *some.shape), svd_solver="randomized", random_state=0).fit(some)


@threadpool_limits.wrap(limits=1)
def rankme(codes: NDArray[np.float32]) -> float:
    """Return the effective rank of codes (n, D), between 1 and D, or 0 if all are 0.

    It is exp of the entropy of the normalised singular values: Garrido et al. 2023, "RankMe", section 3; not centred,
    on at most 25,600 images as there.
    """
    z = codes[subsample(len(codes), RANK_IMAGES)].astype(np.float64)
    singular = np.sqrt(np.linalg.eigvalsh(z.T @ z).clip(min=0))
    if not singular.any():
        return 0.0
    p = singular[singular > 0] / singular.sum()
    return float(np.exp(-(p * np.log(p)).sum()))


def deviations(codes: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the standard deviation of each entry of codes (n, D), n above 0.

    A part of the images at a time is in double precision, as there may be millions.
    """
    mean = codes.mean(axis=0, dtype=np.float64)
    squares = sum(np.square(part - mean).sum(axis=0) for part in np.array_split(codes, len(codes) // AT_A_TIME + 1))
    return np.asarray(np.sqrt(squares / len(codes)))


def dead_units(codes: NDArray[np.float32]) -> int:
    """Count code entries whose deviation is at most 1e-4 of the largest entry's."""
    spread = deviations(codes)
    return int((spread <= 1e-4 * spread.max()).sum())


@threadpool_limits.wrap(limits=1)
def silhouette(codes: NDArray[np.float32], clusters: NDArray[np.int64]) -> float | None:
    """Return the mean silhouette in [-1, 1] of a fixed sample of 5,000 images.

    None if the sample has a single cluster.
    """
    chosen = subsample(len(codes), SILHOUETTE_IMAGES)
    count = len(np.unique(clusters[chosen]))
    if not 2 <= count < len(chosen):
        return None
    return float(silhouette_score(codes[chosen], clusters[chosen]))


@threadpool_limits.wrap(limits=1)
def uniformity(codes: NDArray[np.float32]) -> float:
    """Return the log of the mean over pairs of exp(-2 d²), lower if more even.

    d is the distance of unit-length codes (n, D), n above 1: Wang & Isola 2020, "Understanding contrastive
    representation learning through alignment and uniformity", section 4.1, t = 2; on a fixed sample of 5,000 images.
    About -4 if codes are spread evenly over a sphere of many dimensions, 0 if all of them have one direction.
    """
    z = normalize(codes[subsample(len(codes), SILHOUETTE_IMAGES)].astype(np.float64))
    similar = np.exp(-2 * euclidean_distances(z, squared=True))
    pairs = len(z) * (len(z) - 1)
    return float(np.log((similar.sum() - np.trace(similar)) / pairs))


def likelihood_scores(nats: dict[str, NDArray[np.float32]], samples: int, dimensions: int) -> dict[str, float | int]:
    """Return means over n images of "elbo" (n,), "kl" (n, D), "log_likelihood" (n,).

    All are in nats, and absent if absent in `nats`. "kl" is summed over dimensions; "active_units" are those with a
    mean KL above 0.01 nats. "log_likelihood" is the bound of Burda et al. 2016, "Importance weighted autoencoders",
    from `samples` draws per image: it rises with them. If it is also the "log_density" of dequantised pixels, there is
    "bits_per_dimension", for images of so many dimensions.
    """
    scores: dict[str, float | int] = {}
    if "elbo" in nats:
        kl = nats["kl"].mean(axis=0, dtype=np.float64)
        scores["elbo"] = float(nats["elbo"].mean(dtype=np.float64))
        scores |= {"kl": float(kl.sum()), "active_units": int((kl > ACTIVE).sum())}
    if "log_likelihood" in nats:
        scores |= {"log_likelihood": float(nats["log_likelihood"].mean(dtype=np.float64)), "samples": samples}
    if "log_density" in nats:
        scores["bits_per_dimension"] = bits_per_dimension(nats["log_density"], dimensions)
    return scores


def bits_per_dimension(log_density: NDArray[np.float32], dimensions: int) -> float:
    """Return the mean bits per dimension of log densities (n,) in nats.

    The densities are of pixels in [0, 1], the bits of grey levels 0..255, each an interval of 1/256:
    8 - log2 p / dimensions. For dequantised pixels they bound those of the grey levels from above (Theis et al. 2016,
    "A note on the evaluation of generative models", section 3.1).
    """
    return float(8 - log_density.mean(dtype=np.float64) / (dimensions * np.log(2)))


def subsample(n: int, size: int) -> NDArray[np.int64]:
    """Return the same sorted positions of at most `size` of n images every time."""
    if n <= size:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, size, replace=False))
