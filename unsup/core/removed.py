"""Options that methods no longer have, and that old runs still record."""

from typing import Any

from unsup.core.errors import UsageError

REMOVED: dict[str, dict[str, Any]] = {  # {class: {option: its old default}}
    "unsup.models.deep_ae.DeepAE": {"layer_mean": False},
    "unsup.models.gan.GAN": {"code": "pooled", "d_steps": 1, "dropout": 0.0},
    "unsup.models.vae.VAE": {"free_bits": 0.0, "warmup": 0.0},
}


def without_removed(class_path: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a class without removed ones that have their old default."""
    removed = REMOVED.get(class_path, {})
    return {name: value for name, value in options.items() if name not in removed or value != removed[name]}


def current_options(class_path: str, options: dict[str, Any], source: object) -> dict[str, Any]:
    """Return the options in a file that the class still has.

    Args:
        class_path: the class.
        options: its options in the file.
        source: the file, for the message.

    Raises:
        UsageError: a removed option has a value other than its old default.
    """
    current = without_removed(class_path, options)
    for name in REMOVED.get(class_path, {}):
        if name in current:
            raise UsageError(
                f"{source}: model.{name} is {current[name]!r}, and this version has no such option: "
                "check out the commit that trained this run (versions.json names it)"
            )
    return current
