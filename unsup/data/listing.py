"""Splits and classes of a folder of images, by the rules in `Folder`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unsup.core.commands import key_option
from unsup.core.errors import UserError, printable
from unsup.core.files import folder_of_images
from unsup.core.splits import SplitName, grouped_subset, stratified_subset, test_size
from unsup.core.words import counted
from unsup.data.formats import image_suffixes
from unsup.data.layout import ClassFolders, Part, by_kind, canonical, held, read_part, split_nodes, unicode_form
from unsup.data.scan import kind_of, scan

MIN_IMAGES = 20  # that can be split into training, validation and test
MOST_CLASSES = 10  # that are named in a summary


@dataclass(frozen=True)
class Listing:
    """The images of a split."""

    files: list[str]  # relative to the folder
    labels: NDArray[np.int64] | None

    def at(self, rows: NDArray[np.int64]) -> "Listing":
        return Listing([self.files[i] for i in rows], None if self.labels is None else self.labels[rows])


@dataclass(frozen=True)
class FolderListing:
    """The files of a folder.

    Attributes:
        top: the folder.
        class_names: in the order of labels, empty if unlabelled.
        splits: those that the folder has; "train" always.
        left_out: files below the folder that are not read, by kind, such as ".heic".
        unlabelled_because: why images in folders have no classes, empty if there is nothing to say.
        drawn: whether `draw_test` took the test images from the training images.
    """

    top: Path
    class_names: tuple[str, ...]
    splits: dict[SplitName, Listing]
    left_out: dict[str, list[str]]
    unlabelled_because: str = ""
    drawn: bool = False

    @property
    def files(self) -> list[str]:
        """The images of all splits, one split after the other."""
        return [file for listing in self.splits.values() for file in listing.files]

    def draw_test(self, groups: NDArray[np.int64] | None = None) -> "FolderListing":
        """Take a sixth of the training images for testing, if there is no test split.

        The choice is stratified by class and always the same. With the groups (n,) of the training images it has whole
        ones.
        """
        if "test" in self.splits:
            return self
        whole = self.splits["train"]
        n = len(whole.files)
        count, labels = test_size(n), whole.labels
        test = stratified_subset(n, count, labels) if groups is None else grouped_subset(count, labels, groups)
        train = whole.at(np.setdiff1d(np.arange(n), test))
        return replace(self, splits={**self.splits, "train": train, "test": whole.at(test)}, drawn=True)

    def without(self, unreadable: set[str]) -> "FolderListing":
        """Return the listing without some images, which are left out as "unreadable".

        Raises:
            UserError: too few images, or none of a class, are left.
        """
        splits = {}
        for name, listing in self.splits.items():
            splits[name] = listing.at(np.array([f not in unreadable for f in listing.files], bool).nonzero()[0])
            _require_images(self.top, name, len(splits[name].files), " that can be read")
        if (labels := splits["train"].labels) is not None:
            for number in sorted(set(range(len(self.class_names))) - set(labels.tolist())):
                raise UserError(f"{self.top}: no training image of {self.class_names[number]} can be read")
        return replace(self, splits=splits, left_out={**self.left_out, "unreadable": sorted(unreadable)})

    def summary(self) -> str:
        """Return what was understood and what was left out, on one line."""
        counts = {name: len(listing.files) for name, listing in self.splits.items()}
        parts = [f"{counts['train']:,} training"]
        parts += [f"{counts['val']:,} validation"] if "val" in counts else []
        test = f"{counts['test']:,} test images" + (" (drawn from the training images)" if self.drawn else "")
        text = f"{self._classes()}, {', '.join(parts)} and {test}"
        if absent := self._absent_from_test():
            text += f"; no test image of {_some(absent)}"
        if self.left_out:
            text += f"; left out: {by_kind({kind: len(files) for kind, files in self.left_out.items()})}"
        return text

    def _classes(self) -> str:
        labels = self.splits["train"].labels
        if labels is None:
            return f"no classes ({self.unlabelled_because})" if self.unlabelled_because else "no classes"
        sizes = np.bincount(labels, minlength=len(self.class_names)).tolist()
        each = [f"{name} {n:,}" for name, n in zip(self.class_names, sizes, strict=True)]
        return f"{len(each)} classes (training: {_some(each)})"

    def _absent_from_test(self) -> list[str]:
        labels = self.splits["test"].labels
        tested = set() if labels is None else set(labels.tolist())
        return [name for i, name in enumerate(self.class_names) if i not in tested]


def _some(words: list[str]) -> str:
    more = f" and {len(words) - MOST_CLASSES:,} more" if len(words) > MOST_CLASSES else ""
    return ", ".join(words[:MOST_CLASSES]) + more


def list_folder(top: Path, class_folders: ClassFolders = "auto") -> FolderListing:
    """Return the classes and the images of each split that a folder has.

    Raises:
        UserError: no such folder, too few images, or an arrangement that is not understood.
    """
    root = scan(folder_of_images(top))
    nodes = split_nodes(top, root, class_folders)
    parts: dict[SplitName, Part] = {}
    for name, node in nodes.items():
        _require_images(top / node.path, name, sum(1 for _ in node.files()), held(node))
        parts[name] = read_part(top, node, class_folders)
    if len(nodes) == 1 and nodes["train"].path != "train/":  # in the order of paths
        files, classes, reason = parts["train"]
        order = sorted(range(len(files)), key=files.__getitem__)
        classes = None if classes is None else [classes[i] for i in order]
        parts["train"] = Part([files[i] for i in order], classes, reason)
    unsorted = _test_without_classes(parts) if class_folders == "auto" else []
    if len({part.classes is None for part in parts.values()}) == 2:
        with_classes, without = (
            " and ".join(nodes[name].path for name, part in parts.items() if (part.classes is None) == unlabelled)
            for unlabelled in (False, True)
        )
        raise UserError(
            f"{top}: class folders are in {with_classes} and not in {without}: use them everywhere or nowhere, or give "
            f"{key_option('data.class_folders', 'none')} to read all images without classes"
        )
    names = sorted(set(parts["train"].classes or ()))
    number = {name: i for i, name in enumerate(names)}
    splits = {name: _listing(top / nodes[name].path, part, number) for name, part in parts.items()}
    left_out: dict[str, list[str]] = {}
    for file in sorted(root.left_out()):
        left_out.setdefault(kind_of(file), []).append(file)
    if unsorted:
        left_out["test images without a class"] = unsorted
    class_names = tuple(map(printable, names)) if len(names) > 1 else ()  # printable, for figures and tables
    reason = f"one class, {names[0]}" if len(names) == 1 else parts["train"].reason
    return FolderListing(top, class_names, splits, left_out, reason)


def _test_without_classes(parts: dict[SplitName, Part]) -> list[str]:
    """Take out test images in no folder, if all others are in class folders.

    They are those of a competition, whose classes are secret.
    """
    if "test" not in parts or parts["test"].classes is not None or parts["test"].reason:
        return []
    if any(part.classes is None for name, part in parts.items() if name != "test"):
        return []
    return parts.pop("test").files


def _require_images(place: Path, split: SplitName, n: int, note: str) -> None:
    least = MIN_IMAGES if split == "train" else 1
    if n < least:
        known = " ".join(image_suffixes())
        raise UserError(f"{place} holds {counted(n, 'image')}{note} and needs at least {least} (known are {known})")


def _listing(place: Path, part: Part, number: dict[str, int]) -> Listing:
    """Return the images, with the numbers that training gives to their classes."""
    if part.classes is None:
        return Listing(part.files, None)
    known = {name: _class_like(name, number) for name in set(part.classes)}
    if missing := sorted(name for name, same in known.items() if same is None):
        raise UserError(
            f"{place} has class folders that the training images lack ({_some(missing)}; those have "
            f"{_some(list(number))}): add them there, or take them out"
        )
    labels = np.array([number[known[name] or name] for name in part.classes], np.int64)
    return Listing(part.files, labels if len(number) > 1 else None)  # one class is no label


def _class_like(name: str, names: Iterable[str]) -> str | None:
    """Return the training class of this name, perhaps in another Unicode form or case."""
    for form in (str, unicode_form, canonical):
        same = [other for other in names if form(other) == form(name)]
        if len(same) == 1:
            return same[0]
    return None
