"""Ranges of options, declared with their types.

`hidden: Annotated[int, AtLeast(1)] = 32` is an integer from 1 upwards. The value stays a plain number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args, get_type_hints

from unsup.core.errors import UsageError, choices


@dataclass(frozen=True)
class Range:
    """The finite numbers that an option, or each entry of a sequence, may be."""

    words: str
    least: float = -math.inf
    above: float = -math.inf
    most: float = math.inf
    below: float = math.inf

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most and self.above < value < self.below


def AtLeast(least: float) -> Range:
    return Range(f"at least {least}", least=least)


def AtMost(most: float) -> Range:
    return Range(f"at most {most}", most=most)


def Above(low: float, most: float = math.inf, below: float = math.inf) -> Range:
    end = f" and below {below}" if below < math.inf else f" and at most {most}" if most < math.inf else ""
    return Range(f"above {low}{end}", above=low, most=most, below=below)


def Between(least: float, most: float = math.inf, below: float = math.inf) -> Range:
    """Return the range from `least` to `most`, or to below `below`."""
    end = f"below {below}" if below < math.inf else most
    return Range(f"from {least} to {end}", least=least, most=most, below=below)


COMMON = {"lr": Above(0), "code_dim": AtLeast(1), "weight_decay": AtLeast(0)}  # in every method with such an option


def check_options(section: str, init: Callable[..., None], values: Mapping[str, Any]) -> None:
    """Refuse values that the annotations of a constructor do not allow.

    Checked are choices (`Literal`) and ranges, also those of `COMMON`. None has no range.

    Args:
        section: "model" or "data", for the message.
        init: the constructor.
        values: its arguments by name.

    Raises:
        UsageError: a value is none of the choices or outside its range; the message names it.
    """
    hints = get_type_hints(init, include_extras=True)
    for name, value in values.items():
        known = choices(hints.get(name))
        if known and value not in known:
            raise UsageError(f"{section}.{name} is {value!r}: choose one of {', '.join(map(str, known))}")
        ranges = ranges_of(hints.get(name)) + ([COMMON[name]] if name in COMMON else [])
        several = isinstance(value, Sequence)
        for entry, allowed in product(value if several else [] if value is None else [value], ranges):
            if entry not in allowed:
                subject = f"{list(value)}: each" if several else f"{value}: it"
                words = "finite" if entry == math.inf else allowed.words
                raise UsageError(f"{section}.{name} is {subject} must be {words}")


def ranges_of(hint: Any) -> list[Range]:
    """Return the ranges in an annotation, also those in the members of a union."""
    ranges = [item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Range)]
    return ranges + [item for part in get_args(hint) for item in ranges_of(part)]
