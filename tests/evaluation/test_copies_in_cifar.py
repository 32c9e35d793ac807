"""Near-duplicates in CIFAR-10, against the list of Barz and Denzler 2020."""

import csv
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from copies import COPIES, copies
from PIL import Image

from unsup.metrics.near_duplicates import LabelledImages, find_near_duplicates

DATA = Path(__file__).parents[3] / "shared" / "data"
ARCHIVE, LIST = DATA / "archives" / "cifar10-jpeg.tar.gz", DATA / "external" / "cifar10_near_duplicates.csv"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ARCHIVE.is_file() and LIST.is_file()), reason="CIFAR-10 is not in ../shared/data"),
]


@pytest.fixture(scope="module")
def pictures() -> dict[str, dict[str, np.ndarray]]:
    """The images (3, 32, 32) of each split by the name of the file."""
    found: dict[str, dict[str, np.ndarray]] = {"train": {}, "test": {}}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            if member.name.endswith(".jpg"):
                content = archive.extractfile(member)
                assert content is not None
                picture = np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB")).transpose(2, 0, 1)
                found[member.name.split("/")[-3]][member.name] = picture
    return found


def of(pictures: dict[str, np.ndarray]) -> LabelledImages:
    names = [name.split("/")[-2] for name in pictures]
    return LabelledImages(np.stack(list(pictures.values())), np.unique(names, return_inverse=True)[1])


@pytest.mark.parametrize("kind", COPIES)
def test_copies_among_photographs_are_found(kind: str, pictures: dict[str, dict[str, np.ndarray]]) -> None:
    some = of(dict(list(pictures["test"].items())[::5]))  # 2,000
    planted = copies(some.images[::20], kind)
    images, labels = np.concatenate([some.images, planted]), np.concatenate([some.labels, some.labels[::20]])
    pairs = find_near_duplicates(LabelledImages(images, labels))
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    expected = {(20 * i, len(some.images) + i) for i in range(len(planted))}
    assert len(found & expected) >= 0.95 * len(expected) and pairs.expected <= 1


def test_most_of_the_known_copies_are_found(pictures: dict[str, dict[str, np.ndarray]]) -> None:
    """Of 286 test images with a copy from the same shot (judgment 1) or a similar one."""
    pairs = find_near_duplicates(of(pictures["test"]), of(pictures["train"]))
    names = list(pictures["test"])
    found = {"/".join(names[i].split("/")[-3:]) for i in pairs.first.tolist()}
    with LIST.open(newline="") as file:
        known = {row["file"] for row in csv.DictReader(file) if row["judgment"] == "1"}
    assert len(found & known) / len(known) >= 0.6
    assert pairs.expected <= 1
