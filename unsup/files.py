"""Files that a reader sees whole or not at all."""

import os
from pathlib import Path


def replace(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside it, then rename: readers see the old one or the whole new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
