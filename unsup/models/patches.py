"""K-means on whitened patches, convolved and pooled, without any gradient."""

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
import torch.nn.functional as F
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits
from torch import Tensor

from unsup.core.errors import UsageError, UserError
from unsup.core.ranges import AtLeast
from unsup.models.base import Model

PATCHES = 400_000  # drawn for the fit
KMEANS_EPOCHS = 5  # passes of k-means over the patches
PATCH_VARIANCE = 10 / 255**2  # added to a patch's variance, which is near 0 in flat patches
ROOT = 1e-4  # added before the square root, which amplifies rounding near 0
DISTANCES = 1_200_000  # between patches and centroids at a time, which fit into the cache of a processor


class Patches(Model):
    """z (N, grid² K) = mean closeness of each region's patches to K centroids.

    Coates, Lee & Ng 2011, "An analysis of single-layer networks in unsupervised feature learning", sections 3 and 4:
    random patches, each less its mean and divided by its deviation, together whitened (ZCA); k-means on them, here in
    mini-batches. A patch with distances d_k to the centroids activates max(0, mean(d) - d_k), the "triangle", about
    half of them; activations are averaged over each region, there a quadrant. Published on CIFAR-10 with an SVM: 77.9 %
    with K = 1,600, 79.6 % with 4,000.

    Unlike in the paper, averages include the mirror image where it has the same meaning (`augmentation`), and the code
    is their square root, as for the pooled features of Perronnin, Sánchez & Mensink 2010, "Improving the Fisher kernel
    for large-scale image classification", section 3.2.

    Untrained, the centroids are drawn from a normal distribution and patches are normalised but not whitened: the
    untrained network of a report is one of random filters.

    Args:
        shape: (C, H, W) of an image.
        augmentation: the data set's preset. Unless it is "digits", an image and its mirror image have one code.
        centroids: K.
        patch: side of a patch in pixels.
        grid: regions in a row and in a column.
        zca: constant added to the eigenvalues of the patches' covariance, at least 0.

    Raises:
        UsageError: images hold fewer than grid x grid patches.
    """

    bibtex = """@misc{coates2011single,
  title = {{An analysis of single-layer networks in unsupervised feature learning}},
  author = {Coates and Lee and Ng}, year = {2011}
}"""
    mean: Tensor
    whitening: Tensor
    centres: Tensor
    pooling: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str = "natural",
        centroids: Annotated[int, AtLeast(1)] = 800,
        patch: Annotated[int, AtLeast(1)] = 6,
        grid: Annotated[int, AtLeast(1)] = 2,
        zca: Annotated[float, AtLeast(0)] = 0.1,
    ) -> None:
        super().__init__(shape)
        height, width = (max(0, side - patch + 1) for side in shape[1:])
        if min(height, width) < grid:
            raise UsageError(
                f"model.patch {patch} gives {height} x {width} patches in {shape[1]} x {shape[2]} pixels, "
                f"model.grid {grid} needs {grid} x {grid}: lower one of them"
            )
        self.patch, self.zca = patch, zca
        self.mirrored = augmentation != "digits"
        size = shape[0] * patch**2
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("whitening", torch.eye(size))
        self.register_buffer("centres", torch.randn(centroids, size))
        row, column = (torch.arange(count) * grid // count for count in (height, width))
        region = F.one_hot((grid * row[:, None] + column).flatten(), grid**2).float()  # (positions, grid²)
        self.register_buffer("pooling", (region / region.sum(0)).T.contiguous(), persistent=False)

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        patches = self.draw(images)
        self.mean.copy_(patches.mean(0))
        centred = (patches - self.mean).cpu().double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        self.whitening.copy_(vectors / (values + self.zca).sqrt() @ vectors.T)
        kmeans = MiniBatchKMeans(
            len(self.centres),
            init="random",
            max_iter=KMEANS_EPOCHS,
            batch_size=4096,
            n_init=1,
            max_no_improvement=None,
            compute_labels=False,
            random_state=self.seed,
        )
        with threadpool_limits(1):  # the same centroids on any number of cores
            kmeans.fit(self.whitened(patches).cpu().numpy())
        self.centres.copy_(torch.from_numpy(kmeans.cluster_centers_))

    def draw(self, images: Callable[[], Iterator[Tensor]]) -> Tensor:
        """Draw normalised patches (n, C·p·p). UserError where there are too few."""
        total = sum(len(x) for x in images())
        height, width = (side - self.patch + 1 for side in self.shape[1:])
        n = min(PATCHES, total * height * width)
        if n < len(self.centres):
            raise UserError(f"{total} images hold {n} patches, fewer than centroids: lower model.centroids")
        times = torch.bincount(torch.randint(total, (n,)), minlength=total)  # how often an image is drawn
        patches, start = [], 0
        for x in images():
            image = torch.arange(len(x)).repeat_interleave(times[start : start + len(x)])
            top, left = torch.randint(height, image.shape), torch.randint(width, image.shape)
            windows = x.unfold(2, self.patch, 1).unfold(3, self.patch, 1)  # (N, C, H', W', p, p), a view
            patches.append(windows[image, :, top, left].flatten(1))
            start += len(x)
        return self.normalised(torch.cat(patches))

    def normalised(self, patches: Tensor) -> Tensor:
        """Return rows with mean 0 and deviation 1."""
        return F.layer_norm(patches, patches.shape[-1:], eps=PATCH_VARIANCE)

    def whitened(self, patches: Tensor) -> Tensor:
        """Whiten normalised patches (…, C·p·p)."""
        return (patches - self.mean) @ self.whitening

    def encode(self, x: Tensor) -> Tensor:
        z = self.averages(x)
        if self.mirrored:
            z = (z + self.averages(x.flip(3))) / 2
        return (z + ROOT).sqrt()

    def averages(self, x: Tensor) -> Tensor:
        """Return averages (N, grid² K), computed for a few images at a time."""
        if torch.compiler.is_exporting():  # the number of images is unknown
            return self.pooled(x)
        chunk = max(1, DISTANCES // (self.pooling.shape[1] * len(self.centres)))
        return torch.cat([self.pooled(part) for part in x.split(chunk)])

    def pooled(self, x: Tensor) -> Tensor:
        """Return the averages (n, grid² K) of a few images."""
        windows = x.unfold(2, self.patch, 1).unfold(3, self.patch, 1)
        patches = windows.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)  # (n, positions, C·p·p)
        return (self.pooling @ self.triangle(self.whitened(self.normalised(patches)))).flatten(1)

    def triangle(self, patches: Tensor) -> Tensor:
        """Return max(0, mean(d) - d), (…, K), for distances d of patches (…, C·p·p)."""
        distances = torch.cdist(patches, self.centres, compute_mode="use_mm_for_euclid_dist")
        return distances.sub_(distances.mean(-1, keepdim=True)).neg_().relu_()
