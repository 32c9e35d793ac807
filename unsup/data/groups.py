"""Groups of files that a split must not cut, such as the frames of a film."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UsageError, UserError


def named_groups(files: Sequence[str], rule: str) -> NDArray[np.int64]:
    """Return the group (n,) of each file.

    Args:
        files: relative to the folder of images.
        rule: "folder" for the folder that an image lies in, a CSV file with the columns file,group, or a pattern with
            one group in brackets that is found in the name of each file.

    Raises:
        UsageError: the rule is no pattern.
        UserError: a file has no group.
    """
    if rule == "folder":
        names = [file.rpartition("/")[0] for file in files]
    elif rule.lower().endswith(".csv"):
        names = _from_table(files, Path(rule).expanduser())
    else:
        names = _from_names(files, rule)
    return np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.int64)


def _from_table(files: Sequence[str], path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"data.groups: {path} cannot be read ({error})") from error
    if not rows or not {"file", "group"} <= rows[0].keys():
        raise UserError(f"data.groups: {path} needs a first line file,group and a line for each image")
    groups = {row["file"]: row["group"] for row in rows}
    if missing := [file for file in files if not groups.get(file)]:
        raise UserError(f"data.groups: {path} has no group for {len(missing)} images (the first: {missing[0]})")
    return [groups[file] for file in files]


def _from_names(files: Sequence[str], rule: str) -> list[str]:
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise UsageError(f"data.groups is {rule!r}: not a pattern ({error})") from error
    if pattern.groups != 1:
        raise UsageError(f"data.groups is {rule!r}: write folder, found, a .csv file, or a pattern with one (group)")
    found = [pattern.search(file.rpartition("/")[2]) for file in files]
    if missing := [file for file, match in zip(files, found, strict=True) if match is None or match[1] is None]:
        raise UserError(f"data.groups is {rule!r}: {len(missing)} names do not match (the first: {missing[0]})")
    return [match[1] for match in found if match]
