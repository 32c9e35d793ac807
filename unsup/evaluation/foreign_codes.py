"""Check and judge codes that were made anywhere, without torch."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unsup.core.arrays import Floats, Ids
from unsup.core.errors import UsageError, UserError
from unsup.core.splits import train_val_split
from unsup.evaluation.arrays import CodeEvaluation, judge_arrays
from unsup.evaluation.encoded import Encoded, finite

FEWEST_CODES = 10  # images of a split: with fewer the scores say nothing
SUFFIXES = {"train": "", "val": "val_", "test": "test_"}  # of the arguments' names: codes, val_codes, test_codes


def judge_codes(
    codes: Any, labels: Any, test_codes: Any, test_labels: Any, val_codes: Any, val_labels: Any
) -> CodeEvaluation:
    """Score codes (N, D) against labels (N,), with the errors of `unsup.evaluate`."""
    if val_codes is None and val_labels is not None:
        raise UsageError("val_labels without val_codes: give both, or neither to have them set aside from codes")
    z = {"train": code_matrix(codes, "train"), "test": code_matrix(test_codes, "test")}
    if val_codes is not None:
        z["val"] = code_matrix(val_codes, "val")
    for split, rows in z.items():
        if rows.shape[1] != z["train"].shape[1]:
            sizes = f"{rows.shape[1]} dimensions and codes {z['train'].shape[1]}"
            raise UserError(f"{SUFFIXES[split]}codes have {sizes}: they must come from one encoder")
    y = numbered({"train": labels, "val": val_labels, "test": test_labels}, {s: len(rows) for s, rows in z.items()})
    if "val" not in z:
        train, val = train_val_split(len(z["train"]), None if y is None else y["train"])
        z |= {"train": z["train"][train], "val": z["train"][val]}
        if y is not None:
            y |= {"train": y["train"][train], "val": y["train"][val]}
    encoded = {split: Encoded(rows) for split, rows in z.items()}
    return judge_arrays(encoded, y, workers=usable_cores())


def code_matrix(values: Any, split: str) -> Floats:
    """Return codes as float32 (N, D) if all of them are finite."""
    name = f"{SUFFIXES[split]}codes"
    try:
        with np.errstate(over="ignore"):  # what is too large for float32 is refused below
            codes: Floats = np.ascontiguousarray(values, np.float32)
    except (TypeError, ValueError, RuntimeError) as e:  # the last of a tensor that needs gradients
        raise UserError(f"{name} are no array of numbers: {' '.join(str(e).split())}") from e
    if codes.ndim != 2 or not codes.shape[1]:
        raise UserError(f"{name} have shape {np.shape(values)}: they must be a matrix (N, D), one row per image")
    if len(codes) < FEWEST_CODES:
        raise UserError(f"{name} are of {len(codes)} images: at least {FEWEST_CODES} are needed")
    return finite(codes, name, split, "leave these images out")


def numbered(labels: dict[str, Any], sizes: dict[str, int]) -> dict[str, Ids] | None:
    """Return labels (n,) as numbers in the order of the classes, None if all are None."""
    if all(labels[split] is None for split in sizes):
        return None
    arrays = {split: label_array(labels[split], split, size) for split, size in sizes.items()}
    known = np.unique(arrays["train"])
    if len(known) < 2:
        raise UserError(f"all labels are {known[0]}: give labels of two classes or more, or None for all labels")
    for split, values in arrays.items():
        if values.dtype.kind != known.dtype.kind:
            raise UserError(f"{SUFFIXES[split]}labels are of type {values.dtype} and labels of {known.dtype}: use one")
        unknown = np.setdiff1d(values, known)
        if len(unknown):
            raise UserError(f"{SUFFIXES[split]}labels hold {unknown[0]}, a class without training images: leave it out")
    return {split: np.searchsorted(known, values).astype(np.int64) for split, values in arrays.items()}


def label_array(values: Any, split: str, size: int) -> NDArray[Any]:
    """Return labels as an array of integers or texts."""
    name = f"{SUFFIXES[split]}labels"
    if values is None:
        raise UserError(f"{name} are missing: give labels of all codes, or None for all of them")
    array = np.asarray(values)
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.flat):
        array = array.astype(str)
    if array.shape != (size,):
        raise UserError(f"{name} have shape {array.shape} for {size} codes: they must be ({size},)")
    if array.dtype.kind in "iub":
        array = array.astype(np.int64)
    elif array.dtype.kind != "U":
        raise UserError(f"{name} are of type {array.dtype}: they must be whole numbers or names")
    if array.dtype.kind == "i" and array.min() < 0:
        raise UserError(f"{name} hold {array.min()}: leave out images without a label")
    return array


def usable_cores() -> int:
    """Return how many measures are computed at a time."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(limit)) if limit.isdecimal() else usable
