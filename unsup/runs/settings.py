"""Top-level keys of a configuration that hold one value each."""

from typing import Any

from unsup.core import threads
from unsup.core.errors import UsageError

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "init_from": None,
    "matmul_precision": "highest",
    "compile": None,
    "threads": "auto",
}
PRECISIONS = ("highest", "high", "medium")
COMPILE_MODES = (None, "default", "reduce-overhead", "max-autotune")  # of torch.compile


def check_settings(config: dict[str, Any]) -> None:
    """Refuse a value that is not possible.

    Raises:
        UsageError: the message names the key.
    """
    if type(config["seed"]) is not int or not 0 <= config["seed"] < 2**32:
        raise UsageError(f"seed: expected a whole number from 0 to 4294967295, got {config['seed']!r}")
    for key, known in (("matmul_precision", PRECISIONS), ("compile", COMPILE_MODES)):
        if config[key] not in known:
            raise UsageError(f"{key}: one of {', '.join(c or 'null' for c in known)}, got {config[key]!r}")
    if not isinstance(config["init_from"], str | None):
        raise UsageError(f"init_from: expected a recipe or a run folder, got {config['init_from']!r}")
    threads.checked_threads(config["threads"])
