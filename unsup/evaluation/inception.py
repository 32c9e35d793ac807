"""FID, from weights of Inception that are never downloaded."""

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from unsup.core.arrays import Floats
from unsup.core.errors import UserError
from unsup.data.base import ImageData
from unsup.evaluation.feature_space import FeatureSpace
from unsup.evaluation.progress import say
from unsup.metrics import generation

INCEPTION_WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's name for them in torch's hub cache
INCEPTION_FEATURES = 2048


class InceptionSpace(FeatureSpace):
    """The 2,048 features of Inception that define FID (Heusel et al. 2017, section 3)."""

    @classmethod
    def learn(cls, data: ImageData) -> Self:
        say("feature space: real images through Inception")
        return cls.from_network("Inception", _inception(), data)

    @staticmethod
    def extract(net: nn.Module, images: Tensor) -> Floats:
        # rounded here: torchmetrics cuts off, and a pixel read as 254.99998 would become 254
        whole = (images * 255).round().byte().to(next(net.parameters()).device)
        with torch.no_grad():
            return np.concatenate([net(part).cpu().numpy() for part in whole.split(50)])  # resized to 299 × 299 there

    def scores(self, features: Floats) -> dict[str, Any]:
        """Return {"fid"} of as many images as the other scores of generation."""
        return {"fid": generation.frechet(features.astype(np.float64), self.test.astype(np.float64))}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"test": self.test, "train": self.train}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], data: ImageData) -> Self:
        return cls("Inception", _inception(), arrays["test"], arrays["train"])


def missing() -> str:
    """Return why FID cannot be computed, or an empty text."""
    if find_spec("torch_fidelity") is None:
        return "the package torch-fidelity is not installed"
    return "" if _weights().is_file() else f"{_weights()} is not there"


def _weights() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_WEIGHTS


def _inception() -> nn.Module:
    try:
        net = FrechetInceptionDistance(INCEPTION_FEATURES, feature_extractor_weights_path=str(_weights())).inception
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as e:
        raise UserError(f"{_weights()} cannot be read as the weights of Inception: delete it") from e
    return net.to("cuda" if torch.cuda.is_available() else "cpu")
