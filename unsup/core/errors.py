"""Mistakes a person can mend: shown as one line that names the thing and the remedy, without a traceback."""

import difflib
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

LONGEST = 2000  # characters of a message


class UserError(Exception):
    """Something in the data, a run folder or the machine is wrong (exit code 1)."""

    exit_code = 1


class UsageError(UserError):
    """The command line or a configuration file is wrong (exit code 2)."""

    exit_code = 2


def closest(name: str, known: Iterable[str]) -> str:
    """A hint for a message: the nearest known name, or all of them when there are few."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1, 0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def choices(hint: Any) -> tuple[Any, ...]:
    """The values that a type of `Literal`, or a union of it and None, allows; none for any other type."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    found = tuple(value for part in parts for value in choices(part))
    return (*found, None) if found and NoneType in parts else found


def printable(text: str) -> str:
    """On one line whatever a file or a class is called: control characters and bytes that are no text as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(error: Exception) -> str:
    """What is told of an error: one line, and of a long one (it quotes what it refuses) both ends."""
    at = f"{error.filename or 'input or output'}: {error.strerror or error}" if isinstance(error, OSError) else error
    text = printable(str(at))
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
