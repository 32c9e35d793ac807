"""Checkpoints: written whole or not at all, the one before kept, none with weights that are not finite."""

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

LAYOUT = 1  # of what stands in a checkpoint; another one is refused
NEEDED = {"state_dict": dict, "hyper_parameters": dict, "global_step": int}


class DamagedCheckpoint(UserError):
    """A checkpoint that cannot be read."""


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the old one, to the disk itself, then renames; of last.ckpt the one before is kept.

    Lightning's own writes to the system's temporary folder and copies: where that is another file system, a process
    that dies or a full disk leaves half a checkpoint in the place of the last good one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Raises UserError: weights are not finite; the file cannot be written. What was there before is intact."""
        path = Path(path)
        for name, value in checkpoint["state_dict"].items():
            if value.is_floating_point() and not value.isfinite().all():
                raise UserError(
                    f"the weights {name} are not finite after epoch {checkpoint['epoch'] + 1}: lower model.lr"
                )
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
            raise UserError(f"cannot write {short_path(path)}: {reason}; the checkpoints before it are intact") from e


def load_checkpoint(path: Path) -> dict[str, Any]:
    """`state_dict`, `hyper_parameters` and `global_step` (optimizer steps) in a checkpoint, on the CPU.

    Code that it might hold never runs.

    Raises:
        UserError: it is damaged, no checkpoint of a model, or of another layout.
    """
    try:
        with zipfile.ZipFile(path) as file:  # torch does not look at the checksums that it writes
            if file.testzip() is not None:
                raise ValueError("checksum")
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = {key: checkpoint[key] for key in NEEDED}
        if not all(isinstance(found[key], kind) for key, kind in NEEDED.items()):
            raise TypeError
        if not all(isinstance(name, str) and isinstance(w, torch.Tensor) for name, w in found["state_dict"].items()):
            raise TypeError
    except Exception as e:  # damaged files raise anything
        raise DamagedCheckpoint(f"{path} cannot be read as a checkpoint: it is damaged or of another kind") from e
    theirs = checkpoint.get("layout", 1)  # the first ones did not say theirs
    if type(theirs) is not int or theirs != LAYOUT:
        raise UserError(f"{path} has the layout {theirs}, this version of unsup reads {LAYOUT}: train this run again")
    return found


def newest_checkpoint(run: str, paths: Sequence[Path]) -> tuple[Path, dict[str, Any]]:
    """Return the checkpoint to continue a run from, and its content: the next one where the first is damaged.

    Args:
        run: its name in messages.
        paths: its checkpoints, the newest first.

    Raises:
        UserError: the run has none that is whole and of this layout.
    """
    damaged = []
    for path in paths:
        try:
            checkpoint = load_checkpoint(path)
        except DamagedCheckpoint as e:
            damaged.append(str(e))
            continue
        if damaged:
            log.warning("%s; going on from the one before, %s", damaged[0], path.name)
        return path, checkpoint
    reason = damaged[0] if damaged else f"{run} has no checkpoint: its first epoch did not end, or they were deleted"
    raise UserError(f"{reason}; there is nothing to go on from: train this run again")


def system_error(error: BaseException | None) -> OSError | None:
    """The error of the operating system behind another one: libraries hide a full disk behind their own words."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
