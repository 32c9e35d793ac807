"""STL-10 through torchvision."""

import numpy as np

from unsup.core.errors import UserError
from unsup.data.base import Arrays
from unsup.data.download import Downloaded


class STL10(Downloaded):
    """Photographs of ten classes, 96 × 96 RGB.

    There are 100,000 unlabelled and 5,000 labelled training images and 8,000 test images, 3 GB in memory. Models learn
    from the unlabelled images and from 4,500 of the labelled ones, to which probes are fitted; 500 are validation.

    Source: A. Coates, H. Lee and A. Y. Ng, An analysis of single-layer networks in unsupervised feature learning,
    AISTATS (2011).
    """

    name = "STL10"
    folder = "stl10_binary"
    files = ("train_X.bin", "train_y.bin", "unlabeled_X.bin", "test_X.bin", "test_y.bin")
    shape = (3, 96, 96)
    class_names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    bibtex = """@inproceedings{coates2011analysis,
  title = {An analysis of single-layer networks in unsupervised feature learning},
  author = {Coates, Adam and Ng, Andrew Y. and Lee, Honglak},
  booktitle = {AISTATS}, pages = {215--223}, year = {2011}
}"""

    def load(self, train: bool) -> Arrays:
        from torchvision import datasets

        self.require_files()
        try:
            loaded = datasets.STL10(self.root, split="train+unlabeled" if train else "test")
        except (RuntimeError, ValueError) as error:
            raise UserError(f"{self.place}: a file is altered or cut short: delete it to download it again") from error
        return np.ascontiguousarray(loaded.data), np.asarray(loaded.labels, np.int64)  # -1: unlabelled, here and there
