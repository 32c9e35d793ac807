"""The results of fine-tuning below a run folder.

finetuned/<share>-<run or scratch>-<seed>/ holds weights.ckpt, a checkpoint of the model with its head, and
finetune.json.
"""

import logging
from pathlib import Path
from typing import Any

import msgspec

from unsup.core.files import short_path, write_json
from unsup.reports.finetuned import FineTuned
from unsup.runs.checkpoints import AtomicCheckpoints

FOLDER, RESULT, WEIGHTS = "finetuned", "finetune.json", "weights.ckpt"

log = logging.getLogger(__name__)


def folder_of(run: Path, share: float, scratch: bool, seed: int) -> Path:
    """Return the folder of a result, which need not exist."""
    return run / FOLDER / f"{share:g}-{'scratch' if scratch else 'run'}-{seed}"


def write_finetuned(folder: Path, result: FineTuned, checkpoint: dict[str, Any]) -> None:
    """Write the weights and then the result, in place of an earlier one.

    Each file is written whole or not at all, and weights without a result count for nothing.

    Raises:
        UserError: the weights are not finite, or cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).unlink(missing_ok=True)
    AtomicCheckpoints().save_checkpoint(checkpoint, folder / WEIGHTS)
    write_json(folder / RESULT, msgspec.to_builtins(result))


def finetuned_results(run: Path) -> list[FineTuned]:
    """Return the results below a run folder, by share, start and seed.

    A damaged one is left out, with a warning.
    """
    results = []
    for path in sorted((run / FOLDER).glob(f"*/{RESULT}")):
        try:
            results.append(msgspec.json.decode(path.read_bytes(), type=FineTuned))
        except (OSError, ValueError, msgspec.DecodeError) as e:
            log.warning("%s is damaged and left out (%s): fine-tune again", short_path(path), e)
    return sorted(results, key=lambda one: (one.share, one.scratch, one.seed))
