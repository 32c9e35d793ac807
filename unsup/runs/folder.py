"""Run folders: runs/<data>/<recipe>/<seed>-<nnn>/ holds everything that one training left behind.

config.yaml (resolved; `--config` reads it again), versions.json, checkpoints/, TensorBoard's event files,
training.json (epochs, seconds, random views, how the recipe was chosen; written when the training has reached its
end), report.{json,md,html}, figures/, correct.npz and heads.npz (what an evaluation keeps of each test image, and for
new images); and what was made with it: classified/, export/. Whoever trains or evaluates the run holds the lock on its
file .lock.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from unsup.core.errors import UserError
from unsup.core.files import place, replace, resolved
from unsup.core.strict_yaml import dump
from unsup.runs.config import Config, compose, resolve
from unsup.runs.provenance import git_state, provenance

if TYPE_CHECKING:
    from unsup.metrics.heads import Heads

LOCK = ".lock"
NEEDED = {"versions.json": ("data_sha256",), "training.json": ("train_seconds",)}
KINDS: dict[str, Any] = {
    "data_sha256": str,
    "train_seconds": int | float,
    "views": str,
    "init_from": dict,
    "resumed": list,
}
ORIGIN: dict[str, Any] = {"run": str, "stages_seconds": int | float, "views": str}  # in init_from
LAST, PREVIOUS = "last.ckpt", "previous.ckpt"  # checkpoints
PATIENCE = 2  # seconds to wait for a lock: a sweep that looks whether a run is in use holds it for a moment


def create(root: Path, config: Config, command: str, data_sha256: str, init_from: dict[str, Any] | None = None) -> Path:
    """A new run folder, made exclusively (two starts at once get two folders), with config.yaml and versions.json.

    A folder is a run once config.yaml is there: it comes last. `init_from` is what `origin_of` says of another run.

    Raises:
        UserError: the folder cannot be written.
    """
    parent = root / config["dataset"] / config["recipe"]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        taken = [re.fullmatch(rf"{config['seed']}-(\d+)", p.name) for p in parent.iterdir()]
        number = max((int(match[1]) for match in taken if match), default=0) + 1
        while True:
            run = parent / f"{config['seed']}-{number:03d}"
            try:
                run.mkdir()
                break
            except FileExistsError:  # another start took it this instant
                number += 1
        (run / "checkpoints").mkdir()
        record = provenance() | {"command": command, "data_sha256": data_sha256}
        write_json(run / "versions.json", record | ({"init_from": init_from} if init_from else {}))
        replace(run / "config.yaml", dump(config))
    except OSError as e:
        raise UserError(
            f"cannot write the run folder {e.filename}: {e.strerror}; RUNS=<folder> puts it elsewhere"
        ) from e
    return run


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep every other process from training or evaluating this run; one that dies lets go of it.

    Raises:
        UserError: another process has it.
    """
    lock = FileLock(run / LOCK, timeout=PATIENCE)
    try:
        lock.acquire()
    except Timeout as e:
        raise UserError(f"{run} is being trained or evaluated by another process: wait until it has ended") from e
    try:
        yield
    finally:
        lock.release()


def in_use(run: Path) -> bool:
    """Whether a living process trains or evaluates this run."""
    if not (run / LOCK).exists():
        return False
    try:
        with FileLock(run / LOCK, timeout=0):
            return False
    except Timeout:
        return True


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Atomically: a reader sees the old file or the whole new one."""
    replace(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def find(text: str) -> Path:
    """The run folder that the user names.

    Raises:
        UserError: there is none, with the newest ones that there are.
    """
    run = resolved(place(text))
    if (run / "config.yaml").is_file():
        return run
    around = sorted(Path("runs").glob("*/*/*/config.yaml"), key=lambda p: p.stat().st_mtime)
    hint = f"newest: {around[-1].parent}" if around else "none in runs/ yet: make train MODEL=deep_ae"
    raise UserError(f"no run folder {text!r} ({hint})")


def config_of(run: Path) -> Config:
    """The resolved configuration that a run was started with."""
    return resolve(compose(None, None, [run / "config.yaml"]))


def checkpoint_of(run: Path) -> Path:
    """The checkpoint that reports judge: the last one.

    Raises:
        UserError: the run has none.
    """
    path = run / "checkpoints" / LAST
    if not path.is_file():
        raise UserError(f"{run} has no checkpoints/{LAST}: its training did not get that far, or it was deleted")
    return path


def checkpoints_of(run: Path) -> list[Path]:
    """What a training can go on from, the newest first: the last checkpoint and the one before, as far as there are."""
    return [path for name in (LAST, PREVIOUS) if (path := run / "checkpoints" / name).is_file()]


def record_of(run: Path, name: str) -> dict[str, Any]:
    """versions.json or training.json of a run.

    Raises:
        UserError: missing or damaged.
    """
    try:
        record = json.loads((run / name).read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not record.keys() >= set(NEEDED[name]):
            raise ValueError("incomplete")
        for found, kinds in ((record, KINDS), (record.get("init_from", {}), ORIGIN)):
            if not all(_is(found[key], kind) for key, kind in kinds.items() if key in found):
                raise TypeError("of another kind")
        return record
    except (OSError, ValueError, TypeError, RecursionError) as e:
        raise UserError(f"{run / name} is missing or damaged: train this run again") from e


def _is(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a kind; a number also finite as a float."""
    return isinstance(value, kind) and (not isinstance(value, int | float) or abs(value) <= sys.float_info.max)


def origin_of(run: Path, weights_sha256: str) -> dict[str, Any]:
    """What versions.json keeps of the run that another one starts from: name, weights, seconds of training, views.

    Args:
        run: the run folder.
        weights_sha256: the hash that its report has, too.
    """
    config, training = config_of(run), record_of(run, "training.json")
    seconds = seconds_of(training, record_of(run, "versions.json"))
    name = f"{config['dataset']}/{config['recipe']}/{run.name}"  # reports name no folder of a machine
    seen = {"views": training.get("views", "none")}
    return {"run": name, "weights_sha256": weights_sha256, "stages_seconds": seconds, **seen}


def seconds_of(training: dict[str, Any], versions: dict[str, Any]) -> float:
    """Seconds of training of a run, those of the runs that it started from included."""
    before: float = versions.get("init_from", {}).get("stages_seconds", 0)
    return before + float(training["train_seconds"])


def check_images(run: Path, data_sha256: str) -> None:
    """Refuse images that are not those that the run was started with.

    Raises:
        UserError: they are others; versions.json is missing or damaged.
    """
    if record_of(run, "versions.json")["data_sha256"] != data_sha256:
        raise UserError(f"the images are not those that {run} was trained on: their split would mix training and test")


def record_resumption(run: Path) -> None:
    """Add to versions.json by which code the run is continued."""
    record = record_of(run, "versions.json")
    write_json(run / "versions.json", record | {"resumed": [*record.get("resumed", []), git_state()]})


def heads_of(run: Path) -> "Heads":
    """What the evaluation of a run left behind for new images.

    Raises:
        UserError: the run is not evaluated, or the file is damaged.
    """
    from unsup.core.array_files import load
    from unsup.metrics.heads import Heads

    path = run / "heads.npz"
    if not path.is_file():
        raise UserError(f"{run} has no heads.npz, which an evaluation leaves behind: make evaluate RUN={run}")
    return load(path, Heads.of)


def class_names_of(run: Path) -> list[str]:
    """The classes that the probe in `heads_of` tells apart, in label order; none for unlabelled images."""
    from unsup.reports.report import read_report

    return read_report(run / "report.json").run.class_names
