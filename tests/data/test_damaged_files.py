"""Damaged files: one line that names the file, what is wrong with it and the remedy."""

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
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MNIST:
    """A small, whole MNIST on disk."""
    synthetic.expect(monkeypatch, MNIST, FILES)
    synthetic.place(tmp_path, MNIST, FILES)
    return MNIST(str(tmp_path))


def test_whole_files_are_read_exactly(mnist: MNIST) -> None:
    images, labels = mnist.load(True)
    assert images.shape == (120, 1, 28, 28) and images.tobytes() == FILES[IMAGES][16:]
    assert labels is not None and labels.tolist() == [i % 10 for i in range(120)]
    assert len(mnist.load(False)[0]) == 60


HALF = FILES[IMAGES][: len(FILES[IMAGES]) // 2]


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (IMAGES, b"", f"{IMAGES} is not an idx file of 3 dimensions (0 bytes): delete it to download it again"),
        (IMAGES, HALF, f"{IMAGES} is cut short ({len(HALF)} of {len(FILES[IMAGES])} bytes): delete it"),
        (IMAGES, FILES[IMAGES] + b"x", f"{IMAGES} is too long"),
        (IMAGES, b"<html>" + FILES[IMAGES][6:], f"{IMAGES} is not an idx file"),
        (IMAGES, FILES[LABELS], f"{IMAGES} is not an idx file of 3 dimensions"),
        (IMAGES, FILES[IMAGES][:-1] + b"\x07", f"{IMAGES} is altered"),
        (LABELS, FILES[LABELS][:-1] + b"\x07", f"{LABELS} is altered"),
        ("t10k-images-idx3-ubyte", HALF, "t10k-images-idx3-ubyte is cut short"),  # the test files as well
        ("t10k-labels-idx1-ubyte", FILES[LABELS], "t10k-labels-idx1-ubyte is altered"),
    ],
)
def test_damage_is_named(mnist: MNIST, file: str, content: bytes, expected: str) -> None:
    (mnist.place / file).write_bytes(content)
    text = complaint(mnist)
    assert str(mnist.place / expected.split()[0]) in text and expected in text and "delete" in text


@pytest.mark.parametrize("cls", [FashionMNIST, KMNIST])
@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        (LABELS, synthetic.idx(np.arange(119) % 10), f"{IMAGES} holds 120 images but"),
        (LABELS, synthetic.idx(np.full(120, 10)), f"{LABELS} holds label 10, the highest is 9: delete it"),
        (IMAGES, synthetic.idx(np.zeros((120, 28, 27))), f"{IMAGES} holds images of (28, 27), not (28, 28): delete it"),
    ],
)
def test_files_without_a_known_checksum_are_checked(
    tmp_path: Path, cls: type[MNIST], file: str, content: bytes, expected: str
) -> None:
    synthetic.place(tmp_path, cls, {**FILES, file: content})
    text = complaint(cls(str(tmp_path)))
    assert expected in text and "delete" in text and str(tmp_path / cls.folder) in text


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
