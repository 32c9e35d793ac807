"""Codes of an encoder that was trained elsewhere, computed once for each picture."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unsup.core.arrays import Floats
from unsup.core.errors import UserError
from unsup.core.splits import SPLITS, SplitName
from unsup.data.base import ImageData, Split
from unsup.data.originals import AT_A_TIME, Original, originals
from unsup.evaluation.encoded import finite
from unsup.evaluation.progress import Remaining, say
from unsup.metrics.diagnostics import subsample
from unsup.models.foreign.code_cache import Codes, read_codes, write_codes
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import frozen, weights_hash
from unsup.models.parts.thumbnails import SIDE

PART = 1_000  # images in a file of codes, about
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
        return self._codes(model, data, split, self._known(model))

    def codes_of_splits(self, model: ForeignEncoder, data: ImageData) -> dict[SplitName, Floats]:
        """Return the codes (n, D) of each split, with the errors of `codes`."""
        known = self._known(model)
        return {split: self._codes(model, data, split, known) for split in SPLITS}

    def num_cached(self, model: ForeignEncoder) -> int:
        """Return how many codes of an encoder are cached."""
        return len(self._known(model))

    def _known(self, model: ForeignEncoder) -> Codes:
        return read_codes(self.cache, model) if self.cache else {}

    def _codes(self, model: ForeignEncoder, data: ImageData, split: Split, known: Codes) -> Floats:
        """Return the codes of a split, and add new ones to the known ones."""
        what = f"encoding {data.size(split):,} {split} images"
        say(what)
        rows, progress = list[Floats](), Remaining(what, data.size(split))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for part in parts(originals(data, split, side=self.side)):
                keys = list(pool.map(lambda original: original.digest(), part))
                unknown = {key: image for key, image in zip(keys, part, strict=True) if key not in known}
                progress.pass_by(len(part) - len(unknown))
                if unknown:
                    with unchanged(model):
                        codes = encoded_images([*unknown.values()], model, pool, progress)
                    codes = finite(codes, f"{model.name}: the codes", split, REMEDY)
                    new = dict(zip(unknown, codes, strict=True))
                    if self.cache:
                        write_codes(self.cache, model, new)
                    known |= new
                rows += [known[key] for key in keys]
        return np.stack(rows)


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


def encoded_images(
    images: Sequence[Original], model: ForeignEncoder, pool: ThreadPoolExecutor, progress: Remaining
) -> Floats:
    """Return the codes (n, D) of images, encoded in batches."""
    codes = []
    for start in range(0, len(images), AT_A_TIME):
        batch = images[start : start + AT_A_TIME]
        codes.append(encoded_pictures(model, stacked(model, batch, pool)))
        progress.say_after(len(batch))
    return np.concatenate(codes)


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


def parts(batches: Iterable[list[Original]]) -> Iterator[list[Original]]:
    """Yield the images of batches, about 1,000 at a time."""
    part: list[Original] = []
    for batch in batches:
        part += batch
        if len(part) >= PART:
            yield part
            part = []
    if part:
        yield part


def sees_more_than_thumbnails(model: ForeignEncoder, data: ImageData) -> bool:
    """Return whether images are larger than thumbnails, by some of them."""
    if model.as_they_are:
        return False
    positions = subsample(data.size("train"), LOOKED_AT)
    sizes = [original.size for batch in originals(data, "train", positions) for original in batch]
    return max(max(size) for size in sizes) > SIDE
