"""A file cache for arrays that are expensive to compute."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError
from unsup.core.files import replace_file

Arrays = dict[str, NDArray[Any]]
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)  # raised by np.load


class HasArrays(Protocol):
    """An object that can be written into a file of arrays."""

    def arrays(self) -> Arrays: ...


T = TypeVar("T", bound=HasArrays)
Content = TypeVar("Content")


def cached(folder: Path, name: str, key: str, compute: Callable[[], T], read: Callable[[Arrays], T]) -> T:
    """Return the content of a cached file, or compute and cache it.

    Raises:
        UserError: the file is damaged, or cannot be written.
    """
    path = cached_path(folder, name, key)
    if path.exists():
        return load_arrays(path, read)
    computed = compute()
    save_arrays(path, computed.arrays())
    return computed


def cached_path(folder: Path, name: str, key: str) -> Path:
    """Return the path of a cached file, which need not exist."""
    return folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays into a file atomically.

    Raises:
        UserError: it cannot be written.
    """
    buffer = io.BytesIO()
    arguments: dict[str, Any] = arrays
    np.savez_compressed(buffer, **arguments)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffer.getvalue())
    except OSError as e:
        raise UserError(f"cannot write {path}: {e.strerror}") from e


def array_shape(path: Path, name: str) -> tuple[int, ...]:
    """Return the shape of an array in a file without reading it, or () if that fails."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            return read(member)[0]
    except DAMAGED:
        return ()


def load_arrays(path: Path, read: Callable[[Arrays], Content]) -> Content:
    """Return the content of a file of arrays.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # np.load leaves damaged ones open
            return read(dict(file))
    except DAMAGED as e:
        raise UserError(f"{path} is damaged: delete the file, then run this again") from e
