"""A user's images follow the recipes of the data set that they are like."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unsup.core.strict_yaml import as_plain
from unsup.runs.config import compose, resolve
from unsup.runs.likeness import variant_names
from unsup.runs.lookup import config_names

NAMED = ("mnist", "fashion_mnist", "kmnist", "digits", "cifar10", "cifar100", "stl10", "streamed")


def learned_from(config: dict[str, Any]) -> Any:
    """All that a recipe decides."""
    options = config["data"]["init_args"]
    loading = {key: options[key] for key in ("batch_size", "steps_per_call")}
    others = {key: config[key] for key in ("init_from", "matmul_precision", "trainer")}
    return as_plain({"model": config["model"], "loading": loading, **others})


def folder(tmp_path: Path, **options: Any) -> list[tuple[str, Any]]:
    return [("data.images", str(tmp_path / "none")), *((f"data.{key}", value) for key, value in options.items())]


@pytest.mark.parametrize("recipe", config_names("model"))
@pytest.mark.parametrize(
    ("preset", "channels", "size", "like"),
    [
        ("digits", 1, 28, "mnist"),
        ("natural", 1, 28, "fashion_mnist"),
        ("digits", 1, 8, "digits"),
        ("natural", 3, 32, "cifar10"),
        ("texture", 3, 32, "cifar10"),
    ],
)
def test_a_folder_follows_the_recipe_of_what_it_is_like(
    recipe: str, preset: str, channels: int, size: int, like: str, tmp_path: Path
) -> None:
    options = folder(tmp_path, augmentation=preset, channels=channels, size=size)
    assert learned_from(resolve(compose(recipe, "folder", [], options))) == learned_from(resolve(compose(recipe, like)))


def test_letters_are_not_trained_like_photographs(tmp_path: Path) -> None:
    options = folder(tmp_path, augmentation="digits", size=32)
    config = compose("simclr", "folder", [], options)
    assert config["model"]["init_args"]["backbone"] == "conv"
    assert compose("simclr", "folder", [], folder(tmp_path))["model"]["init_args"]["backbone"] == "patches"
    assert compose("mae", "folder", [], options)["model"]["init_args"]["patch"] == 4  # 7 does not divide 32


@pytest.mark.parametrize("data", NAMED)
def test_named_data_sets_follow_their_names(data: str) -> None:
    options = compose("ae", data)["data"].get("init_args", {})
    assert variant_names(data, options) == (data,)


def test_arrays_are_like_what_their_file_holds(tmp_path: Path) -> None:
    for name, shape, like in (("grey", (4, 28, 28), "fashion_mnist"), ("colour", (4, 28, 28, 3), "cifar10")):
        np.savez(tmp_path / f"{name}.npz", train_images=np.zeros(shape, np.uint8))
        options = compose("ae", "npz", [], [("data.file", str(tmp_path / f"{name}.npz"))])["data"]["init_args"]
        assert variant_names("npz", options) == (like, "npz")
    assert variant_names("npz", {"augmentation": "natural", "file": str(tmp_path / "none.npz")}) == ("npz",)


def test_a_variant_of_the_users_own_for_folders_has_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "model").mkdir(parents=True)
    (tmp_path / "configs" / "model" / "simclr@folder.yaml").write_text("model: {init_args: {width: 24}}\n")
    model = compose("simclr", "folder", [], folder(tmp_path))["model"]["init_args"]
    assert (model["backbone"], model["width"]) == ("patches", 24)


@pytest.mark.parametrize("wrong", ["letters", 3, None, ["digits"]])
def test_a_wrong_preset_is_left_to_the_check_of_options(wrong: Any, tmp_path: Path) -> None:
    compose("simclr", "folder", [], folder(tmp_path, augmentation=wrong))
    compose("simclr", "folder", [], folder(tmp_path, size="x"))
