"""Settings of a run apart from its model and its data, checked without PyTorch."""

from typing import Any, Literal, get_args

from unsup.core.errors import UsageError
from unsup.core.threads import checked_threads
from unsup.runs.length import refuse_endless
from unsup.runs.logger_names import listed_loggers

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "init_from": None,
    "matmul_precision": "highest",
    "compile": None,
    "threads": "auto",
    "evaluate": "full",
    "optimizer": None,
}
EvaluationExtent = Literal["full", "quick", "no"]
Precision = Literal["highest", "high", "medium"]
CompileMode = Literal["default", "reduce-overhead", "max-autotune"]  # of torch.compile
WEIGHTS_IN_FLOAT32 = (None, 16, "16", 32, "32", "32-true", "16-mixed", "bf16-mixed", "bf16")  # of trainer.precision


def check_seed(seed: Any) -> None:
    """Raise `UsageError` unless a seed is one that all generators take."""
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise UsageError(f"seed: expected a whole number from 0 to 4294967295, got {seed!r}")


def check_settings(config: dict[str, Any]) -> None:
    """Raise `UsageError` for impossible values of these keys and the trainer."""
    check_seed(config["seed"])
    choices = {
        "matmul_precision": get_args(Precision),
        "compile": (None, *get_args(CompileMode)),
        "evaluate": get_args(EvaluationExtent),
    }
    for key, known in choices.items():
        if config[key] not in known:
            raise UsageError(f"{key}: one of {', '.join(c or 'null' for c in known)}, got {config[key]!r}")
    if not isinstance(config["init_from"], str | None):
        raise UsageError(f"init_from: expected a recipe or a run folder, got {config['init_from']!r}")
    checked_threads(config["threads"])
    optimizer = config["optimizer"]
    if optimizer is not None and not (isinstance(optimizer, dict) and isinstance(optimizer.get("name"), str)):
        raise UsageError(f"optimizer: expected a name and its options, as --optimizer.name SGD, got {optimizer!r}")
    _check_trainer(config.get("trainer", {}))


def _check_trainer(trainer: dict[str, Any]) -> None:
    """Raise `UsageError` for options that contradict a run or its evaluation."""
    refuse_endless(trainer)
    listed_loggers(trainer.get("logger"))
    precision = trainer.get("precision")
    if precision not in WEIGHTS_IN_FLOAT32:
        remedy = "bf16-mixed and 16-mixed compute in 16 bits"
        raise UsageError(
            f"trainer.precision is {precision!r}: weights are float32, in training and evaluation; {remedy}"
        )
    given = trainer.get("callbacks") or []
    for callback in given if isinstance(given, list) else [given]:
        options = callback.get("init_args", {}) if isinstance(callback, dict) else {}
        if options.get("save_last"):
            raise UsageError("trainer.callbacks: save_last is for the run's own last.ckpt, which is always written")
