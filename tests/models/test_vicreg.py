"""VICReg: its three terms by hand, and what each of them is blind to."""

import math

import pytest
import torch
from tiny import SHAPE, digits

from unsup.core.errors import UsageError
from unsup.models.vicreg import VICReg, spread
from unsup.runs.config import compose


def test_variance_and_covariance_of_a_hand_computed_batch() -> None:
    z = torch.tensor([[0.5, 0.0], [-0.5, 2.0], [0.0, 4.0]])
    shortfall, covariance = spread(z)
    assert shortfall.item() == pytest.approx((1 - math.sqrt(0.25 + 1e-4)) / 2, abs=1e-6)  # the second is above 1
    between = (0.5 * -2 + -0.5 * 0 + 0 * 2) / 2
    assert covariance.item() == pytest.approx(2 * between**2 / 2, abs=1e-6)


def test_independent_dimensions_of_deviation_one_cost_nothing() -> None:
    z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert [term.item() for term in spread(1.5 + z)] == [0, 0]


def test_a_collapsed_batch_costs_the_whole_deviation_and_its_gradient_is_finite() -> None:
    z = torch.ones(8, 3, requires_grad=True)
    shortfall, covariance = spread(z)
    assert shortfall.item() == pytest.approx(0.99) and covariance.item() == 0
    shortfall.backward()
    assert z.grad is not None and torch.isfinite(z.grad).all()


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    torch.manual_seed(0)
    model = VICReg(SHAPE, "digits", width=2, projection=8, invariance=3.0, variance=5.0, covariance=7.0)
    found = {name: value.item() for name, value in model.losses(digits(16)).items()}
    weighted = 3 * found["invariance"] + 5 * found["variance"] + 7 * found["covariance"]
    assert found["loss"] == pytest.approx(weighted, rel=1e-5)


def test_the_variance_term_is_the_papers_sum_or_the_mean_of_the_authors_code() -> None:
    """The authors' code, written out: std_loss = mean(relu(1 - std_x)) / 2 + mean(relu(1 - std_y)) / 2."""
    found = {}
    for term in ("sum", "mean"):
        torch.manual_seed(0)
        model = VICReg(SHAPE, "digits", width=2, projection=8, variance_term=term)  # type: ignore[arg-type]
        model.projector = torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.Linear(3, 3))
        torch.nn.init.zeros_(model.projector[1].weight)  # a collapsed embedding: each view falls short by .99
        found[term] = {name: value.item() for name, value in model.losses(digits(16)).items()}
    assert found["sum"]["variance"] == pytest.approx(1.98) and found["sum"]["loss"] == pytest.approx(49.5)
    assert found["mean"]["variance"] == pytest.approx(0.99) and found["mean"]["loss"] == pytest.approx(24.75)


def test_the_recipe_takes_the_papers_sum() -> None:
    assert compose("vicreg", "mnist", [], [])["model"]["init_args"]["variance_term"] == "sum"
    assert VICReg(SHAPE, "digits").variance_term == "sum"


@pytest.mark.parametrize("option", ["projection", "invariance", "variance", "covariance"])
def test_options_outside_their_range_are_named(option: str) -> None:
    for value, wanted in ((-1, "at least [02]"), (math.inf, "finite"), (math.nan, "at least [02]")):
        with pytest.raises(UsageError, match=f"^model.{option} is {value}: it must be {wanted}$"):
            VICReg(SHAPE, "digits", **{option: value})
