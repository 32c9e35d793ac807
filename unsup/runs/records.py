"""The files of a run folder: their names, and its records in JSON, which are checked when they are read."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from unsup.core.errors import UsageError, UserError
from unsup.core.threads import checked_threads

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"  # checkpoints
NEEDED = {"versions.json": ("data_sha256",), "training.json": ("train_seconds",)}
KINDS: dict[str, Any] = {
    "data_sha256": str,
    "train_seconds": int | float,
    "views": str,
    "init_from": dict,
    "resumed": list,
    "threads": int,
}
ORIGIN: dict[str, Any] = {"run": str, "stages_seconds": int | float, "views": str}  # in init_from


def next_folder(parent: Path, name: str) -> Path:
    """Make the next folder <name>-<nnn>."""
    parent.mkdir(parents=True, exist_ok=True)
    taken = [re.fullmatch(rf"{re.escape(name)}-(\d+)", p.name) for p in parent.iterdir()]
    number = max((int(match[1]) for match in taken if match), default=0) + 1
    while True:
        folder = parent / f"{name}-{number:03d}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:  # another start took it this instant
            number += 1


def read_record(path: Path) -> dict[str, Any]:
    """Return the content of versions.json or training.json.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not record.keys() >= set(NEEDED[path.name]):
            raise ValueError("incomplete")
        for values, kinds in ((record, KINDS), (record.get("init_from", {}), ORIGIN)):
            if not all(_is(values[key], kind) for key, kind in kinds.items() if key in values):
                raise TypeError("of another kind")
        checked_threads(record.get("threads", 1))
        return record
    except (OSError, ValueError, TypeError, RecursionError, UsageError) as e:
        raise UserError(f"{path} is missing or damaged: train this run again") from e


def _is(value: Any, kind: Any) -> bool:
    """Return whether a value of JSON is of a kind; a number must be finite as a float too."""
    return isinstance(value, kind) and (not isinstance(value, int | float) or abs(value) <= sys.float_info.max)
