"""Files and folders that a reader sees whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unsup.core.commands import option
from unsup.core.errors import UserError


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside it, then rename: readers see the old one or the whole new one."""
    with write_atomically(path) as temporary:
        # a name need not be text: "\\udcff" is what JSON reads back
        temporary.write_bytes(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically, refusing values that JSON does not know."""
    replace_file(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """The temporary name to write under, for what is too large to be held in memory twice; renamed at the end."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def short_path(path: Path) -> Path:
    """The path as short as the working folder allows."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def unless_default(runs: Path) -> Path | None:
    """Return a folder of runs as a suggested command needs it: None for runs/, which needs no word."""
    return None if short_path(runs) == Path("runs") else short_path(runs)


def refuse_existing(path: Path) -> None:
    """Raises UserError where there is something of that name."""
    if path.exists():
        raise UserError(f"{short_path(path)} exists, and nothing is overwritten: name another {option('out')}")


def folder_of_images(path: str | Path) -> Path:
    """Return the folder that the user names.

    Raises:
        UserError: there is none.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"{path} is not a folder: {option('images')} names the folder that holds your images")
    return folder


def create_folder(folder: Path) -> Path:
    """The folder, made just now, empty: of two starts one gets it.

    Raises:
        UserError: there is one of that name.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        refuse_existing(folder)
        raise
    return folder


@contextmanager
def fill_folder(folder: Path) -> Iterator[Path]:
    """The temporary name to fill a reserved folder under; renamed at the end. After an error neither is left."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        temporary.mkdir()
        yield temporary
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        folder.rmdir()
        raise
