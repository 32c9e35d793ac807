"""Progress of an evaluation, as records of the logger "unsup.evaluation"."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
