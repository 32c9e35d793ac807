"""The space in which generated images are compared with real ones.

It is learned from the data set; nothing is downloaded. With labels it consists of 64 features of a small classifier, so
that labels reach this space but never the judged model; without labels, of up to 64 principal components. The same data
give the same space bit for bit, on any number of cores.
"""

import hashlib
import math
from typing import Any, Self, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from unsup.core.arrays import Floats, Ids
from unsup.core.devices import one_thread
from unsup.core.seeds import seed_noise
from unsup.data.base import ImageData
from unsup.evaluation.progress import say
from unsup.metrics import generation
from unsup.metrics.diagnostics import subsample

FEATURES = 64
COMPARED = 10_000  # images on each side, at most
COMPONENT_IMAGES = 10_000  # images that principal components are fitted on, at most
WIDTHS = (16, 32, 64)  # of the classifier's convolutions
BATCH, EPOCHS, LR = 128, 4, 5e-3  # 20 s of one core for MNIST
LEAST_STEPS = 300  # training steps if four epochs have fewer


class FeatureSpace:
    """Features of images, and those of real images to compare with.

    Args:
        name: the description in the report.
        net: x (N, C, H, W) in [0, 1] -> (N, D), in eval mode.
        test: (n, D) features of test images.
        train: (n, D) features of n held-out training images; they play the part of a perfect generator.
    """

    def __init__(self, name: str, net: nn.Module, test: Floats, train: Floats) -> None:
        self.name, self.net, self.test, self.train = name, net, test, train

    @classmethod
    def learn(cls, data: ImageData) -> Self:
        """Learn the space from training images, and add features of the real images.

        Nothing is learned from the test images. The state of the global random generator is left as it was.
        """
        rest = np.setdiff1d(np.arange(data.size("train")), comparison_positions(data)[1])
        with one_thread(), torch.random.fork_rng(devices=[]):
            seed_noise(torch.device("cpu"), "feature space")
            net = _network(data)
            if has_classes(data):
                say(f"feature space: a classifier learns from {len(rest):,} training images")
                accuracy = f"{_train(net, data, rest):.3f}".removeprefix("0")
                name = f"{FEATURES} features of a small classifier, validation accuracy {accuracy}"
            else:
                say("feature space: principal components of training images")
                _fit(net, data, rest)
                name = f"{net[1].out_features} principal components of training images"
        return cls.from_network(name, net, data)

    @classmethod
    def from_network(cls, name: str, net: nn.Module, data: ImageData) -> Self:
        """Return the space of a network with the features of a data set's real images."""
        at_test, at_train = comparison_positions(data)
        test = np.concatenate([cls.extract(net, x) for x in data.batches("test", positions=at_test)])
        return cls(
            name, net, test, np.concatenate([cls.extract(net, x) for x in data.batches("train", positions=at_train)])
        )

    @staticmethod
    def extract(net: nn.Module, images: Tensor) -> Floats:
        with one_thread(), torch.no_grad():
            features: Floats = net(images.cpu()).numpy()
        return features

    def features(self, images: Tensor) -> Floats:
        """Return features (N, D) of images (N, C, H, W) in [0, 1] on any device."""
        return self.extract(self.net, images)

    def scores(self, features: Floats) -> dict[str, Any]:
        """Return scores against the test images of images with features (n, D)."""
        return {"space": self.name, **generation.image_scores(features, self.test)}

    def digest(self) -> str:
        """Return a SHA-256 over the test features, which identifies the space."""
        return hashlib.sha256(self.test.tobytes()).hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the content of a file, which `from_arrays` reads."""
        weights = {f"net.{name}": value.numpy() for name, value in self.net.state_dict().items()}
        return {"name": np.array(self.name), "test": self.test, "train": self.train, **weights}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], data: ImageData) -> Self:
        with torch.random.fork_rng(devices=[]):  # the network draws its first weights
            net = _network(data)
        weights = {name: torch.from_numpy(value) for name, value in arrays.items() if name.startswith("net.")}
        net.load_state_dict({name.removeprefix("net."): value for name, value in weights.items()})
        return cls(str(arrays["name"]), net.eval(), arrays["test"], arrays["train"])


def comparison_positions(data: ImageData) -> tuple[Ids, Ids]:
    """Return the positions of n test images and n training images to compare.

    n is 10,000, or all test images, or half of the training images where these are fewer. The space is learned from the
    remaining training images only. Otherwise the "real" row would contain images that an overfitted classifier has
    memorised, and an honest generator could beat it (CIFAR-10, layers twice as wide: Fréchet distance .105 of memorised
    images, .087 of others).
    """
    train = data.size("train")
    n = min(COMPARED, data.size("test"), train // 2)
    return subsample(data.size("test"), n), subsample(train, n)


def has_classes(data: ImageData) -> bool:
    """Return whether the training images are labelled, with two classes or more."""
    labels = data.labels("train")
    return labels is not None and len(np.unique(labels)) > 1


def _network(data: ImageData) -> nn.Sequential:
    """Return untrained convolutions for images with classes, else a linear map."""
    channels, height, width = data.shape
    if not has_classes(data):
        pixels = channels * height * width
        components = min(FEATURES, pixels, data.size("train") - len(comparison_positions(data)[1]))
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, components))
    layers: list[nn.Module] = []
    for out in WIDTHS:
        layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
        channels, height, width = out, math.ceil(height / 2), math.ceil(width / 2)
    layers += [nn.Flatten(), nn.Linear(channels * height * width, FEATURES)]
    layers += [nn.BatchNorm1d(FEATURES), nn.ReLU()]  # normalised: features of any data set have about one scale
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def _train(net: nn.Module, data: ImageData, at: Ids) -> float:
    """Train on training images at these positions and return validation accuracy."""
    head = nn.Linear(FEATURES, len(data.class_names))
    labels = torch.from_numpy(data.labels("train"))
    batches = math.ceil(len(at) / BATCH)
    epochs = max(EPOCHS, math.ceil(LEAST_STEPS / batches))
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=LR, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=epochs * batches)
    for _ in range(epochs):
        order = at[torch.randperm(len(at)).numpy()]
        parts = labels[order].tensor_split(batches)
        for x, y in zip(data.batches("train", batch_size=BATCH, positions=order), parts, strict=True):
            optimizer.zero_grad()
            F.cross_entropy(head(net(x)), y).backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        guesses = torch.cat([head(net(x)).argmax(1) for x in data.batches("val")])
    return float(np.mean(guesses.numpy() == data.labels("val")))


@threadpool_limits.wrap(limits=1)
def _fit(net: nn.Sequential, data: ImageData, at: Ids) -> None:
    """Set the linear map to the principal components of some training images."""
    positions = at[subsample(len(at), COMPONENT_IMAGES)]
    images = torch.cat(list(data.batches("train", positions=positions))).flatten(1).numpy()
    linear = cast(nn.Linear, net[1])
    pca = PCA(linear.out_features, svd_solver="randomized", random_state=0).fit(images)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(pca.components_))
        linear.bias.copy_(torch.from_numpy(-pca.components_ @ pca.mean_))
    net.eval()
