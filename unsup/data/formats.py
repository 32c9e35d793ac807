"""The formats of images that can be read, and their suffixes."""

from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, features

FORMATS = {  # nothing else is opened, whatever the suffix
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".pbm", ".pgm", ".ppm", ".pnm"),
}
AVIF_SUFFIXES = (".avif",)
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
HEIF_BRANDS = {  # first bytes of such files and what reads them
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC needs pillow-heif"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF needs a Pillow with libavif"),
}
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n")  # of JPEG and PNG, which phones export under the suffixes above
ARCHIVES = frozenset((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar"))  # perhaps of pictures
OTHER_PICTURES = ARCHIVES | frozenset(  # of which a folder may be full that holds no readable image
    (
        *(*AVIF_SUFFIXES, *HEIF_SUFFIXES, ".jp2", ".j2k", ".jxl", ".psd", ".xcf", ".svg", ".ico", ".tga", ".pcx"),
        *(".exr", ".hdr", ".dcm", ".nii", ".mha", ".npy", ".czi", ".nd2", ".lif", ".svs"),
        *(".cr2", ".cr3", ".crw", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf", ".raw", ".pef"),
        *(".mp4", ".mov", ".avi", ".mkv"),
    )
)


@cache
def readable_formats() -> dict[str, tuple[str, ...]]:
    """Return the suffixes of each format that Pillow reads here.

    AVIF depends on how Pillow was built, HEIC on whether pillow-heif is installed.
    """
    formats = dict(FORMATS)
    if features.check("avif"):
        formats["AVIF"] = AVIF_SUFFIXES
    if find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
        formats["HEIF"] = HEIF_SUFFIXES
    Image.init()  # loads all formats, before threads start
    return formats


def is_renamed(path: Path) -> bool:
    """Return whether a file called HEIC or AVIF is a JPEG or PNG."""
    if not path.name.lower().endswith((*HEIF_SUFFIXES, *AVIF_SUFFIXES)):
        return False
    with suppress(OSError), path.open("rb") as file:
        return file.read(8).startswith(SIGNATURES)
    return False


def image_suffixes() -> tuple[str, ...]:
    """Return the suffixes of files that are taken for images."""
    return tuple(suffix for suffixes in readable_formats().values() for suffix in suffixes)
