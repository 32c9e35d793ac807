"""Codes of encoders that were trained elsewhere, kept for the next time.

A cache is a folder with files of some hundred codes for each encoder and each way to prepare pictures. In them a code
belongs to the content of a file, or to the pixels of an array, so that labels, splits, names and the order of images
do not matter. An interrupt loses the codes of one such file at most.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch

from unsup.core.array_files import Arrays, load_arrays
from unsup.core.arrays import Floats
from unsup.core.devices import one_thread
from unsup.core.files import write_atomically
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import frozen

FOLDER = "codes"  # of a data set, next to its runs

Codes = dict[bytes, Floats]  # (D,) by the hash of the image


def identity(model: ForeignEncoder) -> str:
    """Return a hash of the weights, of the preparation, and of two codes.

    The codes are of random pictures. Equal weights under other code give other codes. They are computed on one thread,
    as with more the last bits differ.
    """
    pictures = torch.rand(2, *model.shape, generator=torch.Generator().manual_seed(0))
    with one_thread(), frozen(model):  # encoders are tried out before they have a cache
        codes = model.encode(pictures.to(model.device)).float().cpu().numpy()
    return hashlib.sha256(f"{model.identity} {hashlib.sha256(codes.tobytes()).hexdigest()}".encode()).hexdigest()


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
