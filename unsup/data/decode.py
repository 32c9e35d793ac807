"""Image files of any size and mode, decoded in threads."""

import logging
import os
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from PIL import UnidentifiedImageError
from tqdm import tqdm

from unsup.core.errors import UserError, printable
from unsup.data.formats import readable_formats
from unsup.data.pixels import Cut, Picture, Reading, open_image, read_picture

IMAGES_PER_TASK = 4  # that a thread decodes at a time: few, so that all threads end together
TASKS_AHEAD = 4  # tasks of each thread that may wait to be yielded


def decode(
    paths: list[Path], shape: tuple[int, int, int], reading: Reading | None = None, cut: Cut | None = None
) -> Iterator[list[Picture | str]]:
    """Yield images in order, a few at a time, or reasons why they cannot be read.

    Only a few are decoded ahead. A progress bar appears after two seconds.

    Args:
        paths: the files.
        shape: (C, S, S) of an image.
        reading: how pixels are read.
        cut: as in `read_picture`.
    """

    def task(start: int) -> list[Picture | str]:
        return [_picture_or_reason(path, shape, reading, cut) for path in paths[start : start + IMAGES_PER_TASK]]

    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # damaged files are reported in one line
    warnings.filterwarnings("ignore", module=r"PIL\.")
    readable_formats()  # loads them before the threads start
    threads = os.cpu_count() or 1
    progress = tqdm(
        total=len(paths), desc="decoding", unit=" images", delay=2, mininterval=0.5, leave=False, disable=None
    )
    with ThreadPoolExecutor(threads) as pool, progress as bar:
        starts = iter(range(0, len(paths), IMAGES_PER_TASK))
        ahead = deque(pool.submit(task, start) for start in islice(starts, TASKS_AHEAD * threads))
        while ahead:
            pictures = ahead.popleft().result()
            ahead.extend(pool.submit(task, start) for start in islice(starts, 1))
            bar.update(len(pictures))
            yield pictures


def _picture_or_reason(
    path: Path, shape: tuple[int, int, int], reading: Reading | None, cut: Cut | None
) -> Picture | str:
    try:
        return read_picture(path, shape, reading, cut)
    except Exception as error:  # damaged files raise anything: OSError, SyntaxError, struct.error, …
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return str(text).splitlines()[0]


def check_picture(path: Path) -> None:
    """Raise UserError if a file does not begin as an image does."""
    try:
        with path.open("rb") as file:
            open_image(file)
    except UnidentifiedImageError as e:
        raise UserError(printable(f"{path} cannot be read as an image: {e}")) from e


def unreadable_message(unreadable: dict[str, str], total: int) -> str:
    """Return how many images cannot be read, and why the first five of them."""
    examples = [printable(f"{file} ({reason})") for file, reason in sorted(unreadable.items())[:5]]
    more = f" and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
    return f"{len(unreadable)} of {total} images cannot be read: {', '.join(examples)}{more}"
