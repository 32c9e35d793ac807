"""Names of folders that say which split their images belong to."""

import re
from itertools import product
from typing import NamedTuple

from unsup.core.splits import SplitName

STEMS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training", "trn", "训练"),
    "val": ("val", "valid", "validation", "validate", "dev", "验证"),
    "test": ("test", "testing", "tst", "测试"),
}
FILLERS = ("set", "sets", "data", "dataset", "split", "images", "image", "imgs", "img", "pictures", "folder", "集")
WORDS = {
    stem + ending: split for split, stems in STEMS.items() for stem, ending in product(stems, ("", *FILLERS))
}  # "train", "trainset", …


class SplitFolder(NamedTuple):
    """The split and the other words in the name of a folder."""

    split: SplitName
    rest: tuple[str, ...]  # other words of the name, such as ("mnist",) of "mnist_train"


def split_folder(name: str) -> SplitFolder | None:
    """Return the split that a folder is named after, None if it is none.

    Case, punctuation, numbers and words such as "set" do not count, as in "Training Set (1)" or "val2017".
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # "TrainSet"
    words = re.findall(r"[^\W\d_]+", spaced.lower())
    splits = {WORDS[word] for word in words if word in WORDS}
    if len(splits) != 1:
        return None
    return SplitFolder(splits.pop(), tuple(word for word in words if word not in WORDS and word not in FILLERS))
