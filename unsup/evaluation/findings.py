"""The findings of an audit for a report, once per data set."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from unsup.core.array_files import Arrays, cached
from unsup.core.splits import SPLITS
from unsup.data.base import ImageData
from unsup.data.folder import Folder
from unsup.data.npz import Npz
from unsup.evaluation.audit import audit
from unsup.evaluation.progress import about, say

AUDIT_VERSION = 2  # raise it when an audit finds other things: cached findings are then made again
MOST_IMAGES, MOST_BYTES = 20_000, 2**30  # more take minutes, or too much memory, and are left to `unsup audit`


@dataclass(frozen=True)
class Findings:
    """Lines on images that should be looked at."""

    lines: list[str]

    def arrays(self) -> Arrays:
        return {"lines": np.array(self.lines, np.str_)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        return cls(arrays["lines"].tolist())


def find_faults(data: ImageData, folder: Path, key: str) -> list[str] | None:
    """Return the findings about images of the user's own, or read them from a cache.

    None for named data sets, which are known, and for more images than an evaluation should look at.
    """
    if not isinstance(data, Folder | Npz):
        return None
    n = sum(data.size(split) for split in SPLITS)
    if n > MOST_IMAGES or n * np.prod(data.shape) > MOST_BYTES:
        say(f"the images are too many to look for faults in: {n:,}")
        return None

    def compute() -> Findings:
        with about("audit (once per data set)"):
            return Findings(audit(data, data.left_out()).lines(test_copies=False))

    return cached(folder, "findings", f"{AUDIT_VERSION}-{key}-{_files_key(data)}", compute, Findings.from_arrays).lines


def _files_key(data: ImageData) -> str:
    """Return the SHA-256 of what an audit sees besides the pixels."""
    digest = hashlib.sha256(repr(sorted(data.left_out().items())).encode(errors="surrogateescape"))
    for split in SPLITS:
        for path in data.paths(split) or ():
            stat = path.stat()
            digest.update(f"{stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
