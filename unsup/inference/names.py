"""Names that a user gave to some images of a folder, in a CSV file."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Literal, NamedTuple, cast

from unsup.core.errors import UserError, printable, similar
from unsup.core.tables import FileNames, decoded_text, read_table, unquoted
from unsup.data.scan import find_images

log = logging.getLogger(__name__)

MOST_COMPARED = 1_000  # names of files that a misspelt one is compared with
FEWEST_JUDGES = 10  # images that an accuracy is said of
READ = "the named images that can be read"  # a source of names, for messages

Asked = Literal["random", "chosen", ""]


class Name(NamedTuple):
    """The name of an image, and how it came to be named."""

    name: str
    asked: Asked  # "random": drawn from all images, so that it stands for them; "chosen": by some rule; "": not known


def read_names(path: Path, images: Path) -> dict[str, Name]:
    """Return the name of each image in a CSV file, in order of the files.

    It has the columns `file`, `name` and perhaps `asked`. Lines without a name and other columns are passed over. A
    warning counts the files that are not below `images`.

    Raises:
        UserError: the table cannot be read, names no image below `images`, or gives an image two names.
    """
    known = find_images(images)
    files, names = FileNames(known), dict[str, Name]()
    rows, unknown = read_table(path, ("file", "name")), list[str]()
    if rows and {"class", "confidence", "cluster"} <= rows[0].keys():
        raise UserError(f"{path} is a table that classify wrote: its names are of clusters; give one with file,name")
    for row in rows:
        text = decoded_text(unquoted(row["name"].strip()))
        if not text:
            continue
        image, asked = files.find(row["file"]), row.get("asked", "").strip().lower()
        if image is None:
            unknown.append(row["file"])
            continue
        if asked not in ("random", "chosen", ""):
            raise UserError(f"{path}: asked is {printable(asked)!r} for {printable(image)}: random, chosen or nothing")
        name = names.setdefault(image, Name(text, cast(Asked, asked)))
        if name.name != text:
            raise UserError(printable(f"{path} calls {image} both {name.name} and {text}"))
    if unknown and not names:
        raise UserError(f"{path} names {_not_found(unknown, images, known)}")
    if not names:
        raise UserError(f"{path} names no images: fill in its column name")
    if unknown:
        log.warning("%s: left out: %s", path, _not_found(unknown, images, known))
    return dict(sorted(names.items()))  # folds of a cross-validation follow the order


def check_two_names(names: Collection[Name], source: str | Path = READ) -> None:
    """Check that images have at least two names, as classes need.

    Args:
        names: of images.
        source: where they are from, for the message.

    Raises:
        UserError: they have one or none.
    """
    different = sorted({name.name for name in names})
    if len(different) < 2:
        why = f"all are called {different[0]}" if different else "there is none"
        raise UserError(printable(f"{source}: at least two names are needed, {why}"))


def check_judges(names: Collection[Name], source: str | Path = READ) -> None:
    """Check that an accuracy can be said of named images, at random or all of them.

    Args:
        names: of images.
        source: where they are from, for the message.

    Raises:
        UserError: they have one name, or fewer than ten count.
    """
    check_two_names(names, source)
    num_random = sum(name.asked == "random" for name in names)
    count, which = (num_random, "named images are marked as random") if num_random else (len(names), "images are named")
    if count < FEWEST_JUDGES:
        raise UserError(f"{source}: {count} {which}: an accuracy needs {FEWEST_JUDGES} or more")


def _not_found(unknown: list[str], images: Path, known: list[str]) -> str:
    """Return how many files of a table are missing, the first three, and a hint."""
    near = similar(unknown[0], known) if len(unknown) == 1 and len(known) <= MOST_COMPARED else ""
    hint = near or "give paths relative to that folder, and put the named images there"
    some = ", ".join(unknown[:3]) + ", …" * (len(unknown) > 3)
    count = "one file that is not an image" if len(unknown) == 1 else f"{len(unknown):,} files that are not images"
    return f"{count} in {images}: {printable(some)} ({printable(hint)})"
