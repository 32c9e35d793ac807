"""Checkpoints with finite weights, written atomically, with the previous one kept."""

import logging
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from unsup.core.errors import UserError
from unsup.core.files import short_path, write_atomically
from unsup.runs.records import LAST, PREVIOUS

log = logging.getLogger(__name__)

LAYOUT = 1  # of the content of a checkpoint; others are refused
NEEDED = {"state_dict": dict, "hyper_parameters": dict, "global_step": int}
OPTIONAL = {"epoch": int, "schedules": list}  # not in checkpoints of earlier code


class DamagedCheckpoint(UserError):
    """A checkpoint that cannot be read."""


class AtomicCheckpoints(TorchCheckpointIO):
    """Atomic writing of checkpoints, which keeps the previous last.ckpt.

    Lightning writes to the system's temporary folder and copies. If that is another file system, a process that dies or
    a full disk leaves half a checkpoint in place of the last good one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint, or leave what was there before intact.

        Raises:
            UserError: weights are not finite, or the file cannot be written.
        """
        path = Path(path)
        for name, value in checkpoint["state_dict"].items():
            if value.is_floating_point() and not value.isfinite().all():
                epoch = checkpoint["epoch"] + 1
                raise UserError(f"the weights {name} are not finite after epoch {epoch}: lower model.lr")
        try:
            path.parent.mkdir(exist_ok=True)
            with write_atomically(path) as temporary:
                with temporary.open("wb") as file:
                    torch.save(checkpoint | {"layout": LAYOUT}, file)
                    file.flush()
                    os.fsync(file.fileno())
                if path.name == LAST and path.exists():
                    path.replace(path.with_name(PREVIOUS))
        except (OSError, RuntimeError) as e:
            cause = system_error(e)
            reason = (cause.strerror or str(cause)) if cause else " ".join(str(e).split())
            raise UserError(f"cannot write {short_path(path)}: {reason}; earlier checkpoints are intact") from e


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return a checkpoint, with tensors on the CPU.

    These are `state_dict`, `hyper_parameters` and `global_step` (optimizer steps), and `epoch` (from 0) and `schedules`
    (that follow the length of the training) if it has them. Code in the file never runs.

    Raises:
        UserError: it is damaged, not a checkpoint of a model, or of another layout.
    """
    try:
        with zipfile.ZipFile(path) as file:  # torch writes checksums and does not read them
            if file.testzip() is not None:
                raise ValueError("checksum")
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        content = {key: checkpoint[key] for key in (*NEEDED, *(OPTIONAL.keys() & checkpoint.keys()))}
        if not all(isinstance(value, (NEEDED | OPTIONAL)[key]) for key, value in content.items()):
            raise TypeError
        if not all(isinstance(name, str) and isinstance(w, torch.Tensor) for name, w in content["state_dict"].items()):
            raise TypeError
    except Exception as e:  # damaged files raise anything
        raise DamagedCheckpoint(f"{path} cannot be read as a checkpoint: it is damaged or of another kind") from e
    layout = checkpoint.get("layout", 1)  # the first ones do not have it
    if type(layout) is not int or layout != LAYOUT:
        raise UserError(f"{path} has the layout {layout}, this version of unsup reads {LAYOUT}: train this run again")
    return content


def is_damaged(path: Path) -> bool:
    """Return whether a checkpoint cannot be read."""
    try:
        load_checkpoint(path)
    except DamagedCheckpoint:
        return True
    return False


def newest_checkpoint(run: str, paths: Sequence[Path]) -> tuple[Path, dict[str, Any]]:
    """Return the newest intact checkpoint of a run, and its content.

    Args:
        run: its name in messages.
        paths: its checkpoints, the newest first.

    Raises:
        UserError: none is intact and of this layout.
    """
    damaged = []
    for path in paths:
        try:
            checkpoint = load_checkpoint(path)
        except DamagedCheckpoint as e:
            damaged.append(str(e))
            continue
        if damaged:
            log.warning("%s; continuing from the previous one, %s", damaged[0], path.name)
        return path, checkpoint
    reason = damaged[0] if damaged else f"{run} has no checkpoint: its first epoch did not end, or it was deleted"
    raise UserError(f"{reason}; there is nothing to continue from: train this run again")


def system_error(error: BaseException | None) -> OSError | None:
    """Return the OSError behind another error, such as a full disk, if any."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
