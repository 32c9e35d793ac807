"""CIFAR-10 and CIFAR-100 through torchvision, which checks MD5s before unpickling."""

import numpy as np

from unsup.core.errors import UserError
from unsup.data.base import Arrays
from unsup.data.download import Downloaded

LABELS = "airplane automobile bird cat deer dog frog horse ship truck"
FINE_LABELS = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


class CIFAR10(Downloaded):
    """50,000 training and 10,000 test photographs of ten classes, 32 × 32 RGB.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images, technical report (2009).
    """

    name = "CIFAR10"
    folder = "cifar-10-batches-py"
    files: tuple[str, ...] = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
    shape = (3, 32, 32)
    class_names: tuple[str, ...] = tuple(LABELS.split())
    bibtex = """@techreport{krizhevsky2009learning,
  title = {Learning multiple layers of features from tiny images},
  author = {Krizhevsky, Alex}, institution = {University of Toronto}, year = {2009}
}"""

    def load(self, train: bool) -> Arrays:
        from torchvision import datasets
        from torchvision.datasets.utils import check_integrity

        self.require_files()
        source = getattr(datasets, self.name)
        known = [*source.train_list, *source.test_list, (source.meta["filename"], source.meta["md5"])]
        try:
            loaded = source(self.root, train=train)
        except RuntimeError as error:
            damaged = [file for file, md5 in known if not check_integrity(self.place / file, md5)]
            raise UserError(
                f"{self.place}: {', '.join(damaged)} altered or cut short (wrong MD5): delete to download again"
            ) from error
        images = np.ascontiguousarray(loaded.data.transpose(0, 3, 1, 2))  # (N, 32, 32, 3) -> (N, 3, 32, 32)
        return images, np.array(loaded.targets, np.int64)


class CIFAR100(CIFAR10):
    """50,000 training and 10,000 test photographs of 100 fine classes, 32 × 32 RGB."""

    name = "CIFAR100"
    folder = "cifar-100-python"
    files = ("train", "test", "meta")
    class_names = tuple(FINE_LABELS.split())
