"""Codes of an encoder that was trained elsewhere, computed once for each picture.

The cache has files of some hundred codes for each encoder and each way to prepare pictures. In them a code belongs to
the content of a file, or to the pixels of an array, so that labels, splits, names and the order of images do not
matter. An interrupt loses the codes of one such file at most.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
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
from unsup.core.splits import SPLITS, SplitName
from unsup.data.base import ImageData, Split
from unsup.data.originals import AT_A_TIME, Original, originals
from unsup.evaluation.encoded import finite
from unsup.evaluation.feature_space import one_thread
from unsup.evaluation.progress import Remaining, say
from unsup.metrics.diagnostics import subsample
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.frozen import frozen, weights_hash
from unsup.models.parts.thumbnails import SIDE

Codes = dict[bytes, Floats]  # (D,) by the hash of the image

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


def identity(model: ForeignEncoder) -> str:
    """Return a hash of the weights, of the preparation, and of two codes.

    The codes are of random pictures. Equal weights under other code give other codes. They are computed on one thread,
    as with more the last bits differ.
    """
    pictures = torch.rand(2, *model.shape, generator=torch.Generator().manual_seed(0))
    with one_thread(), frozen(model):  # encoders are tried out before they have a cache
        codes = model.encode(pictures.to(model.device)).float().cpu().numpy()
    return hashlib.sha256(f"{model.identity} {hashlib.sha256(codes.tobytes()).hexdigest()}".encode()).hexdigest()


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


def read_codes(folder: Path, model: ForeignEncoder) -> Codes:
    """Return the codes of an encoder in a cache.

    Raises:
        UserError: a file is damaged.
    """

    def read(arrays: Arrays) -> Codes:
        keys = [key.tobytes() for key in arrays["keys"]]
        return dict(zip(keys, arrays["codes"], strict=True))

    codes: Codes = {}
    for path in sorted(folder.glob(f"{identity(model)[:16]}-*.npz")):
        codes |= load_arrays(path, read)
    return codes


def write_codes(folder: Path, model: ForeignEncoder, codes: Codes) -> None:
    """Write a new file of codes into a cache, atomically."""
    keys = np.frombuffer(b"".join(codes), np.uint8).reshape(len(codes), -1)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{identity(model)[:16]}-{next(iter(codes)).hex()[:16]}.npz"
    with write_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez(file, keys=keys, codes=np.stack(list(codes.values())))


def sees_more_than_thumbnails(model: ForeignEncoder, data: ImageData) -> bool:
    """Return whether images are larger than thumbnails, by some of them."""
    if model.as_they_are:
        return False
    positions = subsample(data.size("train"), LOOKED_AT)
    sizes = [original.size for batch in originals(data, "train", positions) for original in batch]
    return max(max(size) for size in sizes) > SIDE
