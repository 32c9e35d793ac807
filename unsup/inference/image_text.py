"""Encoders of images and words in one space, loaded from this machine."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from unsup.core.commands import install
from unsup.core.errors import UserError

TEMPLATE = "a photo of a {}"  # Radford et al. 2021, section 3.1.4
IMAGES_PER_CALL = 64


class ImageText(Protocol):
    """Images and words as directions in one space, near each other where they match."""

    def images(self, x: Tensor) -> Tensor:
        """Return the embeddings (N, E) of images (N, C, H, W), float32 in [0, 1]."""

    def words(self, words: Sequence[str]) -> Tensor:
        """Return the embeddings (K, E) of K words."""


class HuggingFace:
    """CLIP (Radford et al. 2021), SigLIP or a similar encoder in a folder.

    Args:
        folder: has config.json, weights, tokenizer and image processor, as `save_pretrained` writes them. Nothing is
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
        pictures = (255 * x.cpu()).round().byte().expand(-1, 3, -1, -1)  # grey images too need three channels
        parts = [list(part.numpy()) for part in pictures.split(IMAGES_PER_CALL)]
        inputs = (self.processor(images=part, return_tensors="pt") for part in parts)
        return torch.cat([pooler_output(self.model.get_image_features(**part)) for part in inputs])

    @torch.no_grad()
    def words(self, words: Sequence[str]) -> Tensor:
        texts = [TEMPLATE.format(word) for word in words]
        inputs = self.processor(text=texts, padding=True, return_tensors="pt")
        return pooler_output(self.model.get_text_features(**inputs))


def pooler_output(features: Any) -> Tensor:
    """Return the pooled output (N, E)."""
    return cast(Tensor, getattr(features, "pooler_output", features))


def load_image_text(where: str) -> ImageText:
    """Return the encoder in a folder, or the one that a function or class makes.

    Raises:
        UserError: there is none.
    """
    if Path(where).is_dir():
        return HuggingFace(Path(where))
    module, colon, name = where.partition(":")
    if not colon:
        raise UserError(
            f"no image-text encoder in {where}: name a folder that transformers can load (CLIP, SigLIP), "
            "or module:name of your own (its methods are described in unsup/inference/image_text.py)"
        )
    try:
        return cast(ImageText, getattr(importlib.import_module(module), name)())
    except (ImportError, AttributeError, ValueError) as e:
        raise UserError(f"image-text encoder {where}: {e}") from e
