"""Claims of sweeps on runs, by which several sweeps divide the work.

A claim is a lock on the log file of a job, as `unsup.runs.lock` locks a run (`flock`, which NFS honours as well). The
child that does the job inherits it. So a job is claimed until both have ended, however they end, and free afterwards.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from unsup.core.errors import UserError
from unsup.evaluation.existing_runs import identity_of
from unsup.runs.config import Config


class Claimed(Exception):
    """Another sweep works on this configuration."""

    def __init__(self, config: Config) -> None:
        super().__init__(f"another sweep works on {config['recipe']}, seed {config['seed']}")
        self.config = config


class Claim(NamedTuple):
    """A configuration that no other sweep works on, by its log."""

    path: Path
    file: FileIO


def claim_path(root: Path, config: Config) -> Path:
    """Return the log of a configuration, equal for all that count as the same run."""
    identity = json.dumps(identity_of(config), sort_keys=True)
    name = hashlib.sha256(identity.encode()).hexdigest()[:12]
    return root / config["dataset"] / config["recipe"] / f"sweep-{name}.log"


@contextmanager
def claim(root: Path, config: Config) -> Iterator[Claim]:
    """Claim a configuration, with an empty log, which is removed if it stays empty.

    Raises:
        Claimed: another sweep has it.
        UserError: the log cannot be written.
    """
    path = claim_path(root, config)
    with ExitStack() as opened:
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = opened.enter_context(path.open("ab", buffering=0))
            except OSError as e:
                raise UserError(f"cannot write {path}: {e.strerror}") from e
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                raise Claimed(config) from e
            if _is_at(file, path):  # and was not moved or removed before it was locked
                break
        file.truncate(0)
        yield Claim(path, file)
        if _is_at(file, path) and not path.stat().st_size:
            path.unlink()


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
