"""Labels that spread from a few codes over the graph of all nearest neighbours."""

import warnings

import numpy as np
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import normalize
from sklearn.semi_supervised import LabelSpreading
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.metrics.logistic import Doubles

NEIGHBOURS = 10
ALPHA = 0.9  # share of a label that comes from neighbours; .2, .9 and .99 were tried on training images of MNIST
STEPS = 1_000  # about 100 suffice
PRIOR = 1e-6  # weight of how frequent the labels are, which decides where none arrives


@threadpool_limits.wrap(limits=1)
def propagated(codes: Floats, rows: Ids, labels: Ids, folds: Ids) -> tuple[Doubles, Doubles]:
    """Return log probabilities of all codes, and held-out ones of the labelled codes.

    Labels spread over the graph in which two codes are joined if one is among the 10 nearest of the other, by the
    cosine. What a code gets is a sum over the labels, so that one run tells what it gets without those of a fold. Each
    label counts by the share of its images, as chosen images say nothing about how frequent it is. Memory is that of n
    times the number of pairs of a fold and a class.

    Source: D. Zhou et al., Learning with Local and Global Consistency, NIPS 2003.

    Args:
        codes: (n, D) of all images, centred.
        rows: (m,) of those with a label.
        labels: (m,) 0 to K - 1.
        folds: (m,) the fold that each of them is held out in.

    Returns:
        (n, K), and (m, K) without the labels of the fold of the row, -inf for labels that only the fold has.
    """
    graph = kneighbors_graph(normalize(codes), min(NEIGHBOURS, len(codes) - 1))
    graph = graph.maximum(graph.T)
    (source_folds, source_labels), sources = np.unique([folds, labels], axis=1, return_inverse=True)
    given = np.full(len(codes), -1)  # unknown
    given[rows] = sources
    spreading = LabelSpreading(kernel=lambda *_: graph, alpha=ALPHA, max_iter=STEPS)
    with warnings.catch_warnings():  # there are many sources if most of the images are labelled
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        spreading.fit(codes, given)
    amounts, counts = spreading.label_distributions_, np.bincount(sources)  # (n, sources): how much of each arrives
    one_hot = np.eye(labels.max() + 1)[source_labels]
    held_out = np.empty((len(rows), labels.max() + 1))
    for fold in np.unique(folds):
        others, at = source_folds != fold, folds == fold
        held_out[at] = _logs(amounts[rows[at]][:, others], one_hot[others], counts[others])
    return _logs(amounts, one_hot, counts), held_out


def _logs(amounts: Doubles, one_hot: Doubles, counts: Ids) -> Doubles:
    """Return log probabilities (n, K) from what arrives of each source (n, S)."""
    shares = amounts @ one_hot / np.maximum(counts @ one_hot, 1)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    shares += PRIOR * (counts @ one_hot) / counts.sum()
    with np.errstate(divide="ignore"):
        logs: Doubles = np.log(shares / shares.sum(axis=1, keepdims=True))
    return logs
