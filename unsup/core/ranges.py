"""Ranges of options, declared with their types.

`hidden: Annotated[int, AtLeast(1)] = 32` is an integer from 1 upwards. The value stays a plain number.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from unsup.core.errors import UsageError, choices


class Range:
    """The numbers that an option, or each entry of a sequence, may be."""

    def requirement(self, value: float) -> str:
        """Return what the number must be, or an empty string if it is in the range."""
        raise NotImplementedError


@dataclass(frozen=True)
class AtLeast(Range):
    """Finite numbers from `least` upwards."""

    least: float

    def requirement(self, value: float) -> str:
        if value == math.inf:
            return "finite"
        return "" if value >= self.least else f"at least {self.least}"


@dataclass(frozen=True)
class AtMost(Range):
    """Numbers up to `most`."""

    most: float

    def requirement(self, value: float) -> str:
        return "" if value <= self.most else f"at most {self.most}"


@dataclass(frozen=True)
class Above(Range):
    """Finite numbers above `low`, up to `most` and below `below`."""

    low: float
    most: float = math.inf
    below: float = math.inf

    def requirement(self, value: float) -> str:
        if self.low < value <= self.most and value < self.below:
            return ""
        if self.below < math.inf:
            return f"above {self.low} and below {self.below}"
        return f"above {self.low} and {'finite' if self.most == math.inf else f'at most {self.most}'}"


@dataclass(frozen=True)
class Between(Range):
    """Numbers from `least` to `most`, or to below `below`."""

    least: float
    most: float = math.inf
    below: float = math.inf

    def requirement(self, value: float) -> str:
        if self.least <= value <= self.most and value < self.below:
            return ""
        return f"from {self.least} to {f'below {self.below}' if self.below < math.inf else self.most}"


def check_options(
    section: str, init: Callable[..., None], values: Mapping[str, Any], common: Mapping[str, Range] | None = None
) -> None:
    """Refuse values that the annotations of a constructor do not allow.

    Checked are choices (`Literal`) and ranges. None has no range.

    Args:
        section: "model" or "data", for the message.
        init: the constructor.
        values: its arguments by name.
        common: ranges of options that need not be declared.

    Raises:
        UsageError: a value is none of the choices or outside its range; the message names it.
    """
    hints = get_type_hints(init, include_extras=True)
    for name, value in values.items():
        hint = hints.get(name)
        known = choices(hint)
        if known and value not in known:
            raise UsageError(f"{section}.{name} is {value!r}: choose one of {', '.join(map(str, known))}")
        ranges = [*ranges_of(hint), *([common[name]] if common and name in common else [])]
        for entry in _entries(value):
            for requirement in filter(None, (allowed.requirement(entry) for allowed in ranges)):
                text = f"{list(value)}: each" if isinstance(value, Sequence) else f"{value}: it"
                raise UsageError(f"{section}.{name} is {text} must be {requirement}")


def ranges_of(hint: Any) -> Iterator[Range]:
    """The ranges in an annotation, or in the members of a union."""
    if get_origin(hint) is Annotated:
        yield from (item for item in hint.__metadata__ if isinstance(item, Range))
        hint = hint.__origin__
    if get_origin(hint) in (Union, UnionType):
        for member in get_args(hint):
            yield from ranges_of(member)


def _entries(value: Any) -> Sequence[Any]:
    """The numbers in a value: its entries, itself, or nothing."""
    if isinstance(value, Sequence):
        return value
    return [] if value is None else [value]
