"""A folder of the user's images, decoded once into an array that is cached."""

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
from unsup.core.splits import validation_size
from unsup.data.base import Arrays, ImageData
from unsup.data.decode import DECODER_VERSION, decode
from unsup.data.listing import FolderListing, list_folder


class Folder(ImageData):
    """Images of any size and mode in a folder.

    Their shorter side is scaled to `size`, then they are cropped to the middle.

    **Splits.** With `train/` and `test/`, those are the splits. Otherwise a sixth of the images, stratified by class
    and always the same ones, become the test set.

    **Labels.** If every image of a split is exactly one folder deep (`train/cat/1.jpg`), that folder is its class. If
    none is (`train/1.jpg`, `train/2024/may/1.jpg`), or there is only one such folder, the images are unlabelled. A
    mixture is an error, and so is a class in `test/` that `train/` lacks.

    **Files.** Those with the suffix of an image. Hidden files are left out; symbolic links are followed, cycles are
    skipped.

    The decoded array is cached in `<root>/decoded/` until the name, size or date of a file changes. Older arrays stay
    there until they are deleted. Above a quarter of the machine's memory the array is mapped instead of loaded. If it
    cannot be written (`root` may be read-only), the images are decoded at every start, with a warning.

    Args:
        images: the folder.
        size: edge of the square images in pixels.
        channels: 3 for colour, 1 for grey.
        augmentation: random views, and with channels and size the recipes (`unsup.runs.likeness`): digits (letters and
            drawings, never mirrored), natural (photographs) or texture (no upright position: microscopy, satellites).
        min_steps: optimizer steps that a training on few images has at least (`unsup.runs.length`), 0 for those of the
            recipe.
        root: parent folder of the cache.
        batch_size: as in `ImageData`.
        steps_per_call: as in `ImageData`.
        missing: as in `ImageData`, and so are the other corruptions of training images.
        noise: as in `ImageData`.
        imbalance: as in `ImageData`.
        outliers: as in `ImageData`.
    """

    def __init__(
        self,
        images: str,
        size: Annotated[int, AtLeast(1)] = 32,
        channels: Literal[1, 3] = 3,
        augmentation: Literal["digits", "natural", "texture"] = "natural",
        min_steps: Annotated[int, AtLeast(0)] = 1000,
        root: str = "data",
        batch_size: int = 256,
        steps_per_call: int = 1,
        missing: float = 0.0,
        noise: float = 0.0,
        imbalance: float = 0.0,
        outliers: float = 0.0,
    ) -> None:
        super().__init__(root, batch_size, steps_per_call, missing, noise, imbalance, outliers)
        options = {"size": size, "channels": channels, "augmentation": augmentation, "min_steps": min_steps}
        check_options("data", Folder.__init__, options)
        self.images = Path(images).expanduser()
        self.shape = (channels, size, size)
        self.augmentation = augmentation

    @cached_property
    def _listed(self) -> FolderListing:
        return list_folder(self.images)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]  # known once the folder is listed
        return self._listed.class_names

    def learning_images(self) -> int:
        n = len(self._listed.training.files)
        return n - validation_size(n)

    def prepare_data(self) -> None:
        """Decode in one process for all."""
        self.setup()

    def load(self, train: bool) -> Arrays:
        listed, n = self._listed, len(self._listed.training.files)
        return (self._decoded[:n], listed.training.labels) if train else (self._decoded[n:], listed.test.labels)

    @cached_property
    def _decoded(self) -> NDArray[np.uint8]:
        """The cached array (N, C, S, S), training images before test images."""
        files = self._listed.training.files + self._listed.test.files
        cached = Path(self.root, "decoded", f"{self._key(files)}.npy")
        if not cached.exists():
            paths = [self.images / file for file in files]
            try:
                self._decode_into(cached, paths)
            except OSError as error:
                message = f"{cached} cannot be written ({error.strerror}): decoding at every start, or set data.root"
                warnings.warn(message, stacklevel=2)
                return np.concatenate(list(decode(paths, self.shape)))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        try:
            return np.load(cached, mmap_mode="r" if cached.stat().st_size > memory / 4 else None)
        except (OSError, ValueError) as error:
            raise UserError(f"{cached} is damaged ({error}): delete it") from error

    def _decode_into(self, cached: Path, paths: list[Path]) -> None:
        """Write under a temporary name and rename, so that other runs never see half."""
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_name(f".{cached.stem}.{os.getpid()}")
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), *self.shape)}
        try:
            with partial.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for images in decode(paths, self.shape):
                    file.write(images.data)
                os.fsync(file.fileno())
            partial.replace(cached)
        finally:
            partial.unlink(missing_ok=True)

    def _key(self, files: list[str]) -> str:
        """Return the SHA-256 of all that the decoded array depends on."""
        digest = hashlib.sha256(repr((DECODER_VERSION, self.shape)).encode())
        for file in files:
            path = self.images / file
            try:
                stat = path.stat()
            except OSError:
                stat = path.lstat()  # a broken or circular link, which decoding reports
            digest.update(os.fsencode(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n"))
        return digest.hexdigest()
