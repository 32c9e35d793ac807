"""Convolutions on patches: any size, the patches of a run, and one set of them for a network and its average."""

import pytest
import torch
from tiny import SHAPE, TinyDigits, train

from unsup.core.errors import UsageError
from unsup.models.byol import BYOL
from unsup.models.parts import patch_network
from unsup.models.parts.backbones import build_backbone, hidden_layers, hidden_sizes
from unsup.models.parts.patch_network import PatchNetwork
from unsup.models.simclr import SimCLR


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_network, "CENTROIDS", 16)
    monkeypatch.setattr(patch_network, "PATCH", 3)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 33, 40)])
def test_codes_of_images_and_of_smaller_views(shape: tuple[int, int, int]) -> None:
    network, size = build_backbone("patches", shape, 2, "natural")
    channels, height, width = shape
    assert size == 16 and network(torch.rand(4, *shape)).shape == (4, 16)
    assert network(torch.rand(4, channels, height * 3 // 4, width * 3 // 4)).shape == (4, 16)
    assert [h.shape for h in hidden_layers(network, torch.rand(4, *shape))] == [
        (4, size) for size in hidden_sizes(network, shape)
    ]


@torch.no_grad()
def test_large_images_are_averaged_down() -> None:
    torch.manual_seed(0)
    large, _ = build_backbone("patches", (3, 128, 128), 2, "natural")
    small, _ = build_backbone("patches", (3, 32, 32), 2, "natural")
    small.load_state_dict(large.state_dict())
    x = torch.rand(4, 3, 32, 32)
    enlarged = x.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.allclose(large.eval()(enlarged), small.eval()(x), atol=1e-5)


@pytest.mark.parametrize("name", ["conv", "resnet18", "patches", "torchvision:resnet18"])
def test_hidden_layers_hold_the_features(name: str) -> None:
    """Which are the mean of the last maps, or their only layer."""
    network, size = build_backbone(name, (3, 16, 16), 4, "natural")
    x = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        hidden, features = torch.cat(hidden_layers(network.eval(), x), dim=1), network(x)
    distances = torch.cdist(hidden.T, features.T, compute_mode="donot_use_mm_for_euclid_dist")
    assert distances.min(0).values.max() < 1e-5 and hidden.shape[1] >= size


def test_its_patches_are_found_before_the_first_step_and_no_more() -> None:
    torch.manual_seed(0)
    model = SimCLR(SHAPE, "digits", backbone="patches", width=2)
    drawn = model.backbone.dictionary.centroids.clone()
    train(model, TinyDigits(), epochs=1)
    found = model.backbone.dictionary.centroids.clone()
    assert not torch.equal(found, drawn)
    again = SimCLR(SHAPE, "digits", backbone="patches", width=2)
    again.initialise(model.state_dict())
    train(again, TinyDigits(n=80), epochs=1)
    assert torch.equal(again.backbone.dictionary.centroids, found)


def test_a_moving_average_has_the_same_patches() -> None:
    model = BYOL(SHAPE, "digits", backbone="patches", width=2)
    train(model, TinyDigits(), epochs=1)
    assert torch.equal(model.backbone.dictionary.centroids, model.target[0].dictionary.centroids)


def test_too_small_images_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_network, "PATCH", 9)
    with pytest.raises(UsageError, match="^model.patch 9 is too large for 8 x 8 pixels: lower it$"):
        PatchNetwork((1, 8, 8), 0, 2, mirrored=False)
