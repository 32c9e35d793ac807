"""Images whose metadata are damaged, without them."""

import struct
import zlib
from collections.abc import Iterator

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # of a PNG
METADATA_MARKERS = (*range(0xE1, 0xEE), 0xEF, 0xFE)  # of a JPEG, all but the colour spaces of JFIF and Adobe


def without_metadata(content: bytes) -> Iterator[bytes]:
    """Yield a PNG or JPEG file without its metadata, first with and then without EXIF.

    Nothing is yielded for other formats.
    """
    for keep_exif in (True, False):
        if content.startswith(PNG):
            yield PNG + b"".join(_png_chunks(content, keep_exif))
        elif content.startswith(JPEG):
            yield JPEG + b"".join(_jpeg_segments(content, keep_exif))


def _png_chunks(content: bytes, keep_exif: bool) -> Iterator[bytes]:
    start = len(PNG)
    while start + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        chunk = content[start : start + 12 + length]
        if kind in PIXEL_CHUNKS:
            yield chunk
        elif kind == b"eXIf" and keep_exif:
            yield chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4]))
        start += 12 + length


def _jpeg_segments(content: bytes, keep_exif: bool) -> Iterator[bytes]:
    start = len(JPEG)
    while start + 4 <= len(content) and content[start] == 0xFF and content[start + 1] != 0xDA:  # start of the scan
        (length,) = struct.unpack_from(">H", content, start + 2)
        segment = content[start : start + 2 + length]
        is_exif = segment[1] == 0xE1 and segment[4:10] == b"Exif\0\0"
        if segment[1] not in METADATA_MARKERS or (is_exif and keep_exif):
            yield segment
        start += 2 + length
    yield content[start:]
