"""Every joint-embedding recipe: what keeps it from collapsing is there, and several processes train as one."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import yaml
from tiny import SHAPE, digits
from torch import Tensor

from unsup.models.base import Model
from unsup.models.emp_ssl import coding_rate
from unsup.models.lejepa import sigreg
from unsup.models.vicreg import spread

CONFIGS = Path(__file__).parents[2] / "configs/model"


def joint() -> dict[str, tuple[type[Model], dict[str, Any]]]:
    """The recipes that learn from nothing but the projected views of images: class and arguments."""
    found = {}
    for path in sorted(CONFIGS.glob("*.yaml")):
        model = yaml.safe_load(path.read_text()).get("model", {})
        if "class_path" in model:
            module, _, name = model["class_path"].rpartition(".")
            cls = getattr(import_module(module), name)
            if hasattr(cls, "views") and "projection" in inspect.signature(cls).parameters and not cls.needs_init:
                found[path.stem] = cls, {"shape": SHAPE, "augmentation": "digits", **model["init_args"]}
    return found


RECIPES = joint()


class Given(torch.nn.Module):
    """A projector that answers with embeddings made up for each image, nearly the same for all its views."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        self.embeddings = embeddings

    def forward(self, features: Tensor) -> Tensor:
        views = len(features) // len(self.embeddings)
        return self.embeddings.repeat(views, 1) + 1e-3 * torch.randn(len(features), self.embeddings.shape[1])


@pytest.fixture(params=RECIPES)
def model(request: pytest.FixtureRequest) -> Model:
    cls, arguments = RECIPES[request.param]
    torch.manual_seed(0)
    return cls(**arguments)


def test_a_step_draws_as_many_views_as_the_model_says(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    module = import_module(type(model).__module__)
    augment = module.augment
    monkeypatch.setattr(
        module, "augment", lambda x, *args, **kwargs: drawn.append(len(x)) or augment(x, *args, **kwargs)
    )
    x = digits(6)
    model.losses(x)
    assert model.views_per_image is not None and sum(drawn) == 6 * model.views_per_image


def test_recipes_are_found() -> None:
    assert {"simclr", "vicreg", "lejepa", "emp_ssl"} <= RECIPES.keys()


def test_a_step_on_equal_images_is_finite(model: Model) -> None:
    loss = model.losses(digits(1).repeat(16, 1, 1, 1))["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_collapse_costs_more_than_spread(model: Model) -> None:
    """The views agree in all three: images at one point, on one line, standard normal."""
    x, p = digits(64), int(model.hparams["projection"])
    made_up = {"point": torch.ones(64, p), "line": torch.randn(64, 1) * torch.ones(p), "spread": torch.randn(64, p)}
    losses = {}
    for name, z in made_up.items():
        model.projector = Given(z)
        losses[name] = model.losses(x)["loss"].item()
    assert losses["spread"] < min(losses["point"], losses["line"])


def terms(z: Tensor) -> Tensor:
    """What the non-contrastive methods ask of the embeddings (N, P) of all processes together."""
    torch.manual_seed(7 + (dist.get_rank() if dist.is_initialized() else 0))  # as in training: noise of its own
    shortfall, covariance = spread(z)
    return shortfall + covariance + sigreg(z[None], 8) + coding_rate(z[None], 0.2).sum()


def embeddings() -> Tensor:
    return 0.5 * torch.randn(12, 3, generator=torch.Generator().manual_seed(0))


def one_of_two(rank: int, folder: str) -> None:
    """Gradients on this process's half of the rows, left in a file."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    z = embeddings().chunk(2)[rank].requires_grad_()
    loss = terms(z)
    loss.backward()
    torch.save((loss.detach(), z.grad), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path: Path) -> None:
    mp.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    z = embeddings().requires_grad_()
    loss = terms(z)
    loss.backward()
    assert parts[0][0].item() == pytest.approx(loss.item(), rel=1e-5)
    assert parts[1][0].item() == pytest.approx(loss.item(), rel=1e-5)
    together = torch.cat([grad for _, grad in parts]) / 2  # DDP averages gradients over processes
    assert z.grad is not None and torch.allclose(together, z.grad, atol=1e-5)
