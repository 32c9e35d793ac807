"""Ranges in annotations: what they allow, what they say, and that nothing else of an option changes."""

import math
from typing import Annotated, Any, Literal

import pytest

from unsup.core.errors import UsageError
from unsup.core.ranges import Above, AtLeast, AtMost, Between, Range, check_options
from unsup.runs.options import converted_options


@pytest.mark.parametrize(
    ("allowed", "inside", "outside", "words"),
    [
        (AtLeast(1), (1, 2.5, 10**400), (0, -math.inf, math.nan), "at least 1"),
        (AtLeast(0), (0.0, 1e300), (-1, math.inf), "at least 0"),
        (AtMost(100), (100, -5), (101, math.inf, math.nan), "at most 100"),
        (Above(0), (1e-300,), (0, -1, math.inf, math.nan), "above 0"),
        (Above(0, most=1), (0.1, 1), (0, 1.5, math.nan), "above 0 and at most 1"),
        (Above(0, below=1), (0.1,), (0, 1, math.nan), "above 0 and below 1"),
        (Between(0, 1), (0, 1), (-0.1, 1.1, math.nan), "from 0 to 1"),
        (Between(0, below=1), (0, 0.999), (-0.1, 1, math.nan), "from 0 to below 1"),
    ],
)
def test_ranges(allowed: Range, inside: tuple[float, ...], outside: tuple[float, ...], words: str) -> None:
    assert all(value in allowed for value in inside) and not any(value in allowed for value in outside)
    assert allowed.words == words


class Options:
    def __init__(
        self,
        shape: tuple[int, int, int],
        size: Annotated[int, AtLeast(1), AtMost(9)],
        widths: Annotated[list[int], AtLeast(1)],
        share: Annotated[float | None, Between(0, below=1)] = None,
        count: Annotated[int, AtLeast(2)] | None = None,
        kind: Literal["a", "b"] | None = None,
        free: float = 0.0,
    ) -> None: ...


GOOD: dict[str, Any] = {"size": 3, "widths": [4, 5], "share": 0.5, "count": 2, "kind": "a", "free": math.nan}


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"size": 0}, "model.size is 0: it must be at least 1"),
        ({"size": 10}, "model.size is 10: it must be at most 9"),
        ({"widths": [3, 0]}, "model.widths is [3, 0]: each must be at least 1"),
        ({"widths": (0,)}, "model.widths is [0]: each must be at least 1"),
        ({"share": 1.0}, "model.share is 1.0: it must be from 0 to below 1"),
        ({"count": 1}, "model.count is 1: it must be at least 2"),
        ({"kind": "c"}, "model.kind is 'c': choose one of a, b, None"),
        ({"lr": 0}, "model.lr is 0: it must be above 0"),
        ({"lr": math.inf}, "model.lr is inf: it must be finite"),
    ],
)
def test_what_is_outside_is_one_line(option: dict[str, Any], message: str) -> None:
    check_options("model", Options.__init__, GOOD)
    with pytest.raises(UsageError) as error:
        check_options("model", Options.__init__, GOOD | option)
    assert str(error.value) == message


def test_nothing_and_empty_lists_have_no_range() -> None:
    check_options("model", Options.__init__, dict.fromkeys(("share", "count", "lr")) | {"widths": []})


def test_a_recipe_is_read_by_the_plain_type() -> None:
    given = {"size": "3", "widths": [4], "share": "2e-1"}  # YAML reads 2e-1 as text
    expected = {"size": 3, "widths": [4], "share": 0.2, "count": None, "kind": None, "free": 0.0}
    assert converted_options(Options, "model", given) == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"size": "eight"}, "model.size: expected int, got 'eight'"),
        ({"size": None}, "model.size: expected int, got None"),
        ({"widths": 3}, "model.widths: expected list[int], got 3"),
        ({"share": "x"}, "model.share: expected float | None, got 'x'"),
    ],
)
def test_another_type_is_named_without_its_range(option: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        converted_options(Options, "model", GOOD | option)
    assert str(error.value) == message
