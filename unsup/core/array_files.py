"""What is computed once and kept in a file of arrays, so that the next run reads it."""

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


class HasArrays(Protocol):
    """What can be written into a file of arrays."""

    def arrays(self) -> Arrays: ...


T = TypeVar("T", bound=HasArrays)


def cached(folder: Path, name: str, key: str, compute: Callable[[], T], read: Callable[[Arrays], T]) -> T:
    """What a file holds, or what is computed and put there under a temporary name first.

    Raises:
        UserError: the file is damaged, or cannot be written.
    """
    path = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if path.exists():
        return load_arrays(path, read)
    found = compute()
    save_arrays(path, found.arrays())
    return found


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write arrays into a file, under a temporary name first.

    Raises:
        UserError: it cannot be written.
    """
    buffer = io.BytesIO()
    named: dict[str, Any] = arrays
    np.savez_compressed(buffer, **named)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, buffer.getvalue())
    except OSError as e:
        raise UserError(f"cannot keep {path}: {e.strerror}") from e


def load_arrays(path: Path, read: Callable[[Arrays], T]) -> T:
    """What a file of arrays holds.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # np.load leaves damaged ones open
            return read(dict(file))
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
        raise UserError(f"{path} is damaged: delete the file, then run this again") from e
