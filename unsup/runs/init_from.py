"""Methods in stages: `init_from` names the run, or the recipe of the run, whose weights a training starts from.

A text with a slash is a run folder, any other one a recipe: then it is the run of that recipe as it is now, on the same
images and with the same seed, without the options that the later stage was given for itself.
"""

from typing import Any

from unsup.core.errors import UsageError
from unsup.runs.config import DEFAULTS, Config, compose, data_recipe, resolve
from unsup.runs.lookup import config_file

LOADING = ("batch_size", "steps_per_call")  # options of a data set that say how to train, not on what


def source_recipe(config: Config) -> str | None:
    """The recipe that a configuration starts from; None where it starts from a run folder, or from nothing."""
    start: str | None = config["init_from"]
    return start if start and "/" not in start else None


def source_config(config: Config) -> tuple[Config, list[tuple[str, Any]]]:
    """The resolved configuration of the run that `config` starts from, and its options beside recipe, data and seed.

    Args:
        config: a resolved configuration for which `source_recipe` is a recipe.

    Raises:
        UsageError: there is no such recipe, or it does not go with these images.
    """
    recipe, data = str(source_recipe(config)), data_recipe(config)
    config_file("model", recipe)
    options = [(f"data.{key}", value) for key, value in config["data"]["init_args"].items() if key not in LOADING]
    if config["threads"] != DEFAULTS["threads"]:
        options.append(("threads", config["threads"]))
    called: list[tuple[str, Any]] = [("seed", config["seed"])]
    if data is None:  # a class that the command line or a file names
        options.insert(0, ("data.class_path", config["data"]["class_path"]))
        called.append(("dataset", config["dataset"]))
    return resolve(compose(recipe, data, [], called + options)), options


def check_stages(config: Config) -> None:
    """Find before anything is trained what a chain of stages cannot start from.

    Raises:
        UsageError: a recipe that does not exist, or one that starts from itself in the end.
    """
    seen: list[str] = []
    while recipe := source_recipe(config):
        if recipe in seen:
            circle = " from ".join([*seen[seen.index(recipe) :], recipe])
            raise UsageError(f"init_from: {circle} is a circle: one of them must start from nothing")
        seen.append(recipe)
        try:
            config = source_config(config)[0]
        except UsageError as e:
            raise UsageError(f"init_from: {e}; a run folder is written with a slash") from e
