"""Compare the evaluator's linear probe and k-means with plain scikit-learn.

Sizes are n images and d dimensions. The probe chooses C on validation images, fits to convergence and scores with a
bootstrap interval; scikit-learn fits one LogisticRegression at the chosen C to convergence. k-means has ten restarts on
both sides.
"""

from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits
from timing import alternating, ratios, shown, table, typical

from unsup.data.mnist import MNIST
from unsup.metrics.clustering import kmeans
from unsup.metrics.probes import Splits, linear_probe

SIZES = ((5_000, 32), (15_000, 32), (50_000, 32), (5_000, 256), (15_000, 256))
QUICK = ((3_000, 32),)


def measure(options: Any) -> list[dict[str, Any]]:
    images, labels = MNIST(options.data_root).load(train=True)
    x = images.reshape(len(images), -1).astype(np.float32) / 255
    return [of_size(x, labels, n, d, 1 if options.quick else options.pairs) for n, d in QUICK if options.quick] or [
        of_size(x, labels, n, d, options.pairs) for n, d in SIZES
    ]


def of_size(x: Any, labels: Any, n: int, d: int, rounds: int) -> dict[str, Any]:
    """Measure n training images, 5,000 validation and 5,000 test images; codes are PCA's."""
    pca = PCA(d, svd_solver="randomized", random_state=0).fit(x[:5_000])
    codes = pca.transform(x[: n + 10_000]).astype(np.float32)
    codes = (codes - codes.mean(0)) / codes.std(0)
    at = np.split(np.arange(n + 10_000), (n, n + 5_000))
    splits = Splits.of([codes[i] for i in at], [labels[i] for i in at])
    c = linear_probe(splits).C
    seconds = alternating(
        {
            "probe": lambda: linear_probe(splits),
            "logistic": lambda: LogisticRegression(C=c, max_iter=10_000).fit(splits.train_val, splits.train_val_labels),
            "kmeans": lambda: kmeans(splits.train, splits.test, 10),
            "KMeans": threadpool_limits.wrap(limits=1)(lambda: KMeans(10, n_init=10, random_state=0).fit(splits.train)),
        },
        rounds,
    )
    print(f"evaluation of {n:,} codes of {d} dimensions: done", flush=True)
    return {
        "n": n,
        "d": d,
        "seconds": {name: typical(found) for name, found in seconds.items()},
        "probe / LogisticRegression": ratios(seconds["probe"], seconds["logistic"]),
        "k-means / KMeans": ratios(seconds["kmeans"], seconds["KMeans"]),
    }


def told(found: list[dict[str, Any]]) -> str:
    rows = [
        [
            f"{row['n']:,} x {row['d']}",
            *(f"{row['seconds'][name]['cpu']:.2f}" for name in ("probe", "logistic")),
            shown(row["probe / LogisticRegression"]["cpu"]),
            *(f"{row['seconds'][name]['cpu']:.2f}" for name in ("kmeans", "KMeans")),
            shown(row["k-means / KMeans"]["cpu"]),
        ]
        for row in found
    ]
    return table(
        ["n x d, processor s", "probe", "LogisticRegression", "ratio", "k-means", "KMeans", "ratio"],
        rows,
    )
