"""The splits and classes that the arrangement of a folder means."""

import re
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal, NamedTuple

from unsup.core.commands import install, key_option
from unsup.core.errors import UserError, printable
from unsup.core.files import folder_of_images
from unsup.core.splits import SPLITS, SplitName
from unsup.data.formats import ARCHIVES, HEIF_SUFFIXES, image_suffixes
from unsup.data.scan import NO_SUFFIX, Node, kind_of, scan
from unsup.data.split_names import split_folder

ClassFolders = Literal["auto", "top", "none"]

LAYERS = frozenset(("images", "image", "imgs", "img", "jpegimages", "jpeg", "jpegs", "pictures", "photos"))
MASK = re.compile(r"(mask|label|annotation|segment|trimap|ground.?truth|gt\b|depth)", re.IGNORECASE)
UNSORTED = re.compile(r"(un|not.?)(labell?ed|annotated|sorted|classified)", re.IGNORECASE)
EXPECTED = "expected are train/<class>/… and test/<class>/… (val/ if you have it), <class>/…, or images alone"
# Folders of albums: 2024, 2024-05, 2024_05_01 Rome; inside a year 05 or May; of cameras 100CANON, 202405__
YEAR = re.compile(r"(19|20)\d\d")
DATE = re.compile(YEAR.pattern + r"([-_. ]?(0[1-9]|1[0-2])([-_. ]?(0[1-9]|[12]\d|3[01])([-_. ].*)?)?)?")
MONTH = re.compile(r"(0?[1-9]|1[0-2])?[-_. ]?((jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)?", re.IGNORECASE)
PART = re.compile(r"(part|batch|chunk|shard|volume|vol|dis[ck]|subset|fold|images?|imgs?)", re.IGNORECASE)  # images_001
CAMERA = re.compile(r"[1-9]\d\d[A-Z0-9_]{5}|20\d{4}__", re.IGNORECASE)


class Part(NamedTuple):
    """The images of a split."""

    files: list[str]  # relative to the top
    classes: list[str] | None  # name for each file, None if unlabelled
    reason: str = ""  # why images in folders are unlabelled


def split_nodes(top: Path, root: Node, rule: ClassFolders) -> dict[SplitName, Node]:
    """Return the folder of each split, or the whole as training images.

    One wrapping folder or several are passed through. If each class has folders of the splits, as in cat/train and
    cat/test, folders of the splits are made of them.

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
            return splits_in_classes(node) or {"train": node}
        node = node.classes[0]


def splits_in_classes(node: Node) -> dict[SplitName, Node]:
    """Return a folder of classes for each split, if every class has its own splits.

    Each must hold a training split, and nothing but splits.
    """
    splits: dict[SplitName, Node] = {}
    for folder in node.classes:
        names = [split_folder(below.name) for below in folder.classes]
        found = [name.split for name in names if name and not name.rest]
        if node.images or folder.images or len(set(found)) < len(names) or "train" not in found:
            return {}
        for split, below in zip(found, folder.classes, strict=True):
            part = splits.setdefault(split, Node(node.path))
            part.entries.append(Node(folder.path, below.entries, below.others))
    return {split: splits[split] for split in SPLITS if split in splits} if len(splits) > 1 else {}


def _with_training(top: Path, node: Node, names: dict[SplitName, str]) -> dict[SplitName, Node]:
    if "train" not in names:
        held = " and ".join(f"{name}/" for name in names.values())
        raise UserError(f"{top / node.path} holds {held} but no train/: put the training images there")
    folders = {folder.name: folder for folder in node.folders}
    return {split: folders[names[split]] for split in SPLITS if split in names}


def _unclear_splits(top: Path, node: Node, named: list[str], others: list[str], is_one: bool) -> str:
    folders = ", ".join(f"{name}/" for name in named[:4])
    if others:
        kind = "splits" if len(named) > 1 else "a split"
        fault = f"{folders}, named like {kind}, beside {others[0].removeprefix(node.path)}"
    else:
        fault = f"{folders}, of which two are named like the same split"
    remedy = "move all images into train/, test/ and perhaps val/, one folder for each"
    if is_one:
        remedy += f", or if these are classes, give {key_option('data.class_folders', 'top')}"
    return f"{top / node.path} holds {fault}: {remedy}"


def read_part(top: Path, node: Node, rule: ClassFolders) -> Part:
    """Return the images of a split and their classes.

    Raises:
        UserError: the arrangement is not understood, or a class has no image.
    """
    whole = node
    node = _inside(node)
    files = list(whole.files())
    if not any(folder.has_images for folder in node.classes):
        return Part(files, None)
    if rule == "none" or (rule == "auto" and is_album(node)):
        return Part(files, None, "data.class_folders is none" if rule == "none" else "folders of an album or archive")
    at = top / node.path
    escape = f"or give {key_option('data.class_folders', 'none')} to read all images without classes"
    if node.images:
        deep = next(file for folder in node.classes for file in folder.files())
        raise UserError(
            f"{at} mixes images one folder deep ({deep}), which are labelled by it, with others ({node.images[0]}): "
            f"put every image into a class folder, {escape}"
        )
    if rule == "auto":
        _refuse_masks(at, node)
        _refuse_unsorted(at, node)
        _refuse_equal_names(at, node)
    for folder in node.folders:
        unknown = {kind_of(file) for file in folder.left_out()} == {NO_SUFFIX}
        if not folder.has_images and (folder.seems_to_matter or unknown):
            raise UserError(f"{at / folder.name} holds no image that can be read{held(folder)}: add some or remove it")
        if rule == "auto" and folder.has_images and not _is_class(folder):
            _refuse_masks(at / folder.name, folder)
            raise UserError(_too_deep(at, folder, escape))
    pairs = [(file, folder.name) for folder in node.classes for file in folder.files()]
    return Part([file for file, _ in pairs], [name for _, name in pairs])


def image_tree(path: str | Path) -> Node:
    """Return the tree of the folder that the user names, which holds images.

    Raises:
        UserError: it is not a folder, cannot be listed, or holds none.
    """
    tree = scan(folder_of_images(path))
    if not tree.has_images:
        raise UserError(f"{path} holds no images{held(tree)} (known are {' '.join(image_suffixes())})")
    return tree


def held(folder: Node) -> str:
    """Return the files of a folder that are left out as a note, by kind."""
    kinds = Counter(map(kind_of, folder.left_out())).most_common()
    return f" (left out: {by_kind(dict(kinds))})" if kinds else ""


def by_kind(kinds: dict[str, int]) -> str:
    """Return numbers of files by kind, such as "9 .heic, 1 .txt"."""
    largest_first = sorted(kinds.items(), key=lambda item: -item[1])
    text = ", ".join(f"{n:,} {printable(kind)}" for kind, n in largest_first)
    text += f"; {install('heic')} reads HEIC" if kinds.keys() & set(HEIF_SUFFIXES) else ""
    return text + ("; archives need to be unpacked" if kinds.keys() & ARCHIVES else "")


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
    """Return whether the folders inside are dates, of a camera, or numbered parts."""
    above = node.path.rstrip("/").split("/")
    names = [folder.name for folder in node.classes]
    if "dcim" in map(str.lower, above) or all(DATE.fullmatch(n) or CAMERA.fullmatch(n) for n in names):
        return True
    if YEAR.fullmatch(above[-1]):
        return all(MONTH.fullmatch(name) for name in names)
    words = {re.sub(r"\d+", "", name) for name in names}
    is_numbered = len(names) > 1 and len(words) == 1 and bool(PART.search(words.pop()))
    return is_numbered and all(map(_is_class, node.classes))  # not folds of classes


def _too_deep(at: Path, folder: Node, escape: str) -> str:
    below = ", ".join(f"{inner.name}/" for inner in folder.folders[:3])
    holds = "images and also" if folder.images else "only"
    first = f"give {key_option('data.class_folders', 'top')} to take the first folder as the class ({folder.name})"
    return f"{at / folder.name} holds {holds} folders ({below}): {EXPECTED}; {first}, {escape}"


def _refuse_masks(at: Path, node: Node) -> None:
    layers = [folder.name for folder in node.classes if folder.name.lower() in LAYERS]
    masks = [folder.name for folder in node.classes if MASK.match(folder.name)]
    if layers and masks:
        raise UserError(
            f"{at} holds {layers[0]}/ and {masks[0]}/, which look like images and their masks: leave only the images, "
            f"or if these are classes, give {key_option('data.class_folders', 'top')}"
        )


def _refuse_unsorted(at: Path, node: Node) -> None:
    for folder in node.classes:
        if UNSORTED.fullmatch(folder.name):
            raise UserError(
                f"{at} holds {folder.name}/ among class folders: move it elsewhere, or if it is a class, set "
                "data.class_folders to top"
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
