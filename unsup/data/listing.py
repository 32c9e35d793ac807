"""The images of a folder, their splits and their labels, by the rules in `Folder`."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError, printable
from unsup.core.files import folder_of_images
from unsup.core.splits import stratified_subset, test_size
from unsup.data.decode import IMAGE_SUFFIXES

MIN_IMAGES = 20  # that can be split into training, validation and test


@dataclass(frozen=True)
class Listing:
    """The images of a split."""

    files: list[str]  # relative to the folder
    labels: NDArray[np.int64] | None

    def at(self, rows: NDArray[np.int64]) -> "Listing":
        return Listing([self.files[i] for i in rows], None if self.labels is None else self.labels[rows])


class FolderListing(NamedTuple):
    """The classes and the splits of a folder."""

    class_names: tuple[str, ...]  # empty if unlabelled
    training: Listing
    test: Listing


def list_folder(top: Path) -> FolderListing:
    """Return the classes, training images and test images of a folder.

    Raises:
        UserError: no such folder, too few images, or an ambiguous arrangement.
    """
    splits = _files_by_split(top)
    labelled = {_has_class_folders(top, prefix, files) for prefix, files in splits.items()}
    if len(labelled) == 2:
        raise UserError(f"{top}: of train/ and test/ only one has class folders: use them in both, or in neither")
    names = sorted({_class(file) for file in next(iter(splits.values()))}) if True in labelled else []
    for file in splits.get("test/", []) if names else []:
        if _class(file) not in names:
            raise UserError(f"{top}/{file}: train/ has no class {_class(file)}: add it there or take it out of test/")
    number = {name: i for i, name in enumerate(names)} if len(names) > 1 else {}  # one class is no label
    listings = [
        Listing(files, np.array([number[_class(file)] for file in files]) if number else None)
        for files in splits.values()
    ]
    if len(listings) == 1:
        n = len(listings[0].files)
        test = stratified_subset(n, test_size(n), listings[0].labels)
        listings = [listings[0].at(np.setdiff1d(np.arange(n), test)), listings[0].at(test)]
    return FolderListing(tuple(map(printable, number)), *listings)  # printable, for figures and tables


def _files_by_split(top: Path) -> dict[str, list[str]]:
    """Return training and perhaps test images by the prefix "train/", "test/" or ""."""
    folder_of_images(top)
    files = list(find_images(top))
    train, test = ([file for file in files if file.startswith(prefix)] for prefix in ("train/", "test/"))
    others = [file for file in files if not file.startswith(("train/", "test/"))]
    if train and others:
        raise UserError(
            f"{top} holds train/ and also {others[0]}: move everything into train/ and test/ "
            "(or rename train/, if it is a class)"
        )
    if train or (test and not others):
        splits = {"train/": train} | ({"test/": test} if (top / "test").is_dir() else {})
    else:
        splits = {"": sorted(files)}
    for prefix, part in splits.items():
        least = 1 if prefix == "test/" else MIN_IMAGES
        if len(part) < least:
            known = " ".join(IMAGE_SUFFIXES)
            raise UserError(f"{top / prefix} holds {len(part)} images and needs at least {least} (known are {known})")
    return splits


def _has_class_folders(top: Path, prefix: str, files: list[str]) -> bool:
    """Return whether all files, or none, are exactly one folder below the prefix."""
    one_deep = {file.count("/") - prefix.count("/") == 1: file for file in reversed(files)}
    if len(one_deep) == 2:
        raise UserError(
            f"{top / prefix} mixes images one folder deep ({one_deep[True]}), which are labelled by it, with others "
            f"({one_deep[False]}): put every image into a class folder, or none"
        )
    return True in one_deep


def _class(file: str) -> str:
    return file.split("/")[-2]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link, which decoding reports
        return False


def find_images(folder: Path, prefix: str = "", above: tuple[Path, ...] = ()) -> Iterator[str]:
    """Yield image files below the folder, relative to it, in the order of their names."""
    here = folder.resolve()
    if here in above:
        return  # a circular link
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({error.strerror}): make it readable") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from find_images(folder / entry.name, f"{prefix}{entry.name}/", (*above, here))
        elif entry.name.lower().endswith(IMAGE_SUFFIXES):
            yield prefix + entry.name
