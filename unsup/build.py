"""From a resolved configuration to its objects: data, model, a model with a run's weights."""

import inspect
import pickle
from pathlib import Path

import torch

from unsup import runs
from unsup.config import LINKED, Config, load_class
from unsup.data.base import ImageData
from unsup.errors import UserError
from unsup.models.base import Model


def build_data(config: Config) -> ImageData:
    """The data module, nothing loaded yet."""
    data = load_class(config["data"]["class_path"], ImageData)(**config["data"]["init_args"])
    data.seed = config["seed"]
    return data


def prepare(config: Config) -> ImageData:
    """The data module with its files at hand and its images read and checked.

    Raises:
        UserError: files are missing, damaged or cannot be downloaded.
    """
    data = build_data(config)
    data.prepare_data()
    data.setup("fit")
    return data


def build_model(config: Config, data: ImageData) -> Model:
    """The model, newly initialised; what depends on the data (`shape`, `augmentation`) comes from the data module."""
    cls = load_class(config["model"]["class_path"], Model)
    linked = {name: getattr(data, name) for name in LINKED if name in inspect.signature(cls).parameters}
    model = cls(**linked, **config["model"]["init_args"])
    model.seed = config["seed"]
    return model


def load_run(run: Path, data: ImageData | None = None) -> tuple[Model, ImageData]:
    """The model of a run with its last weights, every one of them fitting, in eval mode; and its data, ready.

    Args:
        run: the run folder.
        data: the data module, when it is loaded already.

    Raises:
        UserError: no checkpoint, a damaged one, or one of another model; data not at hand.
    """
    config = runs.config_of(run)
    path = runs.checkpoint_of(run)
    data = data or prepare(config)
    model = build_model(config, data)
    try:
        model.load_state_dict(load_weights(path))
    except RuntimeError as e:
        raise UserError(f"{path} does not fit {config['model']['class_path']}: was its code changed since?") from e
    return model.eval(), data


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Parameters and buffers in a checkpoint, without running any code that it might hold."""
    try:
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except (OSError, EOFError, RuntimeError, KeyError, ValueError, pickle.UnpicklingError) as e:
        raise UserError(f"{path} cannot be read as a checkpoint: it is damaged or of another kind") from e
    return state
