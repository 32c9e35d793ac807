"""Deep embedded clustering: codes and cluster centres learned together, from an autoencoder that is trained already."""

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
    """L = KL(P || Q) + reconstruction_weight · ||x - g(f(x))||² / pixels, means over images.

    Xie, Girshick & Farhadi 2016, "Unsupervised deep embedding for clustering analysis", section 3: Q are the shares of
    each image z = f(x) in the clusters, by Student's t around centres μ (equation 1), P what they are sharpened to
    (equation 3), kept still while both f and μ learn. Guo et al. 2017, "Improved deep embedded clustering with local
    structure preservation" (IDEC), keep the decoder g and add its error; their L_r + 0.1 L_c, as their code takes the
    mean over pixels, is `reconstruction_weight` 10 here, as Adam does not see the scale of a loss.

    The centres start from k-means of the codes. P is computed anew from all training images at every start of an epoch
    (the papers: every 140 steps of 256 images on MNIST). `clusters/changed` is the share of them whose cluster an epoch
    has changed; both papers stop below .001. Adam as in IDEC, its rate annealed (`Model`); DEC: SGD.

    A cluster may lose all its images, and nothing brings it back; on codes that know nothing of the images, P only
    confirms chance. So it starts from another run's weights, those of `encoder` and, where it reconstructs, `decoder`.

    Args:
        shape: (C, H, W) of an image; pixels are flattened.
        widths: hidden widths from the pixels to the code, GELU; the decoder mirrors them.
        code_dim: size of the code.
        num_clusters: how many.
        reconstruction_weight: 0: DEC, without a decoder.
        lr: peak learning rate (`Model`).

    Raises:
        UsageError: a value outside its range.
    """

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
        self.shares: Tensor | None = None  # Q (N, K) of all training images when it was last computed

    def initialise(self, state: dict[str, Tensor]) -> None:
        """From an autoencoder with the same sizes: its encoder, and its decoder where this has one."""
        halves = ("encoder.", "decoder.") if self.reconstruction_weight else ("encoder.",)
        super().initialise({name: value for name, value in state.items() if name.startswith(halves)})

    @torch.no_grad()
    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        """Centres by k-means of the codes. UserError: fewer images than clusters."""
        codes = torch.cat([self.encode(x).float().cpu() for x in images()]).numpy()
        if len(codes) < self.num_clusters:
            raise UserError(f"{len(codes)} images are too few for {self.num_clusters}: lower model.num_clusters")
        with threadpool_limits(1):  # with more the last bits depend on which thread ends first
            kmeans = KMeans(self.num_clusters, n_init=KMEANS_RESTARTS, random_state=self.seed).fit(codes)
        self.centres.copy_(torch.from_numpy(kmeans.cluster_centers_))

    def on_train_epoch_start(self) -> None:
        if self.shares is None:  # the first epoch of a run, or after it was resumed
            self._look_at_all()

    def on_train_epoch_end(self) -> None:
        before = cast(Tensor, self.shares).argmax(1)
        self._look_at_all()  # for the next epoch
        changed = (cast(Tensor, self.shares).argmax(1) != before).float().mean().item()
        for logger in self.loggers:
            logger.log_metrics({"clusters/changed": changed}, self.iteration)

    @torch.no_grad()
    def _look_at_all(self) -> None:
        """Q of all training images."""
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
        """For validation: these images' own shares, sharpened by the training images' frequencies."""
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
    """log q (N, K) of codes (N, D) and centres (K, D): q ∝ 1 / (1 + ||z - μ||²), rows of q sum to 1 (equation 1)."""
    squared = (z[:, None] - centres).square().sum(2)
    return F.log_softmax(-squared.log1p(), dim=1)


def sharpened(q: Tensor, frequencies: Tensor) -> Tensor:
    """p (N, K) ∝ q² / f, rows sum to 1 (equation 3); f (K,) up to a factor, Σ q over *all* training images."""
    weighted = q.square() / frequencies
    return weighted / weighted.sum(1, keepdim=True)
