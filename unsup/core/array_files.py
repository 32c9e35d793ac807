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
from unsup.core.files import replace

Arrays = dict[str, NDArray[Any]]


class Keepable(Protocol):
    """What can be written into a file of arrays."""

    def arrays(self) -> Arrays: ...


Kept = TypeVar("Kept", bound=Keepable)


def kept(folder: Path, name: str, key: str, compute: Callable[[], Kept], read: Callable[[Arrays], Kept]) -> Kept:
    """What a file holds, or what is computed and put there under a temporary name first.

    Raises:
        UserError: the file is damaged, or cannot be written.
    """
    path = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    if path.exists():
        return load(path, read)
    found = compute()
    keep(path, found.arrays())
    return found


def keep(path: Path, arrays: Arrays) -> None:
    """Write arrays into a file, under a temporary name first.

    Raises:
        UserError: it cannot be written.
    """
    buffer = io.BytesIO()
    named: dict[str, Any] = arrays
    np.savez_compressed(buffer, **named)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, buffer.getvalue())
    except OSError as e:
        raise UserError(f"cannot keep {path}: {e.strerror}") from e


def load(path: Path, read: Callable[[Arrays], Kept]) -> Kept:
    """What a file of arrays holds.

    Raises:
        UserError: the file is damaged.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # np.load leaves damaged ones open
            return read(dict(file))
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
        raise UserError(f"{path} is damaged: delete it, it will be computed again") from e
