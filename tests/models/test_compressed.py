"""Compressed codes of a contrastive run: whose network they are of, and what views and neighbours choose."""

from typing import Any

import pytest
import torch
from tiny import SHAPE, TinyDigits, digits, train

from unsup.core.errors import UsageError, UserError
from unsup.models.compressed import Compressed
from unsup.models.parts.backbones import hidden_layers
from unsup.models.parts.closed_form import spread
from unsup.models.pca import PCA
from unsup.models.simclr import SimCLR
from unsup.models.vicreg import VICReg


@pytest.fixture(scope="module")
def contrastive() -> SimCLR:
    torch.manual_seed(0)
    model = SimCLR(SHAPE, "digits", width=4, projection=16, lr=4e-3)
    train(model, TinyDigits(n=600), epochs=10)
    return model.eval()


def started(source: torch.nn.Module, **options: Any) -> Compressed:
    torch.manual_seed(1)
    model = Compressed(SHAPE, "digits", **{"width": 4, "code_dim": 8, **options})
    model.initialise(source.state_dict())
    return model


@torch.no_grad()
def test_its_network_is_that_of_the_run_and_does_not_change(contrastive: SimCLR) -> None:
    model, x = started(contrastive), digits(60)
    train(model, TinyDigits(n=600), epochs=0)
    assert torch.equal(model.eval().backbone(x), contrastive.backbone(x))
    assert model.encode(x).shape == (60, 8)


@torch.no_grad()
def test_views_of_an_image_are_closer_than_by_principal_components(contrastive: SimCLR) -> None:
    model, x = started(contrastive, neighbours=0, views=16), digits(600)
    train(model, TinyDigits(n=600), epochs=0)
    first, second = (torch.cat(hidden_layers(model.eval().backbone, view), dim=1) for view in model.views(x))
    _, _, components = torch.pca_lowrank(torch.cat([first, second]), 8, niter=4)

    def share_within(directions: torch.Tensor) -> torch.Tensor:
        a, b = first @ directions, second @ directions
        return ((a - b).square().mean(0) / 2 / torch.cat([a, b]).var(0)).mean()

    assert share_within(model.directions) < 0.9 * share_within(components)


def test_neighbours_choose_the_directions_that_they_share(contrastive: SimCLR) -> None:
    """Of four numbers the first two separate clusters, and the other two vary as much inside them."""
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(12, 2, generator=generator)
    cluster = torch.randint(12, (600,), generator=generator)
    noise = torch.randn(600, 2, generator=generator)
    codes = torch.cat([centres[cluster] + 0.1 * noise, 10 * torch.randn(600, 2, generator=generator)], dim=1)
    weights = torch.tensor([1.0, 1.0, 0.1, 0.1])  # by views the clusters count more already
    chosen = started(contrastive, code_dim=2)._agreed((codes - codes.mean(0)).double(), weights.double())
    assert chosen.shape == (4, 2)
    assert chosen[:2].norm() > 20 * chosen[2:].norm()


@torch.no_grad()
def test_it_starts_from_any_method_that_has_a_backbone() -> None:
    torch.manual_seed(0)
    source = VICReg(SHAPE, "digits", width=4)
    assert torch.equal(started(source).eval().backbone(digits(5)), source.eval().backbone(digits(5)))
    with pytest.raises(UserError, match="^init_from: the other run has no weights that Compressed starts from$"):
        started(PCA(SHAPE, 8))
    with pytest.raises(UserError, match=r"^init_from: backbone[^\n]*$"):
        started(source, width=8)


def test_images_are_spread_over_all() -> None:
    x = torch.arange(100.0).view(100, 1)
    batches = list(spread(iter(x.split(25)), total=100, most=40))
    assert [len(part) for part in batches] == [9, 9, 9, 9]
    assert torch.equal(torch.cat(list(spread(iter(x.split(30)), total=100, most=100))), x)


def test_what_does_not_fit_is_one_line(contrastive: SimCLR) -> None:
    with pytest.raises(UsageError, match="^model.code_dim is 97: the hidden layers of conv have 96 values$"):
        started(contrastive, code_dim=97)
    with pytest.raises(UserError, match="27 images are too few for 40 directions: lower model.code_dim"):
        train(started(contrastive, code_dim=40), TinyDigits(n=30), epochs=0)
    for option, value in (("ridge", 0), ("area", 0), ("views", 1), ("code_dim", 0), ("neighbours", -1)):
        with pytest.raises(UsageError, match=rf"^[^\n]*{option} is {value}[^\n]*$"):
            started(contrastive, **{option: value})
