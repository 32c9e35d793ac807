"""Codes that were made anywhere, in the place of an encoder."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from unsup.core.errors import UserError
from unsup.models.base import Model
from unsup.models.foreign.origin import stated


class StoredCodes(Model):
    """The codes of the images of one data set, and of no others.

    The file is not copied: the state holds its SHA-256.

    Args:
        shape: (C, H, W) of an image.
        file: the file of codes (`unsup.data.code_file`).
        trained_on: as in `ForeignEncoder`, and so are the next two.
        supervision: what the weights behind the codes were trained with.
        note: more about that in words.
    """

    digest: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        file: str,
        trained_on: Literal["none", "these training images", "these with test", "other", "unknown"] | None = None,
        supervision: Literal["none", "labels", "text", "unknown"] | None = None,
        note: str = "",
    ) -> None:
        super().__init__(shape)
        self.file = Path(file).expanduser()
        self.untrained_options = None
        self.pretrained_on = stated(None, trained_on, supervision, note)
        try:
            content = hashlib.sha256(self.file.read_bytes()).digest()
        except OSError as e:
            raise UserError(f"{file} cannot be read: {e.strerror}") from e
        self.register_buffer("digest", torch.tensor(list(content), dtype=torch.uint8))

    def encode(self, x: Tensor) -> Tensor:
        raise UserError(f"{self.file} holds codes of its own images alone: new ones need the encoder (--encoder)")

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Compare the hash of the file with that of a state. UserError if it changed."""
        if not torch.equal(state_dict["digest"], self.digest):
            raise UserError(f"{self.file} changed since: evaluate it again")
