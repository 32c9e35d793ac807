"""Codes of an encoder that was trained elsewhere, computed once for each picture.

The cache is a file for each encoder and each way to prepare pictures. In it a code belongs to the content of a file, or
to the pixels of an array, so that labels, splits, names and the order of images do not matter.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unsup.core.array_files import Arrays, load_arrays
from unsup.core.arrays import Floats
from unsup.core.errors import UserError
from unsup.core.files import write_atomically
from unsup.data.base import ImageData, Split
from unsup.data.originals import Original, originals
from unsup.evaluation.encoded import finite
from unsup.evaluation.progress import say
from unsup.metrics.diagnostics import subsample
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.frozen import frozen, weights_hash
from unsup.models.parts.thumbnails import SIDE

Codes = dict[bytes, Floats]  # (D,) by the hash of the image

LOOKED_AT = 100  # training images
REMEDY = "look at its weights, and whether it expects other pixels (--encoder.mean, --encoder.std)"


@dataclass(frozen=True)
class PictureSource:
    """The pictures that an encoder from elsewhere sees, and the place of its codes.

    Attributes:
        cache: the folder of its codes, None to keep none.
        side: of thumbnails in place of the images; None for the files, or the arrays where there are none.
    """

    cache: Path | None = None
    side: int | None = None

    def codes(self, model: ForeignEncoder, data: ImageData, split: Split) -> Floats:
        """Return the codes (n, D) of the images of a split.

        Raises:
            UserError: codes are not finite or no vectors, or the encoder changes its weights or buffers.
        """
        say(f"encoding {data.size(split):,} {split} images")
        path = self.cache / f"{model.identity[:16]}.npz" if self.cache else None
        known = read_codes(path) if path else {}
        before_this, rows = len(known), list[Floats]()
        with unchanged(model), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for batch in originals(data, split, side=self.side):
                keys = list(pool.map(lambda original: original.digest(), batch))
                unknown = [i for i, key in enumerate(keys) if key not in known]
                if unknown:
                    codes = encoded_pictures(model, stacked(model, [batch[i] for i in unknown], pool))
                    known |= {keys[i]: code for i, code in zip(unknown, codes, strict=True)}
                rows += [known[key] for key in keys]
        codes = finite(np.stack(rows), f"{model.name}: the codes", split, REMEDY)
        if path and len(known) > before_this:
            write_codes(path, known)
        return codes


NOT_CACHED = PictureSource()


@contextmanager
def unchanged(model: ForeignEncoder) -> Iterator[None]:
    """Refuse an encoder whose weights or buffers change. UserError if they do."""
    before = weights_hash(model)
    yield
    if weights_hash(model) != before:
        raise UserError(
            f"{model.name} changes its weights or buffers while it encodes: it must leave them alone in eval mode"
        )


def stacked(model: ForeignEncoder, batch: Sequence[Original], pool: ThreadPoolExecutor) -> Tensor:
    """Return the pictures (n, C, S, S) of some images."""
    return torch.from_numpy(np.stack(list(pool.map(lambda original: original.picture(model.cut), batch))))


def encoded_pictures(model: ForeignEncoder, pictures: Tensor) -> Floats:
    """Return the codes (n, D) of pictures (n, C, S, S), float32.

    Raises:
        UserError: the network fails, or returns something else.
    """
    try:
        with frozen(model):
            codes: Floats = model.encode(pictures.to(model.device)).float().cpu().numpy()
    except UserError:
        raise
    except Exception as e:  # of anyone's code
        reason = " ".join(str(e).split())[:200]
        size = " x ".join(map(str, pictures.shape[2:]))
        raise UserError(f"{model.name} fails on pictures of {size}: {type(e).__name__}: {reason}") from e
    return codes


def read_codes(path: Path) -> Codes:
    """Return the codes in a file, none if there is no file.

    Raises:
        UserError: the file is damaged.
    """

    def read(arrays: Arrays) -> Codes:
        keys = [key.tobytes() for key in arrays["keys"]]
        return dict(zip(keys, arrays["codes"], strict=True))

    return load_arrays(path, read) if path.exists() else {}


def write_codes(path: Path, codes: Codes) -> None:
    """Write codes into a file atomically."""
    keys = np.frombuffer(b"".join(codes), np.uint8).reshape(len(codes), -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez(file, keys=keys, codes=np.stack(list(codes.values())))


def sees_more_than_thumbnails(model: ForeignEncoder, data: ImageData) -> bool:
    """Return whether images are larger than thumbnails, by some of them."""
    if model.as_they_are:
        return False
    positions = subsample(data.size("train"), LOOKED_AT)
    sizes = [original.size for batch in originals(data, "train", positions) for original in batch]
    return max(max(size) for size in sizes) > SIDE
