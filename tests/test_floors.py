"""Kept floors are those of the code that computes scores, whatever is written about it."""

import pytest

from unsup.floors import protocol_hash, without_prose

SOURCE = '"""What it is."""\n\ndef f(x):\n    """What it does."""\n    return x + 1  # why\n'


@pytest.mark.parametrize("prose", ["def f(x): return x + 1", '"""Other words."""\n\n\ndef f(x):\n    return (x + 1)\n'])
def test_words_about_the_code_do_not_count(prose: str) -> None:
    assert without_prose(prose) == without_prose(SOURCE)


@pytest.mark.parametrize("code", ["def f(x): return x + 2", "def f(x): return 'x' + 1", "def f(y): return y + 1"])
def test_every_change_of_the_code_counts(code: str) -> None:
    assert without_prose(code) != without_prose(SOURCE)


def test_the_hash_repeats_itself() -> None:
    assert protocol_hash() == protocol_hash()
