"""The contract of `unsup/models/base.py` over every recipe in configs/model: a new recipe is tested by being there."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny import SHAPE, TinyDigits, train

from unsup.core.errors import UsageError, UserError
from unsup.models.base import Model
from unsup.testing import check_model

RECIPES = {p.stem: p for p in sorted((Path(__file__).parents[2] / "configs/model").glob("*.yaml")) if "@" not in p.stem}
EPOCHS = 10  # of 5 steps


def recipe(name: str) -> tuple[type[Model], dict[str, Any]]:
    """The class and the options of a recipe."""
    config = yaml.safe_load(RECIPES[name].read_text())["model"]
    module, _, cls = config["class_path"].rpartition(".")
    options: dict[str, Any] = config.get("init_args", {})
    if options.get("width", 0) > 32:  # made for a GPU
        options["width"] = 16
    if "centroids" in options:  # made for large images
        options["centroids"] = 100
    return getattr(import_module(module), cls), options


def build(name: str, **other: Any) -> Model:
    """The model of a recipe for digits of 8 x 8 pixels, some options changed."""
    cls, options = recipe(name)
    linked = {"shape": SHAPE, "augmentation": TinyDigits.augmentation}
    arguments = {key: value for key, value in linked.items() if key in inspect.signature(cls).parameters}
    torch.manual_seed(0)
    return cls(**arguments | options | other)


def source_of(name: str) -> Model | None:
    """The trained model that a recipe starts from."""
    source = yaml.safe_load(RECIPES[name].read_text()).get("init_from")
    return trained(source) if source else None


def trained(name: str) -> Model:
    """The model of a recipe after a few dozen steps on a few digits."""
    model, source = build(name), source_of(name)
    if source:
        model.initialise(source.state_dict())
    train(model, epochs=EPOCHS)
    return model


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_keeps_the_contract(name: str) -> None:
    cls, options = recipe(name)
    check_model(cls, init_from=source_of(name), epochs=EPOCHS, **options)


@pytest.mark.parametrize("name", RECIPES)
def test_a_weight_decay_below_zero_is_one_line(name: str) -> None:
    if "weight_decay" not in inspect.signature(recipe(name)[0]).parameters:
        pytest.skip("has no such option")
    with pytest.raises(UsageError, match="^model.weight_decay is -1: it must be at least 0$"):
        build(name, weight_decay=-1)


BAD = {"lr": -1.0, "code_dim": 0, "hidden": 0, "width": 0, "level": -0.1, "beta": -1.0}


@pytest.mark.parametrize("name", RECIPES)
def test_bad_options_are_one_line(name: str) -> None:
    for option in BAD.keys() & inspect.signature(recipe(name)[0]).parameters.keys():
        with pytest.raises(UserError, match=rf"^[^\n]*{option}[^\n]*$"):
            build(name, **{option: BAD[option]})
