"""The lock of a run folder, which is held while the run is trained or evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unsup.core.errors import UserError

LOCK = ".lock"
PATIENCE = 2  # seconds to wait for a lock, which a sweep holds for a moment to see whether a run is in use


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process from training or evaluating a run.

    The lock is released when the process ends.

    Raises:
        UserError: another process has it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=PATIENCE)
    try:
        lock.acquire()
    except Timeout as e:
        raise UserError(f"{folder} is being trained or evaluated by another process: wait until it has ended") from e
    try:
        yield
    finally:
        lock.release()


def in_use(folder: Path) -> bool:
    """Return whether a living process trains or evaluates a run."""
    from filelock import FileLock, Timeout

    if not (folder / LOCK).exists():
        return False
    try:
        with FileLock(folder / LOCK, timeout=0):
            return False
    except Timeout:
        return True
