"""The handwritten digits of scikit-learn, which need no network."""

import numpy as np

from unsup.core.splits import stratified_subset
from unsup.data.base import Arrays, ImageData


class Digits(ImageData):
    """1,797 digits of 8 × 8 pixels, with 17 grey levels (0..16) spread over 0..255.

    There is no official test split: 500 images, an equal share of every digit, are always the same test images.
    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), as in
    `sklearn.datasets.load_digits`.
    """

    shape = (1, 8, 8)
    class_names = tuple("0123456789")
    bibtex = """@misc{alpaydin1998optical,
  title = {Optical recognition of handwritten digits},
  author = {Alpaydin, Ethem and Kaynak, Cenk},
  howpublished = {UCI Machine Learning Repository}, year = {1998}
}"""
    augmentation = "digits"

    def load(self, train: bool) -> Arrays:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)  # (1797, 64) float in 0..16, (1797,)
        images = np.rint(pixels * (255 / 16)).astype(np.uint8).reshape(-1, *self.shape)
        test = stratified_subset(len(images), 500, labels)
        rows = np.setdiff1d(np.arange(len(images)), test) if train else test
        return images[rows], labels[rows]
