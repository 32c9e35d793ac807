"""Encoders that put images and words into one space: any one that is at hand offline."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from unsup.core.commands import install
from unsup.core.errors import UserError

TEMPLATE = "a photo of a {}"  # Radford et al. 2021, section 3.1.4
IMAGES_PER_CALL = 64  # images at a time


class ImageText(Protocol):
    """Images and words as directions in one space, near where they belong together."""

    def images(self, x: Tensor) -> Tensor:
        """(N, C, H, W) float32 in [0, 1] -> (N, E)."""

    def words(self, words: Sequence[str]) -> Tensor:
        """Of K words, (K, E)."""


class HuggingFace:
    """CLIP (Radford et al. 2021), SigLIP or another dual encoder that `transformers` loads from a folder.

    Args:
        folder: holds config.json, weights, tokenizer and image processor, as `save_pretrained` leaves them. Nothing is
            downloaded.

    Raises:
        UserError: transformers is not installed, or the folder holds no such model.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from transformers import AutoModel, AutoProcessor
        except ImportError as e:
            raise UserError(f"image-text encoders in a folder need transformers: {install('text')}") from e
        try:
            self.model: Any = AutoModel.from_pretrained(folder, local_files_only=True).eval()
            self.processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
            self.model.get_text_features, self.model.get_image_features  # noqa: B018
        except (OSError, ValueError, KeyError, AttributeError) as e:
            first = next(iter(str(e).splitlines()), type(e).__name__)
            raise UserError(f"{folder} is no image-text encoder that transformers can load: {first}") from e

    @torch.no_grad()
    def images(self, x: Tensor) -> Tensor:
        pictures = (255 * x.cpu()).round().byte().expand(-1, 3, -1, -1)  # grey ones too have three channels there
        found = [
            self.model.get_image_features(**self.processor(images=list(part.numpy()), return_tensors="pt"))
            for part in pictures.split(IMAGES_PER_CALL)
        ]
        return torch.cat([pooler_output(part) for part in found])

    @torch.no_grad()
    def words(self, words: Sequence[str]) -> Tensor:
        texts = [TEMPLATE.format(word) for word in words]
        return pooler_output(
            self.model.get_text_features(**self.processor(text=texts, padding=True, return_tensors="pt"))
        )


def pooler_output(found: Any) -> Tensor:
    """(N, E): older versions of transformers give it bare."""
    return cast(Tensor, getattr(found, "pooler_output", found))


def load_image_text(where: str) -> ImageText:
    """The encoder in a folder (`HuggingFace`), or what "module:name" makes when called without arguments.

    Raises:
        UserError: there is none.
    """
    if Path(where).is_dir():
        return HuggingFace(Path(where))
    module, colon, name = where.partition(":")
    if not colon:
        raise UserError(
            f"no image-text encoder in {where}: name a folder that transformers can load (CLIP, SigLIP), "
            "or module:name of your own (unsup/inference/image_text.py says what it has to do)"
        )
    try:
        return cast(ImageText, getattr(importlib.import_module(module), name)())
    except (ImportError, AttributeError, ValueError) as e:
        raise UserError(f"image-text encoder {where}: {e}") from e
