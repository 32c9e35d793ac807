"""Unsupervised representation learning on images: many methods, one data path, one honest evaluator."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unsup.runs.encoder import Encoder

from unsup.core.threads import wait_briefly
from unsup.core.version import __version__ as __version__

wait_briefly()


def load_encoder(run: str | Path) -> "Encoder":
    """The frozen encoder of a finished run: images (N, C, H, W), uint8 or float in [0, 1] -> codes (N, D).

    The images that it was trained on need not be at hand. See `unsup.runs.encoder`.

    Args:
        run: the run folder, such as runs/mnist/deep_ae/0-001.

    Raises:
        UserError: no such run, no checkpoint, a damaged one, or one of another model.
    """
    from unsup.runs import encoder  # PyTorch takes a second to import

    return encoder.load_encoder(run)
