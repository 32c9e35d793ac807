"""LeJEPA: the statistic against its closed forms, and where its gradient leads."""

import math

import pytest
import torch
from tiny import SHAPE, digits
from torch import Tensor

from unsup.core.errors import UsageError
from unsup.models.lejepa import LeJEPA, epps_pulley, sigreg

EXPECTED = 1.0525  # the mean of n draws from N(0, 1): the integral of (1 - exp(-t^2)) exp(-t^2 / 2) over [-3, 3]


@pytest.mark.parametrize(("x", "value"), [(0.0, 0.402048), (0.7, 0.810618), (-2.0, 2.642852)])
def test_a_single_point_has_a_known_value(x: float, value: float) -> None:
    """By the trapezoid rule on 17 knots in [0, 3]; the whole integral is .0070 more, its tail beyond 3."""
    assert epps_pulley(torch.tensor([[x]])).item() == pytest.approx(value, abs=1e-5)
    closed = math.sqrt(2 * math.pi) * (1 + 1 / math.sqrt(3) - math.sqrt(2) * math.exp(-(x**2) / 4))
    assert closed - value == pytest.approx(0.0070, abs=2e-4)


def test_mass_far_out_is_not_taken_for_mass_at_0() -> None:
    """22 of 100 samples at ±10.05: 13.04 by a dense quadrature, but 1.96 by 17 points on [-5, 5], .625 apart."""
    normal = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(78.0) + 0.5) / 78)
    mixture = torch.cat([normal, torch.full((11,), 10.05), torch.full((11,), -10.05)])
    assert epps_pulley(mixture[:, None]).item() == pytest.approx(13.0283, abs=1e-3)


def test_a_normal_sample_has_the_mean_of_the_null_distribution() -> None:
    torch.manual_seed(0)
    for n in (50, 500):
        assert epps_pulley(torch.randn(n, 2000)).mean().item() == pytest.approx(EXPECTED, rel=0.05)


@pytest.mark.parametrize("change", [lambda x: 0 * x, lambda x: 2 * x, lambda x: x / 2, lambda x: x + 1, torch.sign])
def test_anything_else_is_far_off(change: object) -> None:
    torch.manual_seed(0)
    x = torch.randn(500, 50)
    assert epps_pulley(change(x)).min() > 5 * EXPECTED  # type: ignore[operator]


def test_every_view_and_direction_is_looked_at() -> None:
    torch.manual_seed(0)
    z = torch.randn(2, 500, 4)
    good = sigreg(z, 64)
    flat, alike = z.clone(), z.clone()
    flat[1, :, 3] = 0  # one dimension of one view collapsed
    alike[:, :, 1] = alike[:, :, 0]  # two dimensions alike, each still N(0, 1)
    assert sigreg(flat, 64) > 2 * good and sigreg(alike, 64) > 2 * good


def test_its_gradient_leads_to_a_standard_normal() -> None:
    torch.manual_seed(0)
    z = (0.1 * torch.randn(1, 256, 2) @ torch.tensor([[1.0, 1.0], [0.0, 0.2]]) + 0.5).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        sigreg(z, 16).backward()
        optimizer.step()
    assert z.mean(1).abs().max() < 0.1
    assert torch.allclose(z[0].T.cov(), torch.eye(2), atol=0.15)


def test_directions_are_drawn_anew_and_from_the_noise_of_the_step() -> None:
    z = torch.randn(1, 20, 5, generator=torch.Generator().manual_seed(1))

    def at(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return sigreg(z, 4)

    assert at(0) == at(0) != at(1)


def test_the_prediction_is_the_distance_to_the_mean_view_and_lambda_weighs() -> None:
    torch.manual_seed(0)
    model = LeJEPA(SHAPE, "digits", width=2, views_per_image=4, sigreg=0.25)
    found = {name: value.item() for name, value in model.losses(digits(16)).items()}
    assert found["loss"] == pytest.approx(0.75 * found["prediction"] + 0.25 * found["sigreg"], rel=1e-5)
    model.projector = torch.nn.Linear(8, 1)  # the same embeddings for all views: nothing to predict
    torch.nn.init.zeros_(model.projector.weight)
    assert model.losses(digits(16))["prediction"] == 0


@pytest.mark.parametrize(
    "option", [{"projection": 0}, {"views_per_image": 1}, {"slices": 0}, {"sigreg": 1.5}, {"sigreg": -0.1}]
)
def test_options_outside_their_range_are_named(option: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"model.{next(iter(option))} is"):
        LeJEPA(SHAPE, "digits", **option)  # type: ignore[arg-type]
