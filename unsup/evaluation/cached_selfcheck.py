"""The check of the evaluator, run once for a program and its libraries."""

import functools
import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import scipy
import sklearn
from threadpoolctl import threadpool_info

from unsup.core.array_files import Arrays, cached
from unsup.evaluation.progress import say
from unsup.evaluation.selfcheck import CheckResult, selfcheck

CHECKED = ("core", "evaluation", "metrics")  # packages that scores come from


@dataclass(frozen=True)
class Checked:
    """The results of all checks."""

    results: list[CheckResult]

    def arrays(self) -> Arrays:
        return {"results": np.array(json.dumps(self.results))}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        return cls([(name, passed, measured) for name, passed, measured in json.loads(str(arrays["results"]))])


def cached_selfcheck(folder: Path) -> list[CheckResult]:
    """Return the results of `selfcheck`, cached in a folder.

    It runs again when code, libraries or processor change.

    Raises:
        UserError: the cached file is damaged, or cannot be written.
    """
    key = program_key()
    return cached(folder, "selfcheck", key, lambda: _checked(key), Checked.from_arrays).results


@functools.cache
def program_key() -> str:
    """Return what the results depend on."""
    package = Path(__file__).parents[1]
    sources = sorted(path for part in CHECKED for path in (package / part).glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    versions = [library.__version__ for library in (np, scipy, sklearn)]
    kernels = sorted(f"{one['internal_api']} {one.get('architecture', '')}" for one in threadpool_info())
    return "-".join([digest, *versions, platform.machine(), *kernels])


@functools.cache
def _checked(key: str) -> Checked:
    say("checking the evaluator")
    return Checked(selfcheck())
