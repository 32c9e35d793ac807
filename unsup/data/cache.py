"""Decoded images of a folder, kept in one array until a file changes."""

import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unsup.core.errors import UserError
from unsup.data.decode import decode
from unsup.data.pixels import Reading
from unsup.data.remarks import Remarks

DECODER_VERSION = 2  # raise it when files give other pixels: cached arrays are then decoded again


@dataclass(frozen=True)
class ImageCache:
    """The arrays below `decoded/` in the folder of data sets, with tables of remarks."""

    top: Path  # folder of images
    root: Path  # folder of data sets
    shape: tuple[int, int, int]  # (C, S, S)
    reading: Reading

    def images(self, files: list[str]) -> tuple[NDArray[np.uint8], Remarks]:
        """Return the images (N, C, S, S), from the cache if they are in it.

        If any cannot be read, they are in the remarks and there are no images.
        """
        cached = self.path(files, ".npy")
        if not cached.exists():
            remarks = Remarks()
            try:
                self._decode_into(cached, files, remarks)
            except OSError as error:
                message = f"{cached} cannot be written ({error.strerror}): decoding at every start, or set data.root"
                warnings.warn(message, stacklevel=2)
                remarks = Remarks()
                return np.concatenate([np.empty((0, *self.shape), np.uint8), *self._decode(files, remarks)]), remarks
            if remarks.unreadable:
                return np.empty((0, *self.shape), np.uint8), remarks
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        try:
            images = np.load(cached, mmap_mode="r" if cached.stat().st_size > memory / 4 else None)
        except (OSError, ValueError) as error:
            raise UserError(f"{cached} is damaged ({error}): delete it") from error
        return images, Remarks.read(self.path(files, ".csv"))

    def _decode_into(self, cached: Path, files: list[str], remarks: Remarks) -> None:
        """Write under temporary names, so that other runs never see half.

        If any image cannot be read, only the remarks are written.
        """
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_name(f".{cached.stem}.{os.getpid()}")
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), *self.shape)}
        try:
            with partial.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for images in self._decode(files, remarks):
                    file.write(images.data)
                os.fsync(file.fileno())
            if remarks:
                remarks.write(cached.with_suffix(".csv"))
            if not remarks.unreadable:
                partial.replace(cached)
        finally:
            partial.unlink(missing_ok=True)

    def _decode(self, files: list[str], remarks: Remarks) -> Iterator[NDArray[np.uint8]]:
        """Yield the images that can be read, a few at a time."""
        remaining = iter(files)
        for pictures in decode([self.top / file for file in files], self.shape, self.reading):
            for picture, file in zip(pictures, remaining, strict=False):
                remarks.add(file, picture)
            if pixels := [picture.pixels for picture in pictures if not isinstance(picture, str)]:
                yield np.stack(pixels)

    def known_remarks(self, files: list[str]) -> Remarks:
        """Return the remarks of an earlier decoding, if its unreadable images still are."""
        remarks = Remarks.read(self.path(files, ".csv"))
        paths = [self.top / file for file in remarks.unreadable]
        pictures = [picture for some in decode(paths, self.shape, self.reading) for picture in some]
        return remarks if all(isinstance(picture, str) for picture in pictures) else Remarks()

    def path(self, files: list[str], suffix: str) -> Path:
        return self.root.joinpath("decoded", self._key(files) + suffix)

    def _key(self, files: list[str]) -> str:
        """Return the SHA-256 of all that the decoded array depends on."""
        digest = hashlib.sha256(repr((DECODER_VERSION, self.shape, self.reading)).encode())
        for file in files:
            path = self.top / file
            try:
                stat = path.stat()
            except OSError:
                stat = path.lstat()  # a broken or circular link, which decoding reports
            digest.update(os.fsencode(f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n"))
        return digest.hexdigest()
