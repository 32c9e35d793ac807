"""Lookup of recipes and modules in the working directory and the package.

Recipes and data sets are files in `configs/`, where those of the working directory come first. Each of them is looked
up separately, so that the user's folder can hold a single recipe, or hide one of the package. Modules of the working
directory come after all installed ones.
"""

import logging
from functools import cache
from pathlib import Path

from unsup.core.errors import UsageError, UserError, closest

OWN = Path("configs")  # of the working directory
PACKAGE = Path(__file__).parents[1]
# A wheel holds the recipes inside the package, a checkout next to it.
SHIPPED = PACKAGE / "configs" if (PACKAGE / "configs").is_dir() else PACKAGE.parent / "configs"

log = logging.getLogger(__name__)


def config_names(kind: str) -> list[str]:
    """Return the names in configs/<kind>, without variants for data sets."""
    return sorted({p.stem for top in (OWN, SHIPPED) for p in (top / kind).glob("*.yaml") if "@" not in p.stem})


def config_file(kind: str, name: str) -> Path:
    """Return the file of a recipe.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in config_names(kind):
        raise UsageError(f"unknown {kind} {name!r} ({closest(name, config_names(kind))})")
    return find_config(f"{kind}/{name}.yaml")


def variants(model: str | None, *data: str) -> list[Path]:
    """Return the variants of a recipe for data sets, M@D.yaml or M@D+E.yaml.

    They are in the order of the data sets.

    A recipe of the working directory that hides one of the package hides its variants too.
    """
    hidden = is_own(locate(f"model/{model}.yaml"))
    folders = [top / "model" for top in ((OWN,) if hidden else (OWN, SHIPPED))]
    paths = [path for folder in folders for path in folder.glob(f"{model}@*.yaml")]
    files = dict.fromkeys(p.name for name in data for p in sorted(paths) if name in p.stem.partition("@")[2].split("+"))
    return [find_config(f"model/{name}") for name in files]


def find_config(file: str) -> Path:
    """Return a file in configs/, with a warning if it hides one of the package."""
    path = locate(file)
    if is_own(path) and (SHIPPED / file).is_file():
        warn_hidden(path, path.resolve())
    return path


def locate(file: str) -> Path:
    """Return a file in configs/ of the working directory, else of the package."""
    own, shipped = OWN / file, SHIPPED / file
    same = own.is_file() and shipped.is_file() and own.samefile(shipped)
    return own if own.is_file() and not same else shipped


def is_own(path: Path) -> bool:
    """Return whether a file is not in the package."""
    return not path.is_relative_to(SHIPPED)


@cache
def warn_hidden(path: Path, resolved: Path) -> None:
    """Warn once for each file that it is used instead of the package's."""
    log.warning("%s of this folder is used, not the one of unsup", path)


def checkout() -> Path | None:
    """Return the checkout that this code runs from, None if it was installed."""
    return None if SHIPPED.parent == PACKAGE else SHIPPED.parent


def results_folder() -> Path:
    """Return the folder of recorded results.

    Raises:
        UserError: an installed package has none.
    """
    if (top := checkout()) is None:
        problem = "recorded results and their cards are in results/ of a checkout, not in the installed package"
        raise UserError(f"{problem}: clone the repository and run this there")
    return top / "results"
