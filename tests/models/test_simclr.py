"""The contrastive loss: known values, what lowers it, and that several processes compute that of one."""

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F
from torch import Tensor

from unsup.core.errors import UsageError
from unsup.models.simclr import SimCLR, nt_xent


def test_the_loss_by_hand() -> None:
    """Equation 1 of the paper, written out for every one of the 2N views."""
    torch.manual_seed(0)
    z1, z2 = torch.randn(5, 3), torch.randn(5, 3)
    views = F.normalize(torch.cat([z1, z2]), dim=1)
    terms = []
    for i in range(10):
        similarity = [float(views[i] @ views[k]) / 0.5 for k in range(10)]
        others = sum(math.exp(s) for k, s in enumerate(similarity) if k != i)
        terms.append(-math.log(math.exp(similarity[(i + 5) % 10]) / others))
    assert float(nt_xent(z1, z2, 0.5)) == pytest.approx(sum(terms) / 10, rel=1e-5)


def test_a_collapsed_code_costs_the_logarithm_of_all_others() -> None:
    z = torch.ones(8, 4)
    assert float(nt_xent(z, z, 0.2)) == pytest.approx(math.log(15), rel=1e-5)


def test_views_that_agree_and_stand_apart_cost_nothing() -> None:
    z = torch.eye(6)
    assert float(nt_xent(z, z, 0.01)) < 1e-6
    assert float(nt_xent(z, z.roll(1, 0), 0.01)) > 50


def projected(weight: Tensor, x: Tensor) -> Tensor:
    return x @ weight


def process(rank: int, folder: str) -> None:
    """A process's share of the gradient, averaged over processes as DDP does it."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    x1, x2, weight = torch.load(f"{folder}/in.pt")
    weight.requires_grad_()
    mine = slice(3 * rank, 3 * rank + 3)
    loss = nt_xent(projected(weight, x1[mine]), projected(weight, x2[mine]), 0.3)
    loss.backward()
    mean = torch.stack([loss.detach(), weight.grad.sum()])
    for value in (weight.grad, mean):
        dist.all_reduce(value)
        value /= 2
    if rank == 0:
        torch.save((mean[0], weight.grad), f"{folder}/out.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_gradient_of_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x1, x2, weight = torch.randn(6, 5), torch.randn(6, 5), torch.randn(5, 4)
    torch.save((x1, x2, weight), tmp_path / "in.pt")
    mp.spawn(process, args=(str(tmp_path),), nprocs=2)
    loss, gradient = torch.load(tmp_path / "out.pt")
    weight.requires_grad_()
    whole = nt_xent(projected(weight, x1), projected(weight, x2), 0.3)
    whole.backward()
    assert torch.allclose(loss, whole.detach(), atol=1e-6)
    assert torch.allclose(gradient, weight.grad, atol=1e-6)
    assert gradient.norm() > 0.01


@pytest.mark.parametrize(("option", "value"), [("temperature", 0.0), ("projection", 0), ("width", 0)])
def test_bad_options_are_named(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"model.{option}"):
        SimCLR((1, 8, 8), "digits", **{option: value})
