"""The splits and classes that the arrangement of a folder means."""

import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal, NamedTuple

from unsup.core.errors import UserError
from unsup.data.scan import Node, kind_of
from unsup.data.split_names import SplitName, split_folder

ClassFolders = Literal["auto", "top", "none"]

LAYERS = frozenset(("images", "image", "imgs", "img", "jpegimages", "jpeg", "jpegs", "pictures", "photos"))
MASKS = frozenset(("masks", "mask", "labels", "label", "annotations", "segmentation", "segmentations", "gt"))
EXPECTED = "expected are train/<class>/… and test/<class>/… (val/ if you have it), <class>/…, or images alone"
# Folders of albums: 2024, 2024-05, 2024_05_01 Rome; inside a year 05 or May; of cameras 100CANON, 202405__
YEAR = re.compile(r"(19|20)\d\d")
DATE = re.compile(YEAR.pattern + r"([-_. ]?(0[1-9]|1[0-2])([-_. ]?(0[1-9]|[12]\d|3[01])([-_. ].*)?)?)?")
MONTH = re.compile(r"(0?[1-9]|1[0-2])?[-_. ]?((jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)?", re.IGNORECASE)
CAMERA = re.compile(r"[1-9]\d\d[A-Z0-9_]{5}|20\d{4}__", re.IGNORECASE)


class Part(NamedTuple):
    """The images of a split."""

    files: list[str]  # relative to the top
    classes: list[str] | None  # name for each file, None if unlabelled


def split_nodes(top: Path, root: Node, rule: ClassFolders) -> dict[SplitName, Node]:
    """Return the folder of each split, or the whole as training images.

    One wrapping folder or several are passed through.

    Raises:
        UserError: some folders are named like splits and others are not, or two are named like one split.
    """
    node = root
    while True:
        named = {
            folder.name: found
            for folder in node.folders
            if (found := split_folder(folder.name)) and (folder.seems_to_matter or not found.rest)
        }
        others = [*node.images, *(folder.path for folder in node.classes if folder.name not in named)]
        exact = [name for name, found in named.items() if not found.rest]
        kinds = {found.split for found in named.values()}
        alike = len({found.rest for found in named.values()}) == 1 and (exact or len(kinds) > 1)
        if alike and not others and len(kinds) == len(named):
            return _with_training(top, node, {found.split: name for name, found in named.items()})
        suspicious = exact or alike or (len(kinds) > 1 and not others)
        by_choice = rule != "auto" and (len(kinds) == 1 or not alike)
        if suspicious and not by_choice:
            raise UserError(_unclear_splits(top, node, list(named), others, len(kinds) == 1))
        if node.images or len(node.classes) != 1:
            return {"train": node}
        node = node.classes[0]


def _with_training(top: Path, node: Node, names: dict[SplitName, str]) -> dict[SplitName, Node]:
    if "train" not in names:
        held = " and ".join(f"{name}/" for name in names.values())
        raise UserError(f"{top / node.path} holds {held} but no train/: put the training images there")
    folders = {folder.name: folder for folder in node.folders}
    return {split: folders[names[split]] for split in ("train", "val", "test") if split in names}


def _unclear_splits(top: Path, node: Node, named: list[str], others: list[str], is_one: bool) -> str:
    held = ", ".join(f"{name}/" for name in named[:4])
    beside = f" and also {others[0].removeprefix(node.path)}" if others else ""
    remedy = "move everything into train/, val/ and test/, one folder for each"
    if is_one:
        remedy += ", or if these are classes, set data.class_folders to top"
    return f"{top / node.path} holds {held}{beside}, of which only some are named like splits or two like one: {remedy}"


def read_part(top: Path, node: Node, rule: ClassFolders) -> Part:
    """Return the images of a split and their classes.

    Raises:
        UserError: the arrangement is not understood, or a class has no image.
    """
    whole = node
    node = _inside(node)
    if rule == "none" or not any(folder.has_images for folder in node.classes) or (rule == "auto" and is_album(node)):
        return Part(list(whole.files()), None)
    at = top / node.path
    escape = "or set data.class_folders to none to read all images without classes"
    if node.images:
        deep = next(file for folder in node.classes for file in folder.files())
        raise UserError(
            f"{at} mixes images one folder deep ({deep}), which are labelled by it, with others ({node.images[0]}): "
            f"put every image into a class folder, {escape}"
        )
    if rule == "auto":
        _refuse_masks(at, node)
        _refuse_equal_names(at, node)
    for folder in node.classes:
        if not folder.has_images:
            raise UserError(f"{at / folder.name} holds no image that can be read{held(folder)}: add some or remove it")
        if rule == "auto" and not _is_class(folder):
            raise UserError(_too_deep(at, folder, escape))
    pairs = [(file, folder.name) for folder in node.classes for file in folder.files()]
    return Part([file for file, _ in pairs], [name for _, name in pairs])


def held(folder: Node) -> str:
    """Return the files of a folder that are left out as a note, by kind."""
    kinds = Counter(map(kind_of, folder.left_out())).most_common()
    return f" (left out: {', '.join(f'{n} {kind}' for kind, n in kinds)})" if kinds else ""


def _inside(node: Node) -> Node:
    """Return the folder below layers such as images/ or a repeated name."""
    while not node.images and len(node.classes) == 1:
        below = node.classes[0]
        repeated = below.name == node.name or split_folder(below.name) is not None
        if below.images and below.name.lower() not in LAYERS and not repeated:
            break
        node = below
    return node


def _is_class(folder: Node) -> bool:
    """Return whether all images of a folder lie in one place."""
    below = [inner for inner in folder.folders if inner.has_images]
    return not below or (not folder.images and len(below) == 1 and _is_class(below[0]))


def is_album(node: Node) -> bool:
    """Return whether the folders inside are dates, or those of a camera."""
    above = node.path.rstrip("/").split("/")
    names = [folder.name for folder in node.classes]
    months = bool(YEAR.fullmatch(above[-1])) and all(MONTH.fullmatch(name) for name in names)
    return months or "dcim" in map(str.lower, above) or all(DATE.fullmatch(n) or CAMERA.fullmatch(n) for n in names)


def _too_deep(at: Path, folder: Node, escape: str) -> str:
    below = ", ".join(f"{inner.name}/" for inner in folder.folders[:3])
    holds = "images and also" if folder.images else "only"
    return (
        f"{at / folder.name} holds {holds} folders ({below}): {EXPECTED}; set data.class_folders to top to take the "
        f"first folder as the class ({folder.name}), {escape}"
    )


def _refuse_masks(at: Path, node: Node) -> None:
    names = {folder.name.lower(): folder.name for folder in node.classes}
    layers, masks = sorted(LAYERS & names.keys()), sorted(MASKS & names.keys())
    if layers and masks:
        raise UserError(
            f"{at} holds {names[layers[0]]}/ and {names[masks[0]]}/, which look like images and their masks: name "
            f"{at / names[layers[0]]} as the folder of images, or if these are classes, set data.class_folders to top"
        )


def _refuse_equal_names(at: Path, node: Node) -> None:
    spellings = defaultdict(list)
    for folder in node.classes:
        spellings[canonical(folder.name)].append(folder.name)
    for names in spellings.values():
        # "A" and "a" are different letters
        if len(names) > 1 and (len(canonical(names[0])) > 1 or len(set(map(unicode_form, names))) < len(names)):
            raise UserError(
                f"{at} holds classes that differ only in case or Unicode form ({', '.join(map(ascii, names))}): merge "
                "them, or rename one"
            )


def unicode_form(name: str) -> str:
    """Return a name with accents and spaces in one form, as file systems differ."""
    return unicodedata.normalize("NFC", name).strip()


def canonical(name: str) -> str:
    """Return a name without differences of case and Unicode form."""
    return unicode_form(unicode_form(name).casefold())
