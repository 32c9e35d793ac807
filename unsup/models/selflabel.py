"""Self-labelling, which learns clusters of another run's codes as classes."""

from collections.abc import Callable, Iterable
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from unsup.core.errors import UserError
from unsup.core.ranges import AtLeast, Between
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import build_backbone
from unsup.models.parts.layers import mlp
from unsup.models.parts.spectral import neighbour_graph, spectral_clusters

UNCHANGED = 0.5  # fraction of a batch that is not augmented: with views alone, whole styles change their cluster


class SelfLabel(Model):
    """L = cross-entropy of images and views against the labels of a teacher.

    `fit` cuts a graph of neighbours into clusters, on which a logistic regression becomes the head
    (`unsup.models.parts.spectral`). Self-labelling follows, as in Van Gansbeke et al. 2020, "SCAN: learning to classify
    images without labels", section 2.3: only images of which the teacher is sure count. The teacher is the moving
    average of the network, as in Tarvainen & Valpola 2017, "Mean teachers are better role models", section 2.

    The graph joins neighbours in the codes of a contrastive run, in their projections and in pixels. None of the three
    is enough (MNIST, matched accuracy .82, .97 and .68; together .985): codes forget what their views change, and so
    separate sevens with and without a bar, which are neighbours in pixels.

    `backbone`, `width` and `projection` are those of the run that this one starts from.

    Args:
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder; codes have 4 ("conv") or 8 ("resnet18", "patches") times as many entries.
        projection: width of the projector's output.
        num_clusters: number of clusters.
        neighbours: neighbours of an image in each graph.
        pixels: weight of an edge between neighbours in pixels; those in codes and in projections have weight 1.
        confidence: smallest probability of an image's cluster for the image to count.
        smoothing: label smoothing (Szegedy et al. 2016, section 7).
        ema: decay of the moving average.
    """

    bibtex = """@misc{vangansbeke2020scan,
  title = {{SCAN: learning to classify images without labels}},
  author = {{Van Gansbeke} and others}, year = {2020}
}"""
    needs_init = True
    views_per_image = 1

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        projection: Annotated[int, AtLeast(1)] = 128,
        num_clusters: Annotated[int, AtLeast(2)] = 10,
        neighbours: Annotated[int, AtLeast(1)] = 10,
        pixels: Annotated[float, AtLeast(0)] = 1.0,
        confidence: Annotated[float, Between(0, below=1)] = 0.7,
        smoothing: Annotated[float, Between(0, below=1)] = 0.1,
        ema: Annotated[float, Between(0, below=1)] = 0.998,
        weight_decay: float = 1e-2,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(shape, lr)
        self.augmentation, self.weight_decay, self.num_clusters = augmentation, weight_decay, num_clusters
        self.neighbours, self.pixels, self.confidence, self.smoothing = neighbours, pixels, confidence, smoothing
        self.backbone, features = build_backbone(backbone, shape, width, augmentation)
        self.projector = mlp((features, features, projection), batch_norm=True).requires_grad_(False)
        self.head = nn.Linear(features, num_clusters)
        average = get_ema_multi_avg_fn(ema)
        self.teacher = AveragedModel(self.student(), multi_avg_fn=average, use_buffers=True).requires_grad_(False)

    def student(self) -> nn.Module:
        """Return the network that the teacher is the average of."""
        return nn.Sequential(self.backbone, self.head)

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Start from a contrastive run. UserError where it has other weights."""
        if not all(name.startswith(("backbone.", "projector.")) for name in state):
            raise UserError("init_from: selflabel starts from a backbone with a projector, such as a run of simclr")
        super().initialise(state)

    @torch.no_grad()
    def fit(self, images: Callable[[], Iterable[Tensor]]) -> None:
        """Cluster all images for the head. UserError where there are too few."""
        self.eval()
        codes = torch.cat([self.backbone(x) for x in images()]).float()
        if len(codes) <= self.num_clusters:  # the graph has fewer eigenvectors than that
            raise UserError(f"{len(codes)} images are too few for {self.num_clusters}: lower model.num_clusters")
        count = min(self.neighbours, len(codes) - 1)
        graph = neighbour_graph(codes, count) + neighbour_graph(self.projector(codes), count)
        if self.pixels:
            graph = graph + self.pixels * neighbour_graph(principal(torch.cat([x.flatten(1) for x in images()])), count)
        clusters = torch.from_numpy(spectral_clusters(graph, self.num_clusters)).to(codes.device)
        self._separate(codes, clusters)
        self.train()

    def _separate(self, codes: Tensor, clusters: Tensor) -> None:
        """Make the head a logistic regression of the clusters (N,) on the codes (N, D).

        Its logits are scaled to fit smoothed labels: far larger ones destroy the structure of the codes in a few steps
        (MNIST: matched accuracy .982 -> .951 in an epoch, against .982 -> .985).
        """
        mean, std = codes.mean(0), codes.std(0) + 1e-6
        probe = LogisticRegression(max_iter=1000).fit(((codes - mean) / std).cpu().numpy(), clusters.cpu().numpy())
        weight, bias = probe.coef_, probe.intercept_
        if len(weight) == 1:  # for two clusters it has the logit of the second one only
            weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
        scaled = torch.from_numpy(weight.astype(np.float32)).to(codes.device) / std
        self.head.weight.copy_(scaled)
        self.head.bias.copy_(torch.from_numpy(bias.astype(np.float32)).to(codes.device) - scaled @ mean)
        logits = self.head(codes)
        temperatures = [2.0**i for i in range(10)]
        costs = [F.cross_entropy(logits / t, clusters, label_smoothing=self.smoothing).item() for t in temperatures]
        for values in self.head.parameters():
            values.div_(temperatures[int(np.argmin(costs))])

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        student = self.student()
        if self.training:
            self.teacher.update_parameters(student)  # the first time it copies them
        self.teacher.eval()
        with torch.no_grad():
            probability, cluster = self.teacher(x).float().softmax(dim=1).max(dim=1)
        sure = (probability >= self.confidence).float()
        view = augment(x, self.augmentation, mild=True)
        view = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < UNCHANGED, x, view)
        logits = student(view).float()
        costs = F.cross_entropy(logits, cluster, label_smoothing=self.smoothing, reduction="none")
        return {"loss": (costs * sure).sum() / sure.sum().clamp(min=1), "sure": sure.mean()}

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return augment(x, self.augmentation, mild=True), augment(x, self.augmentation, mild=True)

    def encode(self, x: Tensor) -> Tensor:
        return self.backbone(x)

    def assign(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x)).argmax(dim=1)


def principal(x: Tensor, components: int = 50) -> Tensor:
    """Return the first principal components (N, 50) of rows (N, D) scaled to length 1."""
    unit = F.normalize(x, dim=1)
    centred = unit - unit.mean(0)
    _, _, axes = torch.pca_lowrank(centred, min(components, *centred.shape), center=False, niter=4)
    return centred @ axes
