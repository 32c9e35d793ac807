"""Few images of the user's own are trained on for a minimum of optimizer steps."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unsup.runs.config import compose, resolve
from unsup.runs.lookup import config_names
from unsup.runs.run import Run


def file_of(folder: Path, images: int) -> str:
    """A file from which models learn from so many images, by its header alone."""
    path = folder / f"{images}.npz"
    one = np.broadcast_to(np.uint8(0), (images, 1, 1))
    np.savez_compressed(path, train_images=one, val_images=one[:1], test_images=one[:1])
    return str(path)


def length(folder: Path, images: int, recipe: str = "deep_ae", **options: Any) -> tuple[int, int]:
    """Batch size and epochs."""
    given = [(key.replace("__", "."), value) for key, value in options.items()]
    config = resolve(compose(recipe, "npz", [], [("data.file", file_of(folder, images)), *given]))
    return config["data"]["init_args"]["batch_size"], config["trainer"]["max_epochs"]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (225, (32, 125)),  # 8 steps, 1,000
        (17, (32, 1000)),  # one step
        (1000, (128, 125)),  # 8 steps
        (1793, (256, 125)),  # 8 steps without a smaller batch
        (9000, (256, 28)),  # 36 steps
        (45_000, (256, 20)),
    ],
)
def test_steps_by_the_number_of_images(images: int, expected: tuple[int, int], tmp_path: Path) -> None:
    assert length(tmp_path, images, "ae") == expected


def test_a_short_recipe_is_not_longer_than_on_many_images(tmp_path: Path) -> None:
    batch_size, epochs = length(tmp_path, 5000, "lejepa")  # 5 epochs of 176 steps on 45,000 photographs
    assert (batch_size, epochs) == (256, 44)
    batch_size, epochs = length(tmp_path, 5000, "emp_ssl", data__min_steps=100_000)
    assert epochs == math.ceil(epochs_of("emp_ssl") * math.ceil(45_000 / batch_size) / math.ceil(5000 / batch_size))


def epochs_of(recipe: str) -> int:
    epochs: int = compose(recipe, "cifar10")["trainer"]["max_epochs"]
    return epochs


def test_what_the_user_states_is_not_changed(tmp_path: Path) -> None:
    assert length(tmp_path, 225, "ae", trainer__max_epochs=20) == (32, 20)
    assert length(tmp_path, 225, "ae", data__batch_size=256) == (256, 1000)
    assert length(tmp_path, 225, "ae", data__batch_size=256, trainer__max_epochs=3) == (256, 3)
    assert length(tmp_path, 225, "ae", data__min_steps=0) == (256, 20)
    assert length(tmp_path, 225, "ae", data__min_steps=500) == (32, 63)
    extra = tmp_path / "extra.yaml"
    extra.write_text("trainer: {max_epochs: 4}\n")
    config = resolve(compose("ae", "npz", [extra], [("data.file", file_of(tmp_path, 225))]))
    assert config["trainer"]["max_epochs"] == 4 and config["data"]["init_args"]["batch_size"] == 32


def test_methods_without_gradients_and_named_data_sets_are_left_alone(tmp_path: Path) -> None:
    assert length(tmp_path, 225, "pca")[1] == 0
    config = resolve(compose("ae", "digits"))
    assert (config["data"]["init_args"]["batch_size"], config["trainer"]["max_epochs"]) == (64, 120)


def test_a_recorded_configuration_is_read_as_it_is(tmp_path: Path) -> None:
    options = [("data.file", file_of(tmp_path, 225)), ("trainer.max_epochs", 20), ("data.batch_size", 256)]
    config = resolve(compose("ae", "npz", [], options))
    run = Run.create(tmp_path / "runs", config, "", "")
    assert Run(run.folder).config == config


def test_images_that_are_missing_leave_the_recipe(tmp_path: Path) -> None:
    config = resolve(compose("ae", "folder", [], [("data.images", str(tmp_path / "none"))]))
    assert (config["data"]["init_args"]["batch_size"], config["trainer"]["max_epochs"]) == (256, 20)


SHAPES = {"mnist": (60_000, 28, 28), "cifar10": (50_000, 32, 32, 3)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files as large as two data sets."""
    folder = tmp_path_factory.mktemp("arrays")
    for name, shape in SHAPES.items():
        images = np.broadcast_to(np.uint8(0), shape)
        np.savez_compressed(folder / f"{name}.npz", train_images=images, test_images=images[:20])
    return {name: str(folder / f"{name}.npz") for name in SHAPES}


@pytest.mark.parametrize("recipe", config_names("model"))
@pytest.mark.parametrize(("name", "preset"), [("mnist", "digits"), ("cifar10", "natural")])
def test_arrays_of_a_data_set_are_trained_like_it(recipe: str, name: str, preset: str, files: dict[str, str]) -> None:
    options = [("data.file", files[name]), ("data.augmentation", preset)]
    own, named = resolve(compose(recipe, "npz", [], options)), resolve(compose(recipe, name))
    assert own["model"] == named["model"] and own["trainer"] == named["trainer"]
    for key in ("batch_size", "steps_per_call"):
        assert own["data"]["init_args"][key] == named["data"]["init_args"][key]
