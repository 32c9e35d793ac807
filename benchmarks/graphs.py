"""Choose the graphs that `selflabel` joins, without a label.

python benchmarks/graphs.py RUN [RUN ...]

For runs of simclr. Every sum of the graphs of neighbours in codes, in projections and in pixels is cut into as many
clusters as there are classes. For each it prints the modularity (Newman & Girvan 2004) of the clusters in each of the
three graphs, which needs no label, the mean by which the best sum is chosen, and then the matched accuracy of the
clusters on the training images.
"""

import sys
from itertools import chain, combinations
from pathlib import Path

import unsup  # noqa: F401  (before PyTorch: it sets how threads wait)

# isort: split
import numpy as np
import torch
from scipy.sparse import csr_matrix

from unsup.core.arrays import Ids
from unsup.metrics.clustering import matched_accuracy
from unsup.models.parts.spectral import neighbour_graph, spectral_clusters
from unsup.models.selflabel import principal
from unsup.runs.run import Run

NEIGHBOURS = 10


@torch.no_grad()
def graphs_of(run: Run) -> tuple[dict[str, csr_matrix], Ids, int]:
    """Return the graphs by name, and labels (N,) and number of the classes."""
    model, data = run.model(), run.data()
    images = list(data.batches("train", torch.device("cpu")))
    codes = torch.cat([model.backbone(x) for x in images]).float()  # type: ignore[operator]
    pixels = principal(torch.cat([x.flatten(1) for x in images]))
    spaces = {"codes": codes, "projections": model.projector(codes), "pixels": pixels}  # type: ignore[operator]
    labels = data.labels("train")
    assert labels is not None
    return {name: neighbour_graph(x, NEIGHBOURS) for name, x in spaces.items()}, labels, len(data.class_names)


def modularity(graph: csr_matrix, clusters: Ids) -> float:
    """Return the share of edges inside clusters, less that of random edges."""
    members = np.eye(clusters.max() + 1)[clusters]
    degrees = np.asarray(graph.sum(axis=1)).ravel()
    inside = (members * (graph @ members)).sum() / degrees.sum()
    return float(inside - np.square(degrees @ members / degrees.sum()).sum())


def main() -> None:
    for name in sys.argv[1:]:
        graphs, labels, classes = graphs_of(Run(Path(name)))
        print(name)
        for joined in chain.from_iterable(combinations(graphs, count) for count in range(1, len(graphs) + 1)):
            clusters = spectral_clusters(sum(graphs[one] for one in joined), classes)
            each = [modularity(graph, clusters) for graph in graphs.values()]
            figures = " ".join(f"{value:.4f}" for value in each)
            accuracy = matched_accuracy(labels, clusters)
            print(f"{' + '.join(joined):30} {figures}  mean {np.mean(each):.4f}  accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
