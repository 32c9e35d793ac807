"""The names of a run's files, and its records in JSON, checked when they are read."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from unsup.core.errors import UserError
from unsup.core.threads import MAX_THREADS
from unsup.reports.provenance_schema import Pretraining

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"  # checkpoints
Seconds = Annotated[float, Meta(le=sys.float_info.max)]


class Origin(TypedDict, total=False):
    run: str
    data_sha256: str
    stages_seconds: Seconds
    stages_cpu_seconds: Seconds
    stages_gpu_seconds: Seconds
    views: str
    pretrained_on: Pretraining


class Versions(TypedDict):
    data_sha256: str
    init_from: NotRequired[Origin]
    resumed: NotRequired[list[Any]]
    threads: NotRequired[Annotated[int, Meta(ge=1, le=MAX_THREADS)]]


class Training(TypedDict):
    epochs: NotRequired[int]
    steps: NotRequired[int]
    images_seen: NotRequired[int]
    train_seconds: Seconds
    cpu_seconds: NotRequired[Seconds]
    gpu_seconds: NotRequired[Seconds]
    views: NotRequired[str]
    averaged_by: NotRequired[str]


class JudgedRun(TypedDict):
    checkpoint: NotRequired[str]


class Judged(TypedDict):
    run: JudgedRun


SCHEMAS = {"versions.json": Versions, "training.json": Training, "report.json": Judged}


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
        except FileExistsError:  # another process has just made it
            number += 1


def read_record(path: Path) -> dict[str, Any]:
    """Return the content of versions.json, training.json or report.json.

    Of a report only its checkpoint is checked.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        record: dict[str, Any] = msgspec.json.decode(path.read_text(encoding="utf-8"))
        msgspec.convert(record, SCHEMAS[path.name])
        return record
    except (OSError, ValueError, RecursionError, msgspec.DecodeError) as e:
        remedy = "evaluate" if path.name == "report.json" else "train"
        raise UserError(f"{path} is missing or damaged: {remedy} this run again") from e
