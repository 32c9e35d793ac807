"""MNIST and two data sets in its format, read from idx files in torchvision's layout."""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError
from unsup.data.base import Arrays
from unsup.data.download import Archive, Downloaded

AGAIN = "delete it to download it again"


class MNIST(Downloaded):
    """60,000 training and 10,000 test images of handwritten digits, 28 × 28 grey.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition,
    Proceedings of the IEEE (1998).
    """

    name = "MNIST"
    folder = "MNIST/raw"
    files = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    md5: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    }
    shape = (1, 28, 28)
    class_names = tuple("0123456789")
    augmentation = "digits"

    def load(self, train: bool) -> Arrays:
        self.require_files()
        of_images, of_labels = (self.place / file for file in (self.files[:2] if train else self.files[2:]))
        images = read_idx(of_images, self.md5.get(of_images.name))  # (N, 28, 28)
        labels = read_idx(of_labels, self.md5.get(of_labels.name))  # (N,)
        if images.shape[1:] != self.shape[1:]:
            raise UserError(f"{of_images} holds images of {images.shape[1:]}, not {self.shape[1:]}: {AGAIN}")
        if len(images) != len(labels):
            raise UserError(
                f"{of_images.name} holds {len(images)} images but {of_labels} {len(labels)} labels: "
                "delete both to download them again"
            )
        if labels.max(initial=0) >= len(self.class_names):
            raise UserError(
                f"{of_labels} holds label {labels.max()}, the highest is {len(self.class_names) - 1}: {AGAIN}"
            )
        return images[:, None], labels.astype(np.int64)

    def archives(self) -> Iterator[Archive]:
        from torchvision import datasets

        source = getattr(datasets, self.name)
        for file, md5 in source.resources:
            yield Archive(
                self.place / file, md5, [mirror + file for mirror in source.mirrors], (file.removesuffix(".gz"),)
            )


class FashionMNIST(MNIST):
    """60,000 training and 10,000 test images of clothes, 28 × 28 grey.

    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv:1708.07747 (2017).
    """

    name = "FashionMNIST"
    folder = "FashionMNIST/raw"
    md5: ClassVar[dict[str, str]] = {}  # only the archives' are published
    class_names = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
    augmentation = "natural"


class KMNIST(MNIST):
    """60,000 training and 10,000 test images of cursive Japanese characters, 28 × 28 grey.

    Source: T. Clanuwat and others, Deep Learning for Classical Japanese Literature, arXiv:1812.01718 (2018).
    """

    name = "KMNIST"
    folder = "KMNIST/raw"
    md5: ClassVar[dict[str, str]] = {}
    class_names = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def read_idx(path: Path, md5: str | None) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes: bytes 0 0 8 d, then d sizes (32 bits, high byte first), then data.

    Raises:
        UserError: not such a file, cut short, too long, or altered where the MD5 is known.
    """
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    dims = int(path.name.split("-idx")[1][0])
    start = 4 + 4 * dims
    if len(raw) < start or raw[:4].tolist() != [0, 0, 8, dims]:
        raise UserError(f"{path} is not an idx file of {dims} dimensions ({len(raw)} bytes): {AGAIN}")
    shape = tuple(raw[4:start].view(">u4").tolist())
    if len(raw) != start + math.prod(shape):
        what = "cut short" if len(raw) < start + math.prod(shape) else "too long"
        raise UserError(f"{path} is {what} ({len(raw)} of {start + math.prod(shape)} bytes): {AGAIN}")
    if md5 and hashlib.md5(raw.data, usedforsecurity=False).hexdigest() != md5:
        raise UserError(f"{path} is altered (its MD5 is not {md5}): {AGAIN}")
    return raw[start:].reshape(shape)
