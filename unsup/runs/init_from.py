"""Methods in stages, where a training starts from the weights of another run.

`init_from` is a run folder (it contains a slash), a recipe, or the weights of a library (torchvision:NAME, timm:NAME).
A recipe means the run of its current configuration on the same images with the same seed, without the options given to
the later stage.
"""

from typing import Any

from unsup.core.errors import UsageError
from unsup.runs.config import Config, compose, data_recipe, resolve
from unsup.runs.lookup import config_file
from unsup.runs.settings import DEFAULTS

LOADING = ("batch_size", "steps_per_call")  # options of a data set for the training, which do not change the images


def source_recipe(config: Config) -> str | None:
    """Return the recipe that a configuration starts from, if `init_from` is one."""
    start: str | None = config["init_from"]
    return start if start and "/" not in start and not library_source(config) else None


def library_source(config: Config) -> str | None:
    """Return the weights of a library that a configuration starts from, if any."""
    start: str | None = config["init_from"]
    return start if start and start.partition(":")[0] in ("torchvision", "timm") else None


def source_config(config: Config) -> tuple[Config, list[tuple[str, Any]]]:
    """Return the configuration that `config` starts from, and its other options.

    The options are those besides recipe, data set and seed.

    Args:
        config: a resolved configuration for which `source_recipe` is a recipe.

    Raises:
        UsageError: there is no such recipe, or it does not fit these images.
    """
    recipe, data = str(source_recipe(config)), data_recipe(config)
    config_file("model", recipe)
    options = [(f"data.{key}", value) for key, value in config["data"]["init_args"].items() if key not in LOADING]
    if config["threads"] != DEFAULTS["threads"]:
        options.append(("threads", config["threads"]))
    common: list[tuple[str, Any]] = [("seed", config["seed"])]
    if data is None:  # the class is given on the command line or in a file
        options.insert(0, ("data.class_path", config["data"]["class_path"]))
        common.append(("dataset", config["dataset"]))
    return resolve(compose(recipe, data, [], common + options)), options


def check_stages(config: Config) -> None:
    """Check a chain of stages before anything is trained.

    Raises:
        UsageError: a recipe does not exist, or starts from itself, possibly by way of others.
    """
    seen: list[str] = []
    while recipe := source_recipe(config):
        if recipe in seen:
            circle = " from ".join([*seen[seen.index(recipe) :], recipe])
            raise UsageError(f"init_from: {circle} is a circle: remove init_from from one of them")
        seen.append(recipe)
        try:
            config = source_config(config)[0]
        except UsageError as e:
            raise UsageError(f"init_from: {e}; write a run folder with a slash") from e
