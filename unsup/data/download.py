"""Data sets that are downloaded on first use, by torchvision's code."""

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError

from filelock import FileLock

from unsup.core.commands import option
from unsup.core.errors import UserError
from unsup.data.base import ImageData

TIMEOUT = 20  # seconds without an answer; torchvision would wait forever behind a firewall
LOCK_TIMEOUT = 600  # seconds to wait for another process that downloads the same files
FAILURES = (OSError, RuntimeError, HTTPException)  # no network, permission or space; wrong bytes; cut short


class Archive(NamedTuple):
    """A file to download."""

    path: Path  # where a user may have put it
    md5: str
    addresses: list[str]
    files: tuple[str, ...]  # that it holds


class Downloaded(ImageData):
    """A data set of torchvision whose files are downloaded when they are missing.

    Attributes:
        name: of torchvision's class, and in messages.
        folder: of the files below `root`, in torchvision's layout.
        files: their names.
    """

    name: str
    folder: str
    files: tuple[str, ...]

    def archives(self) -> Iterator[Archive]:
        """Yield what holds the files, by default the one archive that torchvision knows."""
        from torchvision import datasets

        source = getattr(datasets, self.name)
        yield Archive(self.place.parent / source.filename, source.tgz_md5, [source.url], self.files)

    @classmethod
    def available(cls, root: str) -> bool:
        """Return whether all files exist, without reading them."""
        return all(Path(root, cls.folder, file).is_file() for file in cls.files)

    @property
    def place(self) -> Path:
        return Path(self.root, self.folder)

    def require_files(self) -> None:
        """Raise UserError unless all files exist."""
        if self._missing():
            raise self._lacks("")

    def prepare_data(self) -> None:
        """Fetch what is missing.

        Simultaneous first runs wait for one another, and no file is ever incomplete. An archive that the user has put
        where torchvision would is used instead of the network.

        Raises:
            UserError: no network and no archive, a damaged archive, no permission or no space to write.
        """
        if not self._missing():
            return  # before anything is written: the folder may be read-only
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            with FileLock(self.place / ".lock", timeout=LOCK_TIMEOUT), _time_out():
                self._fetch()
        except FAILURES as error:
            cause = getattr(error, "reason", error)
            reason = str(getattr(cause, "strerror", None) or cause).rstrip(".") or type(cause).__name__
            raise self._lacks(f" and cannot be downloaded ({reason})") from error

    def _fetch(self) -> None:
        from torchvision.datasets.utils import check_integrity, extract_archive

        partial = self.place / ".partial"
        try:
            for archive in self.archives():
                missing = [file for file in self._missing() if file in archive.files]
                if not missing:
                    continue
                shutil.rmtree(partial, ignore_errors=True)  # what a killed process left
                partial.mkdir()
                path = archive.path if archive.path.exists() else _download(archive, partial)
                if not check_integrity(path, archive.md5):
                    raise UserError(f"{path} is damaged (its MD5 is wrong): delete it to download it again")
                extract_archive(path, partial)
                for file in missing:
                    next(partial.rglob(file)).replace(self.place / file)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _missing(self) -> list[str]:
        return [file for file in self.files if not (self.place / file).is_file()]

    def _lacks(self, reason: str) -> UserError:
        missing = self._missing()
        names = ", ".join(missing)
        subject = f"{self.name} is" if len(missing) == len(self.files) else f"{self.name} lacks {names}: it is"
        return UserError(f"{subject} not in {self.place}{reason}: put {names} there, or use {option('data', 'digits')}")


def _download(archive: Archive, folder: Path) -> Path:
    """Fetch an archive from the first address that gives the right bytes."""
    from torchvision.datasets.utils import download_url

    path = folder / archive.path.name
    for address in archive.addresses:
        try:
            download_url(address, folder, path.name, archive.md5)
            break
        except FAILURES as error:
            if isinstance(error, HTTPError):
                error.close()  # it is an open connection as well
            if address == archive.addresses[-1]:
                raise
    return path


@contextmanager
def _time_out() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
