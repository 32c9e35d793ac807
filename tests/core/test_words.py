"""Numbers and their nouns."""

import pytest

from unsup.core.words import counted, duration


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("image",), "0 images"),
        (1, ("image",), "1 image"),
        (2000, ("image",), "2,000 images"),
        (1, ("image is", "images are"), "1 image is"),
        (2, ("image is", "images are"), "2 images are"),
    ],
)
def test_a_noun_agrees_with_its_number(number: int, words: tuple[str, ...], text: str) -> None:
    assert counted(number, *words) == text


def test_times_are_written_for_people() -> None:
    assert [duration(s) for s in (0.4, 89, 90, 840, 5400, 9000)] == ["0 s", "89 s", "2 min", "14 min", "1.5 h", "2.5 h"]
