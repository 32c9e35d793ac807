"""The announced time of an evaluation."""

import pytest

from unsup.evaluation.forecast import scoring_seconds


@pytest.mark.parametrize(
    ("images", "dim", "seconds"),
    [(2_150, 16, 9.1), (2_150, 128, 9.7), (13_000, 16, 21.3), (13_000, 784, 85.9), (70_000, 16, 43.5)],
)
def test_it_is_within_a_factor_of_two_of_what_was_measured(images: int, dim: int, seconds: float) -> None:
    assert 0.5 < scoring_seconds(images, dim, "full") / seconds < 2
    assert scoring_seconds(images, dim, "quick") < scoring_seconds(images, dim, "baseline")
