"""Errors that the user can fix, shown as one line without a traceback."""

import difflib
import re
from collections.abc import Iterable
from itertools import takewhile
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

LONGEST = 2000  # characters of a message
NEAR = 0.6  # likeness from which on a name is suggested


class UserError(Exception):
    """Something in the data, a run folder or the machine is wrong (exit code 1)."""

    exit_code = 1


class UsageError(UserError):
    """The command line or a configuration file is wrong (exit code 2)."""

    exit_code = 2


def similar(name: str, known: Iterable[str]) -> str:
    """Return a hint for a message, the most similar known name, empty without one."""
    near = nearest(name, known)
    return f"did you mean {near!r}?" if near else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the most similar known name in any case, None if none is near.

    A shared beginning, such as digits- of two cards, does not make names similar. The last word of one is near, as dim
    is to code_dim.
    """

    def likeness(other: str) -> float:
        a, b = (re.split(r"(?<=[-_.:/ ])", text.lower()) for text in (name, other))
        shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(a[:-1], b[:-1], strict=False))))
        pairs = [("".join(a[start:]), "".join(b[start:])) for start in (0, shared)]
        whole = min(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)
        return max(whole, NEAR) if a == b[-1:] else whole

    best = max(sorted(known), key=likeness, default=None)
    return best if best is not None and likeness(best) >= NEAR else None


def closest(name: str, known: Iterable[str]) -> str:
    """Return a hint for a message, the most similar known name or else all of them."""
    known = sorted(known)
    return similar(name, known) or f"known: {', '.join(known)}"


def choices(hint: Any) -> tuple[Any, ...]:
    """Return the values that a `Literal`, or a union with one, allows."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    values = tuple(value for part in parts for value in choices(part))
    return (*values, None) if values and NoneType in parts else values


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes, for text on one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(error: Exception) -> str:
    """Return the message of an error on one line, without the middle of a long one."""
    message = str(error)
    if isinstance(error, OSError):
        message = f"{error.filename or 'input or output'}: {error.strerror or error}"
    text = printable(message)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
