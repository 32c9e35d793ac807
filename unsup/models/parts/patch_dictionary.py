"""Whitened patches, compared with centroids of k-means by one matrix product."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from unsup.core.errors import UserError

PATCHES = 200_000  # drawn for the fit
KMEANS_EPOCHS = 4  # passes of k-means over the patches
PATCH_VARIANCE = 10 / 255**2  # added to a patch's variance, which is near 0 in flat patches


class PatchDictionary(nn.Module):
    """Activations (N, h, w, K) of centroids by patches of images (N, C, H, W).

    Coates, Lee & Ng 2011, "An analysis of single-layer networks in unsupervised feature learning", sections 3 and 4:
    patches less their mean, divided by their deviation and whitened (ZCA); k-means on them, here in mini-batches. Their
    "triangle" activation of a patch w with distances d_k to the centroids c_k is max(0, mean(d) - d_k). With
    s_k = c_k·w - |c_k|² / 2, so that d_k² = |w|² - 2 s_k, it is to first order max(0, s_k - mean(s)) / r, where
    r² = |w|² + mean(|c|²). That is one matrix product, and is used here.

    With `mirrored` the second half of the centroids are the mirror images of the first, and mean and covariance are
    also those of mirrored patches. Whitening and mirroring then commute: the activations of the mirror image are those
    of the image, mirrored, with the halves exchanged.

    Until `fit`, the centroids are normal draws and patches are not whitened.

    Args:
        channels: C.
        centroids: K, at least 1, rounded up to an even number if mirrored.
        patch: side of a patch in pixels.
        stride: pixels between patches.
        zca: constant added to the eigenvalues of the patches' covariance.
        mirrored: whether the mirror image of a centroid is a centroid.

    Attributes:
        drawn: number of centroids that k-means finds, K or K / 2.
    """

    mean: Tensor
    whitening: Tensor
    centroids: Tensor

    def __init__(self, channels: int, centroids: int, patch: int, stride: int, zca: float, mirrored: bool) -> None:
        super().__init__()
        self.channels, self.patch, self.stride, self.zca, self.mirrored = channels, patch, stride, zca, mirrored
        size = channels * patch**2
        self.drawn = (centroids + 1) // 2 if mirrored else centroids
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("whitening", torch.eye(size))
        self.register_buffer("centroids", self._with_mirror_images(torch.randn(self.drawn, size)))

    def positions(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the numbers of patches in a column and in a row of an image (H, W)."""
        height, width = ((side - self.patch) // self.stride + 1 if side >= self.patch else 0 for side in size)
        return height, width

    def forward(self, x: Tensor) -> Tensor:
        windows = x.unfold(2, self.patch, self.stride).unfold(3, self.patch, self.stride)
        whitened = self.whitened(normalised(windows.permute(0, 2, 3, 1, 4, 5).flatten(3)))  # (N, h, w, C·p·p)
        lengths = self.centroids.square().sum(1)  # (K,)
        r = (whitened.square().sum(-1, keepdim=True) + lengths.mean()).rsqrt()
        weight, bias = (self.centroids - self.centroids.mean(0)).T, (lengths.mean() - lengths)[None] / 2
        return F.relu(torch.cat([whitened * r, r], dim=-1) @ torch.cat([weight, bias]))

    def whitened(self, patches: Tensor) -> Tensor:
        """Whiten normalised patches (…, C·p·p)."""
        return (patches - self.mean) @ self.whitening

    def mirror(self, patches: Tensor) -> Tensor:
        """Return mirror images of patches (…, C·p·p)."""
        return patches.unflatten(-1, (self.channels, self.patch, self.patch)).flip(-1).flatten(-3)

    def _with_mirror_images(self, centroids: Tensor) -> Tensor:
        return torch.cat([centroids, self.mirror(centroids)]) if self.mirrored else centroids

    @torch.no_grad()
    def fit(self, images: Callable[[], Iterator[Tensor]], seed: int) -> None:
        """Whiten patches, and find centroids. UserError where there are too few patches."""
        patches = self.drawn_patches(images)
        both = torch.cat([patches, self.mirror(patches)]) if self.mirrored else patches
        self.mean.copy_(both.mean(0))
        centred = (both - self.mean).cpu().double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        self.whitening.copy_(vectors / (values + self.zca).sqrt() @ vectors.T)
        kmeans = MiniBatchKMeans(
            self.drawn,
            init="random",
            max_iter=KMEANS_EPOCHS,
            batch_size=4096,
            n_init=1,
            max_no_improvement=None,
            compute_labels=False,
            random_state=seed,
        )
        with threadpool_limits(1):  # the same centroids on any number of cores
            kmeans.fit(self.whitened(patches).cpu().numpy())
        centroids = torch.from_numpy(kmeans.cluster_centers_).to(self.centroids)
        self.centroids.copy_(self._with_mirror_images(centroids))

    def drawn_patches(self, images: Callable[[], Iterator[Tensor]]) -> Tensor:
        """Draw normalised patches (n, C·p·p). UserError where there are too few."""
        total, height, width = 0, 0, 0
        for x in images():
            total, height, width = total + len(x), *(side - self.patch + 1 for side in x.shape[2:])
        n = min(PATCHES, total * height * width)
        if n < self.drawn:
            raise UserError(f"{total} images hold {n} patches, fewer than centroids: lower model.centroids")
        times = torch.bincount(torch.randint(total, (n,)), minlength=total)  # how often an image is drawn
        patches, start = [], 0
        for x in images():
            image = torch.arange(len(x)).repeat_interleave(times[start : start + len(x)])
            top, left = torch.randint(height, image.shape), torch.randint(width, image.shape)
            windows = x.unfold(2, self.patch, 1).unfold(3, self.patch, 1)  # (N, C, H', W', p, p), a view
            patches.append(windows[image, :, top, left].flatten(1))
            start += len(x)
        return normalised(torch.cat(patches))


def normalised(patches: Tensor) -> Tensor:
    """Return rows with mean 0 and deviation 1."""
    return F.layer_norm(patches, patches.shape[-1:], eps=PATCH_VARIANCE)
