"""The contract of `unsup/models/base.py` over every recipe in configs/model: a new recipe is tested by being there."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tiny import SHAPE, TinyDigits, digits, same_weights, train

from unsup.core.errors import UsageError, UserError
from unsup.models.base import Model

RECIPES = {p.stem: p for p in sorted((Path(__file__).parents[2] / "configs/model").glob("*.yaml")) if "@" not in p.stem}
EPOCHS = 10  # of 4 or 5 steps


def recipe(name: str) -> tuple[type[Model], dict[str, Any]]:
    """The class and arguments of a recipe, for digits of 8 x 8 pixels."""
    config = yaml.safe_load(RECIPES[name].read_text())["model"]
    module, _, cls = config["class_path"].rpartition(".")
    found: type[Model] = getattr(import_module(module), cls)
    linked = {"shape": SHAPE, "augmentation": TinyDigits.augmentation}
    named, given = inspect.signature(found).parameters, config.get("init_args", {})
    if given.get("width", 0) > 32:  # made for a GPU
        given["width"] = 16
    return found, {key: value for key, value in linked.items() if key in named} | given


def build(name: str) -> Model:
    cls, arguments = recipe(name)
    torch.manual_seed(0)
    return cls(**arguments)


def gradients(name: str) -> bool:
    return any(p.requires_grad for p in build(name).parameters())


class Trained:
    """A recipe after a few dozen steps (or its fit) on a few digits."""

    def __init__(self, name: str, shuffle_labels: bool = False) -> None:
        self.model, self.data = build(name), TinyDigits()
        if source := yaml.safe_load(RECIPES[name].read_text()).get("init_from"):
            self.model.initialise(Trained(source).model.state_dict())
        self.data.setup()
        self.data.size("train")  # the split is drawn, stratified, before labels are shuffled
        if shuffle_labels:
            np.random.default_rng(0).shuffle(self.data.arrays[True][1])
        self.trainer, self.curves = train(self.model, self.data, epochs=EPOCHS if gradients(name) else 0)
        self.model.eval()


@pytest.fixture(scope="module", params=RECIPES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def trained(name: str) -> Trained:
    return Trained(name)


def test_a_weight_decay_below_zero_is_one_line(name: str) -> None:
    cls, arguments = recipe(name)
    if "weight_decay" not in inspect.signature(cls).parameters:
        pytest.skip("has no such option")
    with pytest.raises(UsageError, match="^model.weight_decay is -1: it must be at least 0$"):
        cls(**arguments | {"weight_decay": -1})


def test_every_trainable_parameter_moves_and_stays_finite(name: str, trained: Trained) -> None:
    before = dict(build(name).named_parameters())
    for key, value in trained.model.named_parameters():
        assert torch.isfinite(value).all(), key
        assert not value.requires_grad or not torch.equal(value, before[key]), f"{key} gets no gradient"
    for key, value in trained.model.named_buffers():
        assert torch.isfinite(value.float()).all(), key


def test_training_lowers_the_loss(name: str, trained: Trained) -> None:
    if not gradients(name):
        pytest.skip("learns nothing by gradients")
    curve = np.array([value for _, value in trained.curves["train/loss"]])
    assert np.isfinite(curve).all()
    if type(trained.model).training_step is Model.training_step:  # the base minimises this very number
        assert curve[-5:].mean() < 0.9 * curve[:5].mean()


def test_training_and_validation_log_the_same_keys(name: str, trained: Trained) -> None:
    if not gradients(name):
        pytest.skip("learns nothing by gradients")
    logged: dict[str, set[str]] = {"train": set(), "val": set()}
    for tag in trained.curves:
        stage, _, key = tag.partition("/")
        logged.setdefault(stage, set()).add(key)  # what is neither belongs to whole passes over the training images
    gradients_only = {key for key in logged["train"] if key.startswith("grad_norm")}
    assert logged["train"] - {"lr"} - gradients_only == logged["val"] > set()


def test_a_fitted_method_learns_and_keeps_its_shapes(name: str, trained: Trained) -> None:
    if not hasattr(trained.model, "fit"):
        pytest.skip("has no fit")
    new = build(name).state_dict()
    assert {k: v.shape for k, v in new.items()} == {k: v.shape for k, v in trained.model.state_dict().items()}
    assert not same_weights(trained.model, build(name))


def test_codes_are_a_fixed_function_of_each_image(trained: Trained) -> None:
    model, x = trained.model, digits(20)
    flags = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        z = model.encode(x)
        assert z.ndim == 2 and len(z) == len(x) and z.dtype == torch.float32 and torch.isfinite(z).all()
        assert z.std(0).max() > 0
        assert torch.equal(z, model.encode(x))
        assert torch.allclose(z, torch.cat([model.encode(row[None]) for row in x]), atol=1e-5, rtol=1e-4)
    assert flags == [module.training for module in model.modules()]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_optional_parts_keep_their_shapes(trained: Trained) -> None:
    model, x = trained.model, digits(6)
    with torch.no_grad():
        z = model.encode(x)
        if hasattr(model, "reconstruct"):
            assert model.reconstruct(x).shape == x.shape
        if hasattr(model, "decode"):
            assert model.decode(z).shape == x.shape
        if hasattr(model, "sample"):
            images = model.sample(3)
            assert images.shape == (3, *SHAPE) and images.min() >= 0 and images.max() <= 1
        if hasattr(model, "generate"):
            images = model.generate(torch.randn(3, model.noise_dim))
            assert images.shape == (3, *SHAPE) and images.min() >= 0 and images.max() <= 1
        if hasattr(model, "elbo"):
            log_px, kl = model.elbo(x)
            assert log_px.shape == (6,) and kl.ndim == 2 and len(kl) == 6
        if hasattr(model, "log_likelihood"):
            assert model.log_likelihood(x, 3).shape == (6,)
        if hasattr(model, "layers"):
            layers, rows = model.layers(x), [model.layers(row[None]) for row in x]
            for key, h in layers.items():
                assert h.ndim == 2 and len(h) == len(x)
                assert torch.allclose(h, torch.cat([row[key] for row in rows]), atol=1e-5, rtol=1e-4), key


def test_clusters_are_a_fixed_function_of_each_image(trained: Trained) -> None:
    if not hasattr(trained.model, "assign"):
        pytest.skip("does not cluster")
    model, x = trained.model, digits(40)
    with torch.no_grad():
        ids = model.assign(x)
        assert ids.shape == (len(x),) and ids.dtype == torch.int64
        assert ids.min() >= 0 and ids.max() < model.num_clusters
        assert len(ids.unique()) > 1
        assert torch.equal(ids, model.assign(x))
        assert torch.equal(ids, torch.cat([model.assign(row[None]) for row in x]))


def test_looking_at_samples_changes_nothing(trained: Trained) -> None:
    if not hasattr(trained.model, "sample"):
        pytest.skip("makes no images")
    before = {key: value.clone() for key, value in trained.model.state_dict().items()}
    trained.model.train()
    trained.model.sample(3)
    assert trained.model.training
    trained.model.eval()
    assert all(torch.equal(value, before[key]) for key, value in trained.model.state_dict().items())


def test_labels_change_nothing(name: str, trained: Trained) -> None:
    other = Trained(name, shuffle_labels=True)
    assert not np.array_equal(other.data.labels("train"), trained.data.labels("train"))
    assert same_weights(other.model, trained.model)


def test_a_checkpoint_brings_back_the_codes(trained: Trained, tmp_path: Path) -> None:
    trained.trainer.save_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    again = type(trained.model)(**saved["hyper_parameters"])
    again.load_state_dict(saved["state_dict"])
    x = digits(20)
    with torch.no_grad():
        assert torch.equal(again.eval().encode(x), trained.model.encode(x))


BAD = {"lr": -1.0, "code_dim": 0, "hidden": 0, "width": 0, "level": -0.1, "beta": -1.0, "d_steps": 0}


def test_bad_options_are_one_line(name: str) -> None:
    cls, arguments = recipe(name)
    for option in BAD.keys() & inspect.signature(cls).parameters.keys():
        with pytest.raises(UserError, match=rf"^[^\n]*{option}[^\n]*$"):
            cls(**arguments | {option: BAD[option]})
