"""An adapter for torchvision's data sets."""

import numpy as np
from PIL import Image
from torchvision.datasets import VisionDataset

from unsup.core.errors import UserError
from unsup.data.base import Arrays, ImageData
from unsup.data.download import FAILURES


class TorchvisionImages(ImageData):
    """A torchvision data set of (PIL image, class), which a subclass opens.

    ```python
    class SVHN(TorchvisionImages):
        shape, class_names = (3, 32, 32), tuple("0123456789")

        def open(self, train: bool) -> VisionDataset:
            return datasets.SVHN(self.root, "train" if train else "test", download=True)
    ```

    Images of another size are resized to `shape` bilinearly, also if that changes their proportions.
    """

    def open(self, train: bool) -> VisionDataset:
        """Return the official training or test images, downloaded if they are missing."""
        raise NotImplementedError

    def prepare_data(self) -> None:
        """Open both parts, or raise UserError if they cannot be downloaded or are damaged."""
        for train in (True, False):
            self._opened(train)

    def load(self, train: bool) -> Arrays:
        source = self._opened(train)
        channels, height, width = self.shape
        images, labels = np.empty((len(source), *self.shape), np.uint8), np.empty(len(source), np.int64)
        for i in range(len(source)):
            image, labels[i] = source[i]
            image = image.convert("L" if channels == 1 else "RGB")
            image = image.resize((width, height), Image.Resampling.BILINEAR)  # a copy if the size is right
            images[i] = np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
        return images, labels

    def _opened(self, train: bool) -> VisionDataset:
        try:
            return self.open(train)
        except FAILURES as error:
            raise UserError(f"{type(self).__name__} cannot be opened in {self.root}: {error}") from error
