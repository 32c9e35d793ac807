"""Codes in a file as the codes of the splits of a data set."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unsup.core.arrays import Floats, Ids
from unsup.core.errors import UserError
from unsup.core.splits import SPLITS, SplitName
from unsup.data.base import ImageData, Split
from unsup.data.code_file import CodeFile, read_code_file
from unsup.evaluation.encoded import finite
from unsup.models.foreign.stored_codes import StoredCodes


def stored_codes(model: StoredCodes, data: ImageData) -> dict[SplitName, Floats]:
    """Return the codes (n, D) of each split, float32.

    A call counts as a pass over the test images.
    The file has the codes of all official training images in their order; or, if it has `val`, those of the training
    and of the validation images of the split.

    Raises:
        UserError: their numbers or labels are not those of the data set.
    """
    arrays, codes = read_code_file(model.file), dict[SplitName, Floats]()
    data.test_reads += 1
    for split in SPLITS:
        whole = split == "test" or "val" in arrays  # otherwise validation rows are among those of train
        name = split if whole else "train"
        rows = np.arange(data.size(split)) if whole else data._get_rows(split)
        expected = data.size(split) if whole else len(data._get_arrays(train=True)[0])
        if len(arrays[name]) != expected:
            raise UserError(
                f"{model.file}: {name} has {len(arrays[name]):,} rows, the data set {expected:,} such images"
            )
        check_labels(model, data, split, arrays.get(f"{name}_labels"), rows)
        rows_of_split = arrays[name][rows].astype(np.float32, copy=False)
        codes[split] = finite(rows_of_split, f"{model.file}: codes", split, "make them again")
    return codes


def check_labels(model: StoredCodes, data: ImageData, split: Split, labels: NDArray[Any] | None, rows: Ids) -> None:
    """Refuse labels, numbers or names, that are not those of the images of a split."""
    truth = data.labels(split)
    if labels is None or truth is None or isinstance(data, CodeFile):
        return
    expected = np.array(data.class_names)[truth] if labels.dtype.kind == "U" else truth
    if len(wrong := np.flatnonzero(labels[rows] != expected)):
        first = f"{labels[rows][wrong[0]]} in the file, {expected[wrong[0]]} in the data set"
        problem = f"{len(wrong):,} {split} labels are not those of the images (the first: {first})"
        raise UserError(f"{model.file}: {problem}: put the codes into the order of the images")


def has_images(data: ImageData) -> bool:
    """Return whether there are images, and not only their codes."""
    return not isinstance(data, CodeFile) or data.pictured
