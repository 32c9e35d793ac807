"""Coverage of every interval that is printed, and errors of the statements of a table, on simulated models."""

import pytest
from metrics import simulated

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("deviation", simulated.DEVIATIONS)
def test_intervals_cover_the_truth_as_often_as_they_say(seeds: int, deviation: float) -> None:
    """A standard error of .009; those of a family hold together, and each for itself more often."""
    found = simulated.coverage(seeds, deviation, times=600)
    for name in ("planned", "over seeds", "test images"):
        assert 0.92 <= found[name] <= 0.99, (name, found[name])
    assert found["family of baselines"] >= 0.92 and found["family of the best"] >= 0.92


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_the_interval_of_few_labels_covers_all_draws(seeds: int) -> None:
    found = simulated.few_label_coverage(seeds, times=600)
    assert 0.92 <= found["with draws"] <= 0.99 and found["without"] < 0.85


@pytest.mark.parametrize("seeds", [1, 3])
def test_twenty_equal_models_are_seldom_called_different(seeds: int) -> None:
    found = simulated.family_wise_error(seeds, times=300)
    assert found["the best"] <= 0.07 and found["baselines"] <= 0.07
