"""Progress of an evaluation, as records of the logger "unsup.evaluation"."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from unsup.core.words import duration

log = logging.getLogger(__package__)
subjects: ContextVar[tuple[str, ...]] = ContextVar("subjects", default=())  # from the outermost to the innermost


def say(text: str) -> None:
    """Log what is being computed, or what is left out and why."""
    log.info("%s", ": ".join((*subjects.get(), text)))


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Name in every record what is being evaluated."""
    token = subjects.set((*subjects.get(), subject))
    try:
        yield
    finally:
        subjects.reset(token)


class Remaining:
    """Progress of work on many images, with the time that the rest is going to take."""

    def __init__(self, what: str, count: int) -> None:
        self.what, self.left, self.done, self.start = what, count, 0, time.monotonic()

    def pass_by(self, count: int) -> None:
        """Count images that needed no work."""
        self.left -= count

    def say_after(self, count: int) -> None:
        """Count images that took their time."""
        self.left, self.done = self.left - count, self.done + count
        seconds = (time.monotonic() - self.start) / self.done * self.left
        say(f"{self.what}, about {duration(max(1, seconds))} left")
