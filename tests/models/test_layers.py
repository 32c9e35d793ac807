"""Building blocks for images of any size: shapes come back exactly."""

import pytest
import torch
from torch import nn

from unsup.models.parts.layers import Residual, down, halvings, mlp, up


def test_sizes_are_halved_rounding_up_until_they_are_small() -> None:
    assert halvings((28, 28), stop=4) == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert halvings((32, 32), stop=4) == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert halvings((28, 28), stop=7) == [(28, 28), (14, 14), (7, 7)]
    assert halvings((8, 8), stop=4) == [(8, 8), (4, 4)]
    assert halvings((8, 8), stop=4, at_least=2) == [(8, 8), (4, 4), (2, 2)]
    assert halvings((9, 40), stop=7) == [(9, 40), (5, 20)]


@pytest.mark.parametrize("size", [(28, 28), (7, 7), (14, 7), (9, 40), (33, 47)])
def test_up_is_the_way_back_from_down(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    small = down(3, 5, size)(x)
    assert small.shape == (2, 5, (size[0] + 1) // 2, (size[1] + 1) // 2)
    assert up(5, 3, size)(small).shape == x.shape


def test_an_mlp_ends_in_a_linear_layer_and_normalises_between() -> None:
    assert [type(m) for m in mlp([4, 3, 2])] == [nn.Linear, nn.GELU, nn.Linear]
    assert [type(m) for m in mlp([4, 3, 2], batch_norm=True)] == [nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Linear]
    assert [type(m) for m in mlp([4, 2], batch_norm=True)] == [nn.Linear]


def test_a_residual_block_without_its_branch_changes_nothing() -> None:
    block, x = Residual(4), torch.randn(2, 4, 5, 6)
    assert block(x).shape == x.shape and not torch.equal(block(x), x)
    last = block.f[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    assert torch.equal(block(x), x)
