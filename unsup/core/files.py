"""Files and folders that readers see complete or not at all."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unsup.core.commands import option
from unsup.core.errors import UsageError, UserError

FILE_SUFFIXES = (".csv", ".html", ".npz", ".onnx", ".parquet", ".pt", ".pt2", ".pth", ".safetensors")


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically. Readers see the old or the complete new one."""
    with write_atomically(path) as temporary:
        # file names in it need not be Unicode: JSON reads "\\udcff" back
        temporary.write_bytes(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically, refusing values that JSON does not know."""
    replace_file(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write a file under, renamed to `path` at the end."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def short_path(path: Path) -> Path:
    """Return the path relative to the working directory, if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def unless_default(runs: Path) -> Path | None:
    """Return a folder of runs for a suggested command, None for the default runs/."""
    return None if short_path(runs) == Path("runs") else short_path(runs)


def check_new_path(path: Path) -> None:
    """Refuse the path to write that the user names.

    Raises:
        UserError: it exists, or nothing can be written there.
    """
    if path.exists():
        raise UserError(f"{short_path(path)} exists and is not overwritten: choose another {option('out')}")
    place = next(above for above in path.absolute().parents if above.exists())
    if not (place.is_dir() and os.access(place, os.W_OK)):
        why = "cannot be written into" if place.is_dir() else "is a file"
        raise UserError(
            f"{short_path(path)} cannot be made, since {short_path(place)} {why}: choose another {option('out')}"
        )


def check_new_folder(folder: Path) -> None:
    """Refuse the folder to make that the user names.

    Raises:
        UsageError: it has the name of a file.
        UserError: as in `check_new_path`.
    """
    if folder.suffix in FILE_SUFFIXES:
        raise UsageError(f"{folder} is the name of a file: {option('out')} names a new folder for all files")
    check_new_path(folder)


def folder_of_images(path: str | Path) -> Path:
    """Return the folder that the user names.

    Raises:
        UserError: it is not a folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(f"{path} is not a folder: {option('images')} names the folder that holds your images")
    return folder


def check_file(path: Path, name: str) -> None:
    """Refuse a path that is no file.

    Args:
        path: of the user.
        name: the option that takes it.

    Raises:
        UsageError: there is nothing, or something else.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: {option(name)} is one file")
    if not path.exists():
        raise UsageError(f"there is no file {path}: {option(name)} is one file")


def create_folder(folder: Path) -> Path:
    """Make a folder, which only one of several processes can.

    Raises:
        UserError: it exists.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        check_new_path(folder)
        raise
    return folder


@contextmanager
def fill_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary name to fill a new folder under, renamed at the end.

    After an error neither of the two folders is left.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        temporary.mkdir()
        yield temporary
        temporary.replace(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        folder.rmdir()
        raise
