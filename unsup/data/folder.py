"""Your own images: listed, decoded once into one array, and kept for the next start."""

import hashlib
import os
import warnings
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError
from unsup.core.ranges import AtLeast, check_options
from unsup.data.base import Arrays, ImageData
from unsup.data.decode import decode
from unsup.data.listing import Listing, list_folder


class Folder(ImageData):
    """Images of any size and mode in a folder: the shorter side is scaled to `size`, then the middle is cut out.

    **Splits.** `train/` and, if there is one, `test/`; a folder without `train/` is training images as a whole. Where
    there is no `test/`, a sixth of the images, an equal share of every class and the same ones for every run, is set
    aside as test.

    **Labels.** Where every image of a split lies exactly one folder deep (`train/cat/1.jpg`), that folder is its class.
    Where none does (`train/1.jpg`, `train/2024/may/1.jpg`), or there is a single such folder, the images are
    unlabelled. A mixture is an error, and so is a class in `test/` that `train/` lacks.

    **Files.** Those whose suffix is an image's. Hidden ones are left out; links are followed, but not in circles.

    The decoded array is kept in `<root>/decoded/` (safe to delete) and used until the name, size or date of a file
    changes. Above a quarter of the machine's memory it is mapped instead of loaded. Where it cannot be written, the
    images are decoded at every start.

    Args:
        images: the folder.
        size: edge of the square images in pixels.
        channels: 3 for colour, 1 for grey.
        root: where the decoded array is kept.
        batch_size: as in `ImageData`.
        steps_per_call: as in `ImageData`.
    """

    def __init__(
        self,
        images: str,
        size: Annotated[int, AtLeast(1)] = 32,
        channels: Literal[1, 3] = 3,
        root: str = "data",
        batch_size: int = 256,
        steps_per_call: int = 1,
    ) -> None:
        super().__init__(root, batch_size, steps_per_call)
        check_options("data", Folder.__init__, {"size": size, "channels": channels})
        self.images = Path(images).expanduser()
        self.shape = (channels, size, size)

    @cached_property
    def _listed(self) -> tuple[tuple[str, ...], Listing, Listing]:
        return list_folder(self.images)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]  # known once the folder is listed
        return self._listed[0]

    def prepare_data(self) -> None:
        """Decode in one process what the others will find decoded."""
        self.setup()

    def load(self, train: bool) -> Arrays:
        _, training, test = self._listed
        n = len(training.files)
        return (self._decoded[:n], training.labels) if train else (self._decoded[n:], test.labels)

    @cached_property
    def _decoded(self) -> NDArray[np.uint8]:
        """(N, C, S, S), training images before test images: the kept array; where there is none, made and kept."""
        _, training, test = self._listed
        files = training.files + test.files
        kept = Path(self.root, "decoded", f"{self._key(files)}.npy")
        if not kept.exists():
            paths = [self.images / file for file in files]
            try:
                self._keep(kept, paths)
            except OSError as error:
                warnings.warn(f"{kept} cannot be written ({error.strerror}): decoding at every start", stacklevel=2)
                return np.concatenate(list(decode(paths, self.shape)))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        try:
            return np.load(kept, mmap_mode="r" if kept.stat().st_size > memory / 4 else None)
        except (OSError, ValueError) as error:
            raise UserError(f"{kept} is damaged ({error}): delete it") from error

    def _keep(self, kept: Path, paths: list[Path]) -> None:
        """Decode straight into a file of a temporary name, then rename it: other starts see all of it or nothing."""
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f".{kept.stem}.{os.getpid()}")
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), *self.shape)}
        try:
            with partial.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for images in decode(paths, self.shape):
                    file.write(images.data)
                os.fsync(file.fileno())
            partial.replace(kept)
        finally:
            partial.unlink(missing_ok=True)

    def _key(self, files: list[str]) -> str:
        """SHA-256 over what the decoded array depends on."""
        digest = hashlib.sha256(repr(self.shape).encode())
        for file in files:
            path = self.images / file
            try:
                stat = path.stat()
            except OSError:
                stat = path.lstat()  # a link to nothing, or in a circle: decoding will name it
            digest.update(os.fsencode(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n"))
        return digest.hexdigest()
