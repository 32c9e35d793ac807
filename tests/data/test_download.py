"""Missing files are downloaded whole, or the failure is reported in one line."""

import gzip
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import synthetic
from synthetic import complaint
from torchvision import datasets

from unsup.core.errors import UserError
from unsup.data import download
from unsup.data.cifar import CIFAR10, CIFAR100
from unsup.data.mnist import MNIST

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
FILES = synthetic.mnist_files()


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MNIST:
    """Make a small MNIST."""
    synthetic.expect(monkeypatch, MNIST, FILES)
    synthetic.place(tmp_path, MNIST, FILES)
    return MNIST(str(tmp_path))


# ---- missing ---------------------------------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """A server of `content` by the last part of the address, which sends only half of `broken` ones."""

    daemon_threads = True

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.requests: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.requests.append(name)
        body = self.server.content.get(name, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if name in self.server.broken else body)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve a mirror of the small MNIST."""
    synthetic.expect(monkeypatch, MNIST, FILES)
    with Server() as mirror:
        mirror.content = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in FILES.items()}
        monkeypatch.setattr(datasets.MNIST, "mirrors", [mirror.url])
        thread = threading.Thread(target=partial(mirror.serve_forever, poll_interval=0.01))
        thread.start()
        yield mirror
        mirror.shutdown()
        thread.join()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mirrors that nothing answers at."""
    with Server() as closed:
        url = closed.url
    monkeypatch.setattr(datasets.MNIST, "mirrors", [url, url])
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{url}cifar-10-python.tar.gz")


def left(folder: Path) -> set[str]:
    """Files that were left in a folder, the lock aside."""
    return {path.name for path in folder.rglob("*") if path.name != ".lock"}


@pytest.mark.usefixtures("offline")
def test_offline_names_what_is_missing(tmp_path: Path) -> None:
    data = MNIST(str(tmp_path))
    text = complaint(data)
    assert text == (
        f"MNIST is not in {tmp_path}/MNIST/raw and cannot be downloaded (Connection refused): "
        f"put {', '.join(MNIST.files)} there, or use --data digits"
    )
    assert not left(data.place) and not MNIST.available(str(tmp_path))
    text = complaint(CIFAR10(str(tmp_path)))
    assert text.startswith(f"CIFAR10 is not in {tmp_path}/cifar-10-batches-py and cannot be downloaded (")
    assert "data_batch_1, data_batch_2" in text and "batches.meta there" in text


@pytest.mark.usefixtures("offline")
def test_offline_names_only_what_is_missing(mnist: MNIST) -> None:
    (mnist.place / LABELS).unlink()
    assert complaint(mnist) == (
        f"MNIST lacks {LABELS}: it is not in {mnist.place} and cannot be downloaded (Connection refused): "
        f"put {LABELS} there, or use --data digits"
    )
    with pytest.raises(UserError, match=f"MNIST lacks {LABELS}"):
        mnist.setup()
    assert left(mnist.place) == set(FILES) - {LABELS}


def test_name_that_does_not_resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://mirror.invalid/"])
    assert "and cannot be downloaded (" in complaint(MNIST(str(tmp_path)))


def test_a_mirror_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        assert "cannot be downloaded (timed out)" in complaint(MNIST(str(tmp_path)))
    assert socket.getdefaulttimeout() is None


def test_a_folder_that_cannot_be_written(tmp_path: Path, server: Server) -> None:
    (tmp_path / "MNIST").write_text("a file where the folder should be")
    assert "cannot be downloaded (Not a directory)" in complaint(MNIST(str(tmp_path)))


def test_nothing_is_written_where_the_files_are(mnist: MNIST, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", None)
    monkeypatch.setattr(download, "FileLock", None)
    mnist.prepare_data()
    mnist.setup()
    assert {path.name for path in mnist.place.iterdir()} == set(FILES)


# ---- downloads -------------------------------------------------------------------------------------------------------


def whole(data: MNIST) -> bool:
    """Return whether exactly the four files are there, byte for byte."""
    return left(data.place) == set(FILES) and all((data.place / f).read_bytes() == c for f, c in FILES.items())


def test_download(tmp_path: Path, server: Server) -> None:
    data = MNIST(str(tmp_path))
    assert not MNIST.available(str(tmp_path))
    data.prepare_data()
    assert whole(data) and MNIST.available(str(tmp_path))
    data.setup()
    assert data.size("train") == 108
    server.requests.clear()
    data.prepare_data()
    assert not server.requests


def test_only_what_is_missing_is_downloaded(mnist: MNIST, server: Server) -> None:
    (mnist.place / LABELS).unlink()
    mnist.prepare_data()
    assert set(server.requests) == {f"{LABELS}.gz"} and whole(mnist)


def test_the_next_mirror_serves_when_the_first_fails(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.MNIST, "mirrors", [server.url + "nowhere/not-", server.url])
    data = MNIST(str(tmp_path))
    data.prepare_data()
    assert whole(data)


@pytest.mark.parametrize("damage", ["cut", "altered", "absent"])
def test_a_failed_download_leaves_nothing_and_can_be_repeated(tmp_path: Path, server: Server, damage: str) -> None:
    archive = f"{LABELS}.gz"
    good = server.content[archive]
    if damage == "cut":
        server.broken = {archive}
    elif damage == "altered":
        server.content[archive] = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    else:
        del server.content[archive]
    data = MNIST(str(tmp_path))
    text = complaint(data)
    assert f"MNIST lacks {LABELS}" in text and "cannot be downloaded (" in text
    assert left(data.place) == {IMAGES}  # what had come whole before, and no more
    assert not MNIST.available(str(tmp_path))
    server.broken, server.content[archive] = set(), good
    data.prepare_data()
    assert whole(data)


def test_an_interrupted_download_leaves_nothing(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    data = MNIST(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr("torchvision.datasets.utils.extract_archive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.prepare_data()
    assert not left(data.place)
    (data.place / ".partial").mkdir()  # what a killed process leaves
    (data.place / ".partial" / IMAGES).write_bytes(b"half")
    assert not MNIST.available(str(tmp_path))
    data.prepare_data()
    assert whole(data)


def test_two_first_downloads_at_once(tmp_path: Path, server: Server) -> None:
    together, failures = threading.Barrier(2), []

    def start() -> None:
        data = MNIST(str(tmp_path))
        together.wait()
        try:
            data.prepare_data()
            data.setup()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not failures and whole(MNIST(str(tmp_path)))
    once = len(server.requests)
    MNIST(str(tmp_path / "other")).prepare_data()
    assert len(server.requests) == 2 * once  # together they fetched what one fetches


@pytest.mark.usefixtures("offline")
def test_archives_put_there_by_hand_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic.expect(monkeypatch, MNIST, FILES)
    data = MNIST(str(tmp_path))
    archives = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in FILES.items()}
    synthetic.place(tmp_path, MNIST, {**archives, f"{LABELS}.gz": b"\x1f\x8bnonsense"})
    assert f"{data.place}/{LABELS}.gz is damaged (its MD5 is wrong): delete it" in complaint(data)
    synthetic.place(tmp_path, MNIST, archives)
    data.prepare_data()
    assert left(data.place) == set(FILES) | set(archives)
    assert all((data.place / file).read_bytes() == content for file, content in FILES.items())


@pytest.mark.parametrize("cls", [CIFAR10, CIFAR100])
def test_cifar_download(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, cls: type[CIFAR10]) -> None:
    files, source = synthetic.cifar_files(cls), getattr(datasets, cls.name)
    synthetic.expect(monkeypatch, cls, files)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for file, content in files.items():
            member = tarfile.TarInfo(f"{cls.folder}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    server.content[source.filename] = packed.getvalue()
    monkeypatch.setattr(source, "url", server.url + source.filename)
    monkeypatch.setattr(source, "tgz_md5", synthetic.md5(packed.getvalue()))
    data = cls(str(tmp_path))
    data.prepare_data()
    assert left(data.place) == set(files) == set(cls.files)
    assert [path.name for path in tmp_path.iterdir()] == [cls.folder]
    data.setup()
    assert data.size("test") == 40
