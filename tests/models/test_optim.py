"""What an optimizer is given: decay of weights alone, the recipe's learning rate, each parameter once."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from unsup.core.errors import UsageError
from unsup.models.base import Model
from unsup.runs.build import build_data, build_model
from unsup.runs.config import compose, resolve

RECIPES = sorted((Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))
DECAYS = {
    "byol": 1e-4,
    "emp_ssl": 1e-4,
    "lejepa": 5e-4,
    "mae": 0.05,
    "selflabel": 1e-2,
    "simclr": 1e-4,
    "simclr_resnet18": 1e-4,
    "vicreg": 1e-4,
}


def optimizer(recipe: str, **options: Any) -> tuple[Model, torch.optim.Optimizer]:
    """Return the model of a recipe for MNIST, and its optimizer at the first of 40 steps."""
    changes = [(f"model.{name}", value) for name, value in options.items()]
    config = resolve(compose(recipe, "mnist", [], changes))
    model = build_model(config, build_data(config))
    model.total_steps = lambda schedule: 40  # type: ignore[method-assign]
    return model, model.configure_optimizers()["optimizer"]


def test_the_list_is_that_of_the_recipes() -> None:
    recipes = {path.stem: yaml.safe_load(path.read_text()) for path in RECIPES if "@" not in path.stem}
    stated = {name: recipe["model"].get("init_args", {}).get("weight_decay") for name, recipe in recipes.items()}
    assert {name: value for name, value in stated.items() if value is not None} == DECAYS


@pytest.mark.parametrize("recipe", DECAYS)
def test_weights_decay_and_biases_and_scales_do_not(recipe: str) -> None:
    model, found = optimizer(recipe)
    decay = {id(p): group["weight_decay"] for group in found.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in found.param_groups) == len(decay)  # each once
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert decay.keys() == {id(p) for p in trained.values()}
    for name, p in trained.items():
        assert decay[id(p)] == (DECAYS[recipe] if p.ndim > 1 else 0), name
    assert {p.ndim > 1 for p in trained.values()} == {True, False}


@pytest.mark.parametrize("recipe", DECAYS)
def test_the_optimizer_is_adamw_with_the_learning_rate_of_the_recipe(recipe: str) -> None:
    _, found = optimizer(recipe, lr=0.008)
    assert type(found) is torch.optim.AdamW
    for group in found.param_groups:
        assert group["initial_lr"] == 0.008 and group["lr"] == pytest.approx(0.002)  # the first of four warm-up steps
        assert tuple(group["betas"]) == (0.9, 0.999) and group["eps"] == 1e-8 and not group["amsgrad"]


def test_nothing_decays_where_nothing_is_stated() -> None:
    for recipe, options in (("ae", {}), ("mae", {"weight_decay": 0})):
        model, found = optimizer(recipe, **options)
        assert [group["weight_decay"] for group in found.param_groups] == [0]
        assert len(found.param_groups[0]["params"]) == len([p for p in model.parameters() if p.requires_grad])


class Own(torch.optim.SGD):
    """An optimizer of the user's."""


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"name": "SGD", "momentum": 0.9}, torch.optim.SGD),
        ({"name": "RMSprop", "alpha": 0.5}, torch.optim.RMSprop),
        ({"name": f"{__name__}.Own"}, Own),
    ],
)
def test_another_optimizer_has_its_options_and_the_same_schedule(options: dict[str, Any], kind: type) -> None:
    model, _ = optimizer("simclr", lr=0.008)
    model.optimizer = options
    made = model.configure_optimizers()
    assert type(made["optimizer"]).__name__ == kind.__name__
    for group in made["optimizer"].param_groups:
        assert group["initial_lr"] == 0.008 and group["lr"] == pytest.approx(0.002)
        assert all(group[name] == value for name, value in options.items() if name != "name")
    assert {group["weight_decay"] for group in made["optimizer"].param_groups} == {0.0, 1e-4}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "sgd"}, "no optimizer of torch.optim .*SGD"),
        ({"name": "nowhere.Own"}, "No module named 'nowhere'"),
        ({"name": "torch.nn.Linear"}, "no optimizer"),
        ({"name": "SGD", "momentun": 0.9}, "SGD has no such option .*'momentum'"),
        ({"name": "SGD", "momentum": -1}, "cannot be made with these options: Invalid momentum"),
        ({"name": "SGD", "lr": 1}, "the learning rate is model.lr"),
    ],
)
def test_a_wrong_optimizer_is_one_line(options: dict[str, Any], message: str) -> None:
    model, _ = optimizer("ae")
    model.optimizer = options
    with pytest.raises(UsageError, match=message):
        model.configure_optimizers()
