"""Deep embedded clustering, which learns codes and cluster centres together."""

from collections.abc import Callable, Iterator
from typing import Annotated, cast

import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from unsup.core.errors import UserError
from unsup.core.ranges import AtLeast
from unsup.models.base import Batch, Model
from unsup.models.parts.layers import mlp

KMEANS_RESTARTS = 20  # of k-means (Xie et al., section 4.3)


class DEC(Model):
    """L = KL(P || Q) + reconstruction_weight · ||x - g(f(x))||² / pixels.

    Xie, Girshick & Farhadi 2016, "Unsupervised deep embedding for clustering analysis", section 3. Q are the shares of
    each code z = f(x) in the clusters, by Student's t around centres μ (equation 1), P are the sharpened shares
    (equation 3), constant while f and μ learn. Guo et al. 2017, "Improved deep embedded clustering with local structure
    preservation" (IDEC), keep the decoder g and add its error. Their L_r + 0.1 L_c, in their code a mean over pixels,
    is `reconstruction_weight` 10 here, as Adam ignores the scale of a loss.

    The centres start from k-means of the codes. P is computed from all training images at the start of each epoch (in
    the papers every 140 steps of 256 images on MNIST). `clusters/changed` is the fraction of images whose cluster
    changed in an epoch; both papers stop below .001. The optimizer is Adam as in IDEC, annealed (`Model`); DEC has SGD.

    A cluster may lose all its images for good, and on codes that know nothing of the images P only confirms chance. So
    training starts from the `encoder`, and the `decoder` if it reconstructs, of another run.

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        widths: hidden widths from the pixels to the code, GELU; the decoder mirrors them.
        code_dim: size of the code.
        num_clusters: number of clusters.
        reconstruction_weight: weight of the error, 0 for DEC without a decoder.
    """

    bibtex = """@misc{xie2016unsupervised,
  title = {{Unsupervised deep embedding for clustering analysis}},
  author = {Xie and Girshick and Farhadi}, year = {2016}
}
@misc{guo2017improved,
  title = {{Improved deep embedded clustering with local structure preservation}},
  author = {Guo and others}, year = {2017}
}"""
    needs_init = True
    frequencies: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        widths: Annotated[tuple[int, ...], AtLeast(1)] = (500, 500, 2000),
        code_dim: int = 10,
        num_clusters: Annotated[int, AtLeast(2)] = 10,
        reconstruction_weight: Annotated[float, AtLeast(0)] = 0.0,
        lr: float = 1e-3,
    ) -> None:
        super().__init__(shape, lr)
        sizes = [shape[0] * shape[1] * shape[2], *widths, code_dim]
        self.num_clusters, self.reconstruction_weight = num_clusters, reconstruction_weight
        self.encoder = mlp(sizes)
        self.centres = nn.Parameter(torch.randn(num_clusters, code_dim))  # μ
        if reconstruction_weight:
            self.decoder = mlp(sizes[::-1])
            self.decode, self.reconstruct = self._decode, self._reconstruct  # offered only where they are trained
        self.register_buffer("frequencies", torch.full((num_clusters,), 1 / num_clusters))  # mean shares, training set
        self.shares: Tensor | None = None  # the last Q (N, K) of all training images

    def initialise(self, state: dict[str, Tensor]) -> None:
        """Start from the encoder, and the decoder if used, of an autoencoder."""
        halves = ("encoder.", "decoder.") if self.reconstruction_weight else ("encoder.",)
        super().initialise({name: value for name, value in state.items() if name.startswith(halves)})

    @torch.no_grad()
    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        """Find centres by k-means. UserError where there are too few images."""
        codes = torch.cat([self.encode(x).float().cpu() for x in images()]).numpy()
        if len(codes) < self.num_clusters:
            raise UserError(f"{len(codes)} images are too few for {self.num_clusters}: lower model.num_clusters")
        with threadpool_limits(1):  # with more threads the last bits depend on their order
            kmeans = KMeans(self.num_clusters, n_init=KMEANS_RESTARTS, random_state=self.seed).fit(codes)
        self.centres.copy_(torch.from_numpy(kmeans.cluster_centers_))

    def on_train_epoch_start(self) -> None:
        if self.shares is None:  # the first epoch of a run, or after it was resumed
            self._update_shares()

    def on_train_epoch_end(self) -> None:
        before = cast(Tensor, self.shares).argmax(1)
        self._update_shares()  # for the next epoch
        changed = (cast(Tensor, self.shares).argmax(1) != before).float().mean().item()
        for logger in self.loggers:
            logger.log_metrics({"clusters/changed": changed}, self.iteration)

    @torch.no_grad()
    def _update_shares(self) -> None:
        """Compute Q of all training images."""
        self.shares = torch.cat(
            [log_shares(self.encode(x).float(), self.centres).exp() for x in self.training_images()]
        )
        self.frequencies.copy_(self.shares.mean(0))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        x, index = batch
        values = self._terms(x, cast(Tensor, self.shares)[index])
        self.record(values)
        return values["loss"]

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        """Return the loss with P from these images, for validation."""
        return self._terms(x, None)

    def _terms(self, x: Tensor, shares: Tensor | None) -> dict[str, Tensor]:
        z = self.encode(x)
        log_q = log_shares(z.float(), self.centres)
        p = sharpened(log_q.detach().exp() if shares is None else shares, self.frequencies)
        kl = F.kl_div(log_q, p, reduction="batchmean")
        if not self.reconstruction_weight:
            return {"loss": kl}
        error = F.mse_loss(self.decode(z), x)
        return {"loss": kl + self.reconstruction_weight * error, "kl": kl, "reconstruction": error}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1))

    def assign(self, x: Tensor) -> Tensor:
        return log_shares(self.encode(x), self.centres).argmax(1)

    def _decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).unflatten(1, self.shape)

    def _reconstruct(self, x: Tensor) -> Tensor:
        return self._decode(self.encode(x))


def log_shares(z: Tensor, centres: Tensor) -> Tensor:
    """Return log q (N, K), q ∝ 1 / (1 + ||z - μ||²), z (N, D), μ (K, D) (equation 1)."""
    squared = (z[:, None] - centres).square().sum(2)
    return F.log_softmax(-squared.log1p(), dim=1)


def sharpened(q: Tensor, frequencies: Tensor) -> Tensor:
    """Return p (N, K) ∝ q² / f (equation 3), f (K,) ∝ Σ q over all training images."""
    weighted = q.square() / frequencies
    return weighted / weighted.sum(1, keepdim=True)
