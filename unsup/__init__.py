"""Unsupervised representation learning on images.

Many methods share one data path and one honest evaluator.

    import unsup

    run = unsup.train("deep_ae", "digits")
    encoder = unsup.load_encoder(run)
    print(unsup.compare("runs", "digits"))

All names are loaded when they are first used: `import unsup` imports no torch.
"""

import importlib

from unsup.core.light_imports import import_lightly
from unsup.core.threads import wait_briefly
from unsup.core.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from unsup import testing
    from unsup.comparison.compare import compare
    from unsup.data.base import ImageData
    from unsup.evaluation.evaluate import evaluate
    from unsup.models.base import Model
    from unsup.runs.encoder import Encoder, load_encoder
    from unsup.training.by_name import train

wait_briefly()  # before torch is imported
import_lightly()

__all__ = [
    "Encoder",
    "ImageData",
    "Model",
    "__version__",
    "compare",
    "evaluate",
    "load_encoder",
    "testing",
    "train",
]
WHERE = {
    "Encoder": "unsup.runs.encoder",
    "ImageData": "unsup.data.base",
    "Model": "unsup.models.base",
    "compare": "unsup.comparison.compare",
    "evaluate": "unsup.evaluation.evaluate",
    "load_encoder": "unsup.runs.encoder",
    "train": "unsup.training.by_name",
}


def __getattr__(name: str) -> object:
    if name == "testing":
        return importlib.import_module("unsup.testing")
    if name not in WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
