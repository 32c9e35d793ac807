"""The layout promises: one stem everywhere, and who may import whom."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from unsup.evaluation.baselines import SCORING
from unsup.runs.recipes import CHOSEN, stated

TOP = Path(__file__).parents[1]
FILES = sorted((TOP / "unsup").rglob("*.py"))
FOUNDATION = {"unsup.core.errors", "unsup.core.files", "unsup.core.seeds"}
BRICKS = {
    "unsup.models.parts.layers",
    "unsup.models.parts.backbones",
    "unsup.models.parts.augment",
    "unsup.core.distributed",
    "unsup.models.parts.loss_guard",
    "unsup.models.parts.optim",
    "unsup.models.parts.spectral",
}  # of methods
PICTURES = ("canvas", "embedded", "figures", "generated", "geometry", "hardest", "hover_map", "panels")
CLUSTERINGS = ("cluster_count", "clustering", "mixtures")
ESTIMATORS = (*CLUSTERINGS, "diagnostics", "draws", "generation", "logistic", "moderated", "paired", "probes", "ridge")
ARRAYS_ONLY = (*ESTIMATORS, *PICTURES)  # they see arrays alone


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            module = node.module or ""
            names = {f"{module}.{alias.name}" for alias in node.names}
            found |= {name if is_module(name) else module for name in names}
    return found


def is_module(name: str) -> bool:
    return (TOP / (name.replace(".", "/") + ".py")).exists()


def own(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] == "unsup" and name != "unsup"}


def part(path: Path) -> str:
    return path.relative_to(TOP / "unsup").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(TOP)))
def test_imports_stay_inside_the_boundaries(path: Path) -> None:
    used = own(path)
    if part(path) == "models":
        assert used <= FOUNDATION | BRICKS | {"unsup.models.base"}
    elif part(path) == "data":
        assert all(name.startswith("unsup.data.") or name in FOUNDATION for name in used), used
    elif part(path) == "evaluation":
        allowed = FOUNDATION | {"unsup.models.base", "unsup.data.base"}
        assert all(name.startswith("unsup.evaluation.") or name in allowed for name in used), used
        if path.stem in ARRAYS_ONLY:
            assert all(name.startswith("unsup.evaluation.") for name in used - FOUNDATION), used
            assert not {"torch", "lightning"} & {name.split(".")[0] for name in imports(path)}
    elif f"unsup.{path.stem}" in BRICKS:
        assert used <= {"unsup.core.errors", "unsup.models.parts.layers"} and not any(
            name.startswith("lightning") for name in imports(path)
        )
    if path.name not in ("cli.py", "verbs.py", "__main__.py"):
        assert not {"unsup.training.train", "unsup.cli.parser"} & used


def test_the_boundary_check_sees_imports() -> None:
    assert "unsup.data.base" in own(TOP / "unsup" / "evaluation" / "protocol.py")
    assert "unsup.training.train" in own(TOP / "unsup" / "verbs.py")


def test_kept_floors_depend_on_all_code_that_decides_scores() -> None:
    folder, used, todo = TOP / "unsup" / "evaluation", set(), ["protocol"]
    while todo:
        used.add(name := todo.pop())
        names = {path.rsplit(".", 1)[-1] for path in own(folder / f"{name}.py") if ".evaluation." in path}
        todo += names - used - set(todo)
    assert used - {"parallel", "summary"} == set(SCORING) - {"inception"}  # those two decide no number


def test_one_stem_everywhere() -> None:
    modules = {p.stem for p in (TOP / "unsup" / "models").glob("*.py")} - {"__init__", "base"}
    recipes = sorted((TOP / "configs" / "model").glob("*.yaml"))
    assert recipes
    for recipe in recipes:
        stem = recipe.stem.partition("@")[0]
        config = yaml.safe_load(recipe.read_text())
        if "@" in recipe.stem:  # what one data set needs: the model keeps its class
            assert (recipe.parent / f"{stem}.yaml").exists(), recipe
            assert "class_path" not in config.get("model", {}), recipe
            continue
        module = config["model"]["class_path"].split(".")[-2]
        assert module in modules, recipe
        assert stem == module or stem.startswith(f"{module}_"), recipe
    assert modules == {m for m in modules if (TOP / "configs" / "model" / f"{m}.yaml").exists()}
    for source in (TOP / "configs" / "data").glob("*.yaml"):
        assert yaml.safe_load(source.read_text())["data"]["class_path"].startswith("unsup.data."), source


def test_recipes_say_what_to_expect() -> None:
    for recipe in (TOP / "configs" / "model").glob("*.yaml"):
        header = [line for line in recipe.read_text().splitlines() if line.startswith("#")]
        assert header, f"{recipe}: the first line says what it is"
        assert stated(recipe, "chosen") in CHOSEN, f"{recipe}: '# chosen: …', one of {', '.join(CHOSEN)}"
        if "@" not in recipe.stem:
            text = "\n".join(header)
            assert "# expect: " in text and "# minutes: " in text, recipe


def test_files_stay_short() -> None:
    long = {str(p.relative_to(TOP)): n for p in FILES if (n := len(p.read_text().splitlines())) > 250}
    assert not long, f"split by meaning: {long}"


def test_nothing_names_a_machine_or_a_registry() -> None:
    pattern = re.compile(r"pypi" + r"\.org|python" + r"hosted|(?<![\w.])/(work|root|home)/")
    tracked = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        text = (TOP / name).read_bytes().decode(errors="replace")
        assert not pattern.search(text), name
