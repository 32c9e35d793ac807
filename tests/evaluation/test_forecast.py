"""The announced time of an evaluation."""

import pytest

from unsup.evaluation.forecast import scoring_seconds


@pytest.mark.parametrize(
    ("images", "dim", "classes", "seconds"),
    [
        (2_150, 16, 10, 9.1),
        (2_150, 128, 10, 9.7),
        (13_000, 16, 10, 21.3),
        (13_000, 784, 10, 85.9),
        (70_000, 16, 10, 43.5),
        # docs/performance/scale.md, less 25 s for the start, the report and its figures
        (12_000, 64, 10, 16),
        (110_000, 64, 10, 35),
        (12_000, 16, 10, 21),
        (12_000, 256, 10, 15),
        (12_000, 1_024, 10, 31),
        (12_000, 4_096, 10, 38),
        (12_000, 64, 100, 38),
        (12_000, 64, 1_000, 190),
        (1_010_000, 512, 100, 1_025),
    ],
)
def test_it_is_within_a_factor_of_two_of_what_was_measured(images: int, dim: int, classes: int, seconds: float) -> None:
    assert 0.5 < scoring_seconds(images, dim, classes, "full") / seconds < 2
    assert scoring_seconds(images, dim, classes, "quick") < scoring_seconds(images, dim, classes, "baseline")


def test_a_quick_evaluation_of_wide_codes_is_not_announced_as_short() -> None:
    assert scoring_seconds(60_000, 5_384, 10, "quick") > 90  # on CIFAR-10 it took minutes
