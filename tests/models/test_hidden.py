"""Codes that are all hidden layers of another run's network."""

import pytest
import torch
from tiny import SHAPE, TinyDigits, digits, train

from unsup.core.errors import UserError
from unsup.models.hidden import Hidden
from unsup.models.parts.backbones import hidden_layers
from unsup.models.pca import PCA
from unsup.models.simclr import SimCLR


@torch.no_grad()
def test_its_network_is_that_of_the_run_and_does_not_change() -> None:
    torch.manual_seed(0)
    source, x = SimCLR(SHAPE, "digits", width=4), digits(20)
    model = Hidden(SHAPE, "digits", width=4)
    model.initialise(source.state_dict())
    train(model, TinyDigits(), epochs=0)
    maps = source.eval().backbone[:-2](x)
    code = model.eval().encode(x)
    assert code.shape == (20, 16 * (9 + 2)) and torch.equal(code[:, 9 * 16 : 10 * 16], maps.mean((2, 3)))
    assert torch.allclose(code, torch.cat(hidden_layers(source.backbone, x, 3), dim=1))
    assert not torch.allclose(code, model.encode(x.flip(3)), atol=1e-3)  # a mirrored digit is another one


@pytest.mark.parametrize("backbone", ["conv", "patches"])
@torch.no_grad()
def test_photographs_and_their_mirror_images_have_one_code(backbone: str) -> None:
    torch.manual_seed(0)
    model, x = Hidden((3, 16, 16), "natural", backbone=backbone, width=2).eval(), torch.rand(5, 3, 16, 16)
    code = model.encode(x)
    assert torch.allclose(code, model.encode(x.flip(3)), atol=1e-5)
    assert not torch.allclose(code[:1], code[1:], atol=1e-3)


def test_it_starts_from_methods_with_a_backbone_alone() -> None:
    with pytest.raises(UserError, match="^init_from: the other run has no weights that Hidden starts from$"):
        Hidden(SHAPE, "digits", width=4).initialise(PCA(SHAPE, 8).state_dict())
    with pytest.raises(UserError, match=r"^init_from: backbone[^\n]*$"):
        Hidden(SHAPE, "digits", width=8).initialise(SimCLR(SHAPE, "digits", width=4).state_dict())
