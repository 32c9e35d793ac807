"""Groups of files that a split must not cut, such as the frames of a film."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UsageError, UserError
from unsup.core.tables import FileNames, read_table
from unsup.core.words import counted
from unsup.data.exif import bursts

EXIF = re.compile(r"exif:(\d+(?:\.\d+)?)s")  # such as exif:60s
RULES = "folder, found, exif:60s, a .csv file, or a pattern with one (group)"


def check_rule(rule: str) -> None:
    """Raise `UsageError` for a rule that `Folder` does not know."""
    if not rule or rule in ("folder", "found") or EXIF.fullmatch(rule) or rule.lower().endswith(".csv"):
        return
    if rule.startswith("exif:"):
        raise UsageError(f"data.groups is {rule!r}: write the seconds as in exif:60s")
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise UsageError(f"data.groups is {rule!r}: not a pattern ({error}); write {RULES}") from error
    if pattern.groups != 1:
        raise UsageError(f"data.groups is {rule!r}: write {RULES}")


def named_groups(top: Path, files: Sequence[str], rule: str) -> NDArray[np.int64]:
    """Return the group (n,) of each file.

    Args:
        top: the folder of images.
        files: relative to it.
        rule: "folder" for the folder that an image lies in, "exif:60s" for photographs that follow within 60 seconds, a
            CSV file with the columns file,group, or a pattern with one group in brackets that is found in the name of
            each file.

    Raises:
        UserError: a file has no group.
    """
    if shots := EXIF.fullmatch(rule):
        try:
            return bursts([top / file for file in files], float(shots[1]))
        except ValueError as error:
            raise UserError(f"data.groups is {rule!r}: {error}; write {RULES}") from error
    if rule == "folder":
        names = [file.rpartition("/")[0] for file in files]
    elif rule.lower().endswith(".csv"):
        names = _from_table(files, Path(rule).expanduser())
    else:
        names = _from_names(files, rule)
    return np.unique(np.array(names, np.str_), return_inverse=True)[1].astype(np.int64)


def _from_table(files: Sequence[str], path: Path) -> list[str]:
    known, groups = FileNames(files), dict[str, str]()
    for row in read_table(path, ("file", "group")):
        if file := known.find(row["file"]):  # it may have lines on other images
            groups[file] = row["group"].strip()
    if missing := [file for file in files if not groups.get(file)]:
        count = counted(len(missing), "image")
        raise UserError(f"data.groups: {path} has no group for {count} (the first: {missing[0]})")
    return [groups[file] for file in files]


def _from_names(files: Sequence[str], rule: str) -> list[str]:
    found = [re.search(rule, file.rpartition("/")[2]) for file in files]
    if missing := [file for file, match in zip(files, found, strict=True) if match is None or match[1] is None]:
        count = counted(len(missing), "name does", "names do")
        raise UserError(f"data.groups is {rule!r}: {count} not match (the first: {missing[0]})")
    return [match[1] for match in found if match]
