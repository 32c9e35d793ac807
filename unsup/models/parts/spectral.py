"""Spectral clustering of a graph of neighbours."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import eigsh
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits
from torch import Tensor

COSINE_ROWS = 1000  # rows of the matrix of cosines in memory at a time
CHANCE_WEIGHT = 0.01  # weight of one random edge for each node: unconnected parts would share an eigenvalue


def neighbour_graph(codes: Tensor, neighbours: int) -> csr_matrix:
    """Return a symmetric graph (N, N) of codes (N, D).

    An edge weighs 1 if one of two codes is among the nearest of the other by cosine, and 2 if both are.
    """
    n = len(codes)
    near = nearest_by_cosine(codes, neighbours).cpu().numpy()
    one_way = csr_matrix((np.ones(near.size), near.ravel(), np.arange(0, near.size + 1, neighbours)), shape=(n, n))
    return one_way + one_way.T


@threadpool_limits.wrap(limits=1)  # the sums of k-means must not depend on the order in which threads finish
def spectral_clusters(graph: csr_matrix, k: int) -> NDArray[np.int64]:
    """Return the cluster (N,), 0 to k - 1, of each node of a graph (N, N).

    Ng, Jordan & Weiss 2002, "On spectral clustering: analysis and an algorithm": k-means of the rows, scaled to length
    1, of the k leading eigenvectors of the normalised adjacency matrix. scikit-learn's SpectralClustering factorises
    that matrix, which is too expensive for tens of thousands of nodes. Equal graphs give equal clusters.
    """
    n, rng = graph.shape[0], np.random.default_rng(0)
    by_chance = csr_matrix((np.full(n, CHANCE_WEIGHT), rng.permutation(n), np.arange(n + 1)), shape=(n, n))
    joined = graph + by_chance + by_chance.T
    scale = diags(1 / np.sqrt(np.asarray(joined.sum(axis=1)).ravel()))
    _, vectors = eigsh(scale @ joined @ scale, k=k, which="LA", v0=rng.standard_normal(n), tol=1e-4)
    return KMeans(k, n_init=10, random_state=0).fit(normalize(vectors)).labels_.astype(np.int64)


def nearest_by_cosine(codes: Tensor, neighbours: int) -> Tensor:
    """Return indices (N, neighbours) of the highest cosines, best first."""
    unit = F.normalize(codes.float(), dim=1)
    indices = []
    for start in range(0, len(unit), COSINE_ROWS):
        cosines = unit[start : start + COSINE_ROWS] @ unit.T
        cosines.diagonal(start).fill_(-2.0)  # exclude each code itself
        indices.append(cosines.topk(neighbours, dim=1).indices)
    return torch.cat(indices)
