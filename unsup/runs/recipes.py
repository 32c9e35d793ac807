"""What the comment lines of a recipe say of it: its title, `# expect: …`, `# minutes: …` and `# chosen: …`.

`# chosen: …` says how its numbers (sizes, rates, epochs) were chosen:

* validation: with the labels of validation images;
* label-free: by something measured that needs no labels, such as the reconstruction error of validation images;
* published: as in the source, or set beforehand; nothing was searched.
"""

from pathlib import Path

from unsup.runs.config import Config
from unsup.runs.lookup import config_file, config_names, variants

CHOSEN = ("validation", "label-free", "published")
NOT_STATED = "not stated"


def header(path: Path) -> list[str]:
    """The comment lines of a recipe, without their sign."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line[1:].strip() for line in lines if line.startswith("#")]


def header_field(path: Path, field: str) -> str | None:
    """What stands behind `# <field>: `; None where no line begins so."""
    found = [line.removeprefix(f"{field}: ") for line in header(path) if line.startswith(f"{field}: ")]
    return found[0] if found else None


def how_chosen(config: Config) -> str:
    """How the numbers of a run's recipe were chosen; what M@D.yaml says of itself holds for the data set D.

    Options of the command line are not covered: the recorded command shows them.
    """
    recipe, dataset = config["recipe"], config["dataset"]
    files = [config_file("model", recipe)] if recipe in config_names("model") else []
    for data in (dataset, dataset.partition("-")[0]):  # folder-<name> is configured by folder.yaml
        files = [*(variants(recipe, data) if data in config_names("data") else []), *files]
    return next((text for path in files if (text := header_field(path, "chosen"))), NOT_STATED)
