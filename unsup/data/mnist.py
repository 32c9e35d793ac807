"""MNIST and two data sets in its format, through torchvision."""

from collections.abc import Iterator

from unsup.core.errors import UserError
from unsup.data.base import Arrays
from unsup.data.download import Archive, Downloaded


class MNIST(Downloaded):
    """60,000 training and 10,000 test images of handwritten digits, 28 × 28 grey.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition,
    Proceedings of the IEEE (1998).
    """

    name = "MNIST"
    folder = "MNIST/raw"
    files = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    shape = (1, 28, 28)
    class_names = tuple("0123456789")
    bibtex = r"""@article{lecun1998gradient,
  title = {Gradient-based learning applied to document recognition},
  author = {LeCun, Yann and Bottou, L{\'e}on and Bengio, Yoshua and Haffner, Patrick},
  journal = {Proceedings of the IEEE}, volume = {86}, number = {11}, pages = {2278--2324}, year = {1998}
}"""
    augmentation = "digits"

    def load(self, train: bool) -> Arrays:
        from torchvision.datasets.mnist import read_image_file, read_label_file

        self.require_files()
        of_images, of_labels = (self.place / file for file in (self.files[:2] if train else self.files[2:]))
        path = of_images
        try:
            images = read_image_file(str(path)).numpy()  # (N, 28, 28)
            path = of_labels
            labels = read_label_file(str(path)).numpy()  # (N,)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        except (AssertionError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged or cut short: delete it to download it again") from error
        if images.shape != (len(labels), *self.shape[1:]) or labels.max(initial=0) >= len(self.class_names):
            raise UserError(f"{of_images} and {of_labels.name} do not match: delete both to download them again")
        return images[:, None], labels

    def archives(self) -> Iterator[Archive]:
        from torchvision import datasets

        source = getattr(datasets, self.name)
        for file, md5 in source.resources:
            addresses = [mirror + file for mirror in source.mirrors]
            yield Archive(self.place / file, md5, addresses, (file.removesuffix(".gz"),))


class FashionMNIST(MNIST):
    """60,000 training and 10,000 test images of clothes, 28 × 28 grey.

    Source: H. Xiao, K. Rasul and R. Vollgraf, Fashion-MNIST, arXiv:1708.07747 (2017).
    """

    name = "FashionMNIST"
    folder = "FashionMNIST/raw"
    class_names = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
    bibtex = """@article{xiao2017fashion,
  title = {Fashion-{MNIST}: a novel image dataset for benchmarking machine learning algorithms},
  author = {Xiao, Han and Rasul, Kashif and Vollgraf, Roland},
  journal = {arXiv preprint arXiv:1708.07747}, year = {2017}
}"""
    augmentation = "natural"


class KMNIST(MNIST):
    """60,000 training and 10,000 test images of Japanese characters, 28 × 28 grey.

    Source: T. Clanuwat and others, Deep Learning for Classical Japanese Literature, arXiv:1812.01718 (2018).
    """

    name = "KMNIST"
    folder = "KMNIST/raw"
    class_names = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    bibtex = """@article{clanuwat2018deep,
  title = {Deep learning for classical {J}apanese literature},
  author = {Clanuwat, Tarin and Bober-Irizar, Mikel and Kitamoto, Asanobu and Lamb, Alex and Yamamoto, Kazuaki
    and Ha, David},
  journal = {arXiv preprint arXiv:1812.01718}, year = {2018}
}"""
