"""EMP-SSL, in which crops share an embedding and batches span a large volume."""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from unsup.core.distributed import gather
from unsup.core.errors import UsageError
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.parts.augment import augment
from unsup.models.parts.backbones import build_backbone
from unsup.models.parts.layers import mlp


class EMPSSL(Model):
    """L = -R(Z) - similarity cos(Z, mean of Z over an image's patches).

    Tong, Chen, Ma & LeCun 2023, "EMP-SSL: towards self-supervised learning in one training epoch" (arXiv:2304.03977),
    section 3. R is the total coding rate (`coding_rate`). Both terms are averaged over patches. The code is the input
    of the projector, for the whole image or, as in the paper's evaluation, averaged over crops.

    Args:
        backbone: encoder, "conv", "resnet18", "patches", "torchvision:NAME" or "timm:NAME" (`build_backbone`).
        width: of the encoder; codes have 4 ("conv") or 8 ("resnet18", "patches") times as many entries.
        projection: width of the embeddings.
        patches: random crops of an image in a step, at least 2.
        area: fraction of the image that a crop shows, above 0 to 1; views of "digits" also zoom in and out of it.
        similarity: weight of the cosine.
        distortion: ε², the squared error at which R codes; embeddings have length 1.
        test_patches: crops over which the code is averaged, on a square grid (4, 9, 16, …); 0 encodes the whole image.
        view_scale: side of a training view, as a fraction of the image's (`SimCLR`).
    """

    bibtex = """@misc{tong2023emp,
  title = {{EMP-SSL: towards self-supervised learning in one training epoch}},
  author = {Tong and Chen and Ma and LeCun}, year = {2023},
  eprint = {2304.03977}, archivePrefix = {arXiv}
}"""

    def __init__(
        self,
        shape: tuple[int, int, int],
        augmentation: str,
        backbone: str = "conv",
        width: Annotated[int, AtLeast(1)] = 16,
        projection: Annotated[int, AtLeast(1)] = 128,
        patches: Annotated[int, AtLeast(2)] = 20,
        area: Annotated[float, Above(0, most=1)] = 0.25,
        similarity: Annotated[float, AtLeast(0)] = 200.0,
        distortion: Annotated[float, Above(0)] = 0.2,
        test_patches: int = 0,
        view_scale: Annotated[float, Above(0, most=1)] = 1.0,
        weight_decay: float = 1e-4,
        lr: float = 2e-3,
    ) -> None:
        super().__init__(shape, lr)
        if test_patches < 0 or test_patches == 1 or math.isqrt(test_patches) ** 2 != test_patches:
            raise UsageError(f"model.test_patches is {test_patches}: it must be 0 or a square such as 4, 9, 16")
        self.augmentation, self.weight_decay = augmentation, weight_decay
        self.view_scale = view_scale
        self.patches, self.area, self.test_patches = patches, area, test_patches
        self.views_per_image = patches
        self.similarity, self.distortion = similarity, distortion
        self.backbone, features = build_backbone(backbone, shape, width, augmentation)
        self.projector = mlp((features, 4 * features, projection), batch_norm=True)

    def view(self, x: Tensor) -> Tensor:
        """Draw a random view of each image."""
        return augment(x, self.augmentation, area=self.area, scale=self.view_scale)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.view(x), self.view(x)

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        patches = [self.view(x) for _ in range(self.patches)]
        z = self.projector(self.backbone(torch.cat(patches))).float()
        z = F.normalize(z, dim=1).view(len(patches), len(x), -1)  # (V, N, P)
        similarity = F.cosine_similarity(z, z.mean(0, keepdim=True), dim=2).mean()
        with torch.autocast(x.device.type, enabled=False):  # determinants in float32
            rate = coding_rate(z, self.distortion).mean()
        return {"loss": -rate - self.similarity * similarity, "rate": rate, "similarity": similarity}

    def encode(self, x: Tensor) -> Tensor:
        if not self.test_patches:
            return self.backbone(x)
        return torch.stack([self.backbone(patch) for patch in grid_of_crops(x, self.area, self.test_patches)]).mean(0)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"projection": self.projector(self.encode(x))}


def coding_rate(z: Tensor, distortion: float) -> Tensor:
    """Return R(Z) = 1/2 log det(I + P / (N ε²) Z^T Z) in nats (equation 2).

    z (V, N, P) are V matrices, whose rows in all processes count, with rates (V,). `distortion` is ε².
    """
    n, p = z.shape[1:]
    moments = gather((z.transpose(1, 2) @ z / n)[None]).mean(0)  # (V, P, P); every process has as many rows
    coded = torch.eye(p, device=z.device) + p / distortion * moments
    factor = torch.linalg.cholesky_ex(coded).L  # `cholesky` would wait for the device to report errors
    return factor.diagonal(dim1=1, dim2=2).log().sum(1)


def grid_of_crops(x: Tensor, area: float, count: int) -> list[Tensor]:
    """Return an even grid of square crops of x (N, C, H, W), resized to its size."""
    side = math.sqrt(area)
    places = torch.linspace(side - 1, 1 - side, math.isqrt(count)).tolist()  # of their centres; the image is [-1, 1]
    crops = []
    for top in places:
        for left in places:
            affine = torch.tensor([[side, 0.0, left], [0.0, side, top]], device=x.device).expand(len(x), 2, 3)
            grid = F.affine_grid(affine, list(x.shape), align_corners=False)
            crops.append(F.grid_sample(x, grid, padding_mode="reflection", align_corners=False))
    return crops
