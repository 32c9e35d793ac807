"""The user's words about the training of weights from elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any


def stated(
    known: Mapping[str, Any] | None, images: str | None, supervision: str | None, note: str
) -> dict[str, Sequence[str] | str]:
    """Return what weights were trained on, where the user's word counts first."""
    known = known or {"images": ["unknown"], "supervision": ["unknown"], "text": ""}
    return {
        "images": [images] if images else known["images"],
        "supervision": [supervision] if supervision else known["supervision"],
        "text": note or known["text"],
    }
