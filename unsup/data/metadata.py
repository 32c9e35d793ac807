"""Images whose metadata are damaged, without them."""

import struct
import zlib
from collections.abc import Iterator

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # byte orders by the first bytes
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # of a PNG
METADATA_MARKERS = (*range(0xE0, 0xEE), 0xEF, 0xFE)  # of a JPEG, all but the colour space of Adobe
PIXEL_TAGS = frozenset(  # of a TIFF
    {*range(254, 270), 273, 274, 277, 278, 279, *range(284, 288), 292, 293, 297, 301, *range(317, 326)}
    | {*range(330, 333), *range(336, 348), *range(512, 522), *range(529, 533)}
)


def without_metadata(content: bytes) -> bytes | None:
    """Return a PNG, JPEG or TIFF with no metadata but EXIF, None of another format."""
    if content.startswith(PNG):
        return PNG + b"".join(_png_chunks(content))
    if content.startswith(JPEG):
        return JPEG + b"".join(_jpeg_segments(content))
    if content[:4] in TIFF_ORDERS:
        return _tiff(bytearray(content), TIFF_ORDERS[content[:4]])
    return None


def _png_chunks(content: bytes) -> Iterator[bytes]:
    start = len(PNG)
    while start + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        chunk = content[start : start + 12 + length]
        if kind in PIXEL_CHUNKS:
            yield chunk
        elif kind == b"eXIf":
            yield chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4]))
        start += 12 + length


def _jpeg_segments(content: bytes) -> Iterator[bytes]:
    start = len(JPEG)
    while start + 4 <= len(content) and content[start] == 0xFF and content[start + 1] != 0xDA:  # start of the scan
        (length,) = struct.unpack_from(">H", content, start + 2)
        segment = content[start : start + 2 + length]
        if segment[1] not in METADATA_MARKERS or (segment[1] == 0xE1 and segment[4:10] == b"Exif\0\0"):
            yield segment
        start += 2 + length
    yield content[start:]


def _tiff(content: bytearray, order: str) -> bytes:
    """Return the first image of a TIFF file with the tags alone that its pixels need."""
    (start,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, start)
    entries = [bytes(content[start + 2 + 12 * i : start + 14 + 12 * i]) for i in range(count)]
    entries = [entry for entry in entries if struct.unpack_from(f"{order}H", entry)[0] in PIXEL_TAGS]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)  # no further image
    content[start : start + len(directory)] = directory
    return bytes(content)
