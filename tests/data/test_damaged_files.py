"""Damaged files are reported in one line with the remedy."""

from pathlib import Path

import numpy as np
import pytest
import synthetic
from synthetic import complaint

from unsup.data.cifar import CIFAR10, CIFAR100
from unsup.data.mnist import KMNIST, MNIST, FashionMNIST

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
FILES = synthetic.mnist_files()


@pytest.fixture
def mnist(tmp_path: Path) -> MNIST:
    """Make a small MNIST."""
    synthetic.place(tmp_path, MNIST, FILES)
    return MNIST(str(tmp_path))


def test_whole_files_are_read_exactly(mnist: MNIST) -> None:
    images, labels = mnist.load(True)
    assert images.shape == (120, 1, 28, 28) and images.tobytes() == FILES[IMAGES][16:]
    assert labels is not None and labels.tolist() == [i % 10 for i in range(120)]
    assert len(mnist.load(False)[0]) == 60


HALF = FILES[IMAGES][: len(FILES[IMAGES]) // 2]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (IMAGES, b""),
        (IMAGES, b"\0\0\x08"),
        (IMAGES, HALF),
        (IMAGES, FILES[IMAGES][:-1]),
        (IMAGES, FILES[IMAGES] + b"x"),
        (IMAGES, b"<html>" + FILES[IMAGES][6:]),
        (IMAGES, FILES[LABELS]),
        (IMAGES, b"\0\0\x09" + FILES[IMAGES][3:]),  # signed bytes
        (IMAGES, b"\0\0\x0a" + FILES[IMAGES][3:]),  # a type that there is not
        (LABELS, FILES[IMAGES]),
        (LABELS, FILES[LABELS][:-1]),
        ("t10k-images-idx3-ubyte", HALF),  # the test files as well
    ],
)
def test_damage_is_named(mnist: MNIST, file: str, content: bytes) -> None:
    (mnist.place / file).write_bytes(content)
    assert complaint(mnist) == f"{mnist.place / file} is damaged or cut short: delete it to download it again"


def test_a_file_that_cannot_be_read_is_named(mnist: MNIST, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("torchvision.datasets.mnist.read_label_file", refuse)
    assert complaint(mnist) == f"{mnist.place / LABELS} cannot be read: Permission denied"


@pytest.mark.parametrize("cls", [MNIST, FashionMNIST, KMNIST])
@pytest.mark.parametrize(
    ("file", "content"),
    [
        (LABELS, synthetic.idx(np.arange(119) % 10)),
        (LABELS, synthetic.idx(np.full(120, 10))),
        (IMAGES, synthetic.idx(np.zeros((120, 28, 27)))),
    ],
)
def test_files_that_do_not_match_are_named(tmp_path: Path, cls: type[MNIST], file: str, content: bytes) -> None:
    synthetic.place(tmp_path, cls, {**FILES, file: content})
    files = f"{tmp_path / cls.folder / IMAGES} and {LABELS}"
    assert complaint(cls(str(tmp_path))) == f"{files} do not match: delete both to download them again"


@pytest.mark.parametrize("cls", [CIFAR10, CIFAR100])
def test_altered_cifar_is_named_and_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cls: type[CIFAR10]
) -> None:
    files = synthetic.cifar_files(cls)
    synthetic.expect(monkeypatch, cls, files)
    evil = b"cbuiltins\nexec\n(S'raise SystemExit'\ntR."  # a pickle that runs code
    for file in files:
        synthetic.place(tmp_path, cls, {**files, file: evil})
        text = complaint(cls(str(tmp_path)))
        assert f"{tmp_path / cls.folder}: {file} altered or cut short" in text and "delete" in text


def test_cifar_pixels_and_channels_are_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = synthetic.cifar_files(CIFAR10)
    synthetic.expect(monkeypatch, CIFAR10, files)
    synthetic.place(tmp_path, CIFAR10, files)
    images, labels = CIFAR10(str(tmp_path)).load(True)
    assert images.shape == (200, 3, 32, 32) and labels is not None and labels[:12].tolist() == [*range(10), 0, 1]
    raw = np.random.default_rng(0).integers(0, 256, (40, 3072), np.uint8)  # rows are red, green, blue planes
    assert (images[:40].reshape(40, 3072) == raw).all()
