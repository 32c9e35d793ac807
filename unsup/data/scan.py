"""The files below a folder, images and others."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from unsup.core.errors import UserError
from unsup.data.formats import OTHER_PICTURES, image_suffixes, is_renamed

# Files and folders of operating systems, network drives and archives, besides those that begin with a dot
SYSTEM_NAMES = frozenset(
    (
        *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "#recycle", "#snapshot"),
        *("$recycle.bin", "system volume information", "lost+found", "__pycache__"),
    )
)
NO_SUFFIX = "without suffix"


@dataclass
class Node:
    """A folder below the one that the user named.

    Attributes:
        path: relative to the top, "" or such as "train/cat/".
        entries: images (paths relative to the top) and folders, in the order of their names.
        others: files that are no images, relative to the top.
    """

    path: str
    entries: "list[str | Node]" = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]

    @property
    def images(self) -> list[str]:
        """The images directly inside."""
        return [entry for entry in self.entries if isinstance(entry, str)]

    @property
    def folders(self) -> "list[Node]":
        return [entry for entry in self.entries if isinstance(entry, Node)]

    def files(self) -> Iterator[str]:
        """Yield all images inside and below, folder after folder in the order of names."""
        for entry in self.entries:
            if isinstance(entry, str):
                yield entry
            else:
                yield from entry.files()

    def left_out(self) -> Iterator[str]:
        """Yield all files inside and below that are no images."""
        yield from self.others
        for folder in self.folders:
            yield from folder.left_out()

    @cached_property
    def has_images(self) -> bool:
        return bool(self.images) or any(folder.has_images for folder in self.folders)

    @cached_property
    def seems_to_matter(self) -> bool:
        """Whether it holds images, pictures that cannot be read, or nothing at all."""
        if self.has_images:
            return True
        others = list(self.left_out())
        return not others or any(kind_of(file) in OTHER_PICTURES for file in others)

    @cached_property
    def classes(self) -> "list[Node]":
        """The folders directly inside that images of a class may be in."""
        return [folder for folder in self.folders if folder.seems_to_matter]


def kind_of(file: str) -> str:
    """Return the suffix of a file in lower case, if it has one."""
    return Path(file).suffix.lower() or NO_SUFFIX


def scan(top: Path) -> Node:
    """Return the tree below a folder. Hidden and system files are passed over.

    Symbolic links are followed, circular ones are skipped.

    Raises:
        UserError: a folder cannot be listed.
    """
    return _scanned(top, "", (), image_suffixes())


def _scanned(folder: Path, path: str, above: tuple[Path, ...], suffixes: tuple[str, ...]) -> Node:
    node, here = Node(path), folder.resolve()
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{folder} cannot be listed ({error.strerror}): make it readable") from error
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in SYSTEM_NAMES:
            continue
        if _is_folder(entry):
            below = folder / entry.name
            if not entry.is_symlink() or below.resolve() not in (*above, here):
                node.entries.append(_scanned(below, f"{path}{entry.name}/", (*above, here), suffixes))
        elif entry.name.lower().endswith(suffixes) or is_renamed(folder / entry.name):
            node.entries.append(path + entry.name)
        else:
            node.others.append(path + entry.name)
    return node


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link, which decoding reports
        return False


def find_images(top: Path) -> list[str]:
    """Return all image files below a folder, relative to it, in order of names."""
    return list(scan(top).files())
