"""The baseline that reads texture, at the resolution of the images."""

import torch

from unsup.core.devices import one_thread
from unsup.core.seeds import seed_noise
from unsup.data.base import ImageData
from unsup.models.patches import Patches

CENTROIDS, PATCH, STRIDE, GRID, ZCA = 100, 6, 2, 2, 1.0


def fit_patches(data: ImageData) -> Patches:
    """Return a small `patches`, fitted on the training images.

    It has 100 centroids of 6 x 6 pixels at every second one, averaged over quadrants, and no mirror images:
    the recipe itself would take hours of one core for 10,000 images of 224 x 224.
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        seed_noise(torch.device("cpu"), "patches")
        model = Patches(data.shape, "digits", CENTROIDS, PATCH, STRIDE, GRID, ZCA)
        model.fit(lambda: data.batches("train"))
    return model
