"""The title of a recipe and the fields in its comments.

Fields are `# expect: …`, `# minutes: …` and `# chosen: …`. The last one says how numbers (sizes, rates, epochs) were
chosen:

* validation: with the labels of validation images;
* label-free: by a measure without labels, such as the reconstruction error of validation images;
* published: as in the source, or set in advance; nothing was searched.
"""

from pathlib import Path

from unsup.runs.config import Config, data_recipe
from unsup.runs.likeness import variant_names
from unsup.runs.lookup import config_file, config_names, variants

CHOSEN = ("validation", "label-free", "published")
NOT_STATED = "not stated"


def header(path: Path) -> list[str]:
    """Return the comment lines of a recipe, without the #."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line[1:].strip() for line in lines if line.startswith("#")]


def header_field(path: Path, field: str) -> str | None:
    """Return the text behind `# <field>: `, if any."""
    prefix = f"{field}: "
    return next((line.removeprefix(prefix) for line in header(path) if line.startswith(prefix)), None)


def how_chosen(config: Config) -> str:
    """Return how the numbers of a run's recipe were chosen.

    For a data set D, M@D.yaml has precedence. Options of the command line are in the recorded command.
    """
    recipe = config["recipe"]
    files = [config_file("model", recipe)] if recipe in config_names("model") else []
    files += variants(recipe, *variant_names(data_recipe(config), config["data"].get("init_args", {})))
    return next((text for path in reversed(files) if (text := header_field(path, "chosen"))), NOT_STATED)
