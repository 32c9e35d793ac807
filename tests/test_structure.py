"""The layout promises: one stem everywhere, and who may import whom."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from unsup.comparison.recorded.means import by_model, mean_cost
from unsup.reports.catalogue import find_score
from unsup.reports.report import read_report
from unsup.runs.recipes import CHOSEN, header_field

TOP = Path(__file__).parents[1]
FILES = sorted((TOP / "unsup").rglob("*.py"))
# What each package may import besides itself. `unsup/__init__.py` and `unsup/testing.py` may import everything, and
# nothing imports them.
BELOW = {"core"}
CONTENT = BELOW | {"metrics", "models", "data", "reports"}
ALLOWED = {
    "core": set(),
    "metrics": BELOW,
    "data": BELOW,
    "models": BELOW,
    "reports": BELOW,
    "runs": CONTENT,
    "comparison": BELOW | {"metrics", "reports"},
    "inference": CONTENT | {"runs"},
    "evaluation": CONTENT | {"runs"},
    "training": CONTENT | {"runs", "evaluation"},
    "cli": CONTENT | {"runs", "comparison", "inference", "evaluation", "training"},
}
WITHOUT_TORCH = ("metrics", "reports", "comparison")
METHODS = {p.stem for p in (TOP / "configs" / "model").glob("*.yaml")}


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


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")


def part(path: Path) -> str:
    return path.relative_to(TOP / "unsup").parts[0]


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name != "unsup"], ids=lambda p: str(p.relative_to(TOP)))
def test_imports_stay_inside_the_boundaries(path: Path) -> None:
    package, used = part(path), own(path)
    others = {name.split(".")[1] for name in used} - {package}
    assert others <= ALLOWED[package], f"{package} must not import {sorted(others - ALLOWED[package])}"
    if package in WITHOUT_TORCH:
        assert not {"torch", "lightning"} & {name.split(".")[0] for name in imports(path)}
    if package == "models" and path.stem in METHODS:  # a method is read in one file, and in what methods share
        assert all(name.startswith(("unsup.core.", "unsup.models.parts.", "unsup.models.base")) for name in used), used


def test_the_packages_are_those_of_the_table() -> None:
    assert {p.name for p in (TOP / "unsup").iterdir() if (p / "__init__.py").exists()} == set(ALLOWED)
    assert {p.stem for p in (TOP / "unsup").glob("*.py")} <= {"__init__", "__main__", "testing"}


def test_nothing_inside_imports_the_public_interface() -> None:
    for path in FILES:
        if path.parent.name != "unsup":
            assert not {"unsup", "unsup.testing"} & imports(path), path


def prints(text: str) -> list[int]:
    """Lines that call `print`, or open a console that does not write into a file of its own."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    own_file = {id(call) for call in calls if any(keyword.arg == "file" for keyword in call.keywords)}
    return [c.lineno for c in calls if getattr(c.func, "id", "") in ("print", "Console") and id(c) not in own_file]


def test_only_the_command_line_prints() -> None:
    printing = {path.name: lines for path in FILES if part(path) != "cli" and (lines := prints(path.read_text()))}
    assert not printing, "log it, or return it to the command"
    assert prints("print(1)\n\nConsole().print(2)\nConsole(file=text).print(3)") == [1, 3]


def test_there_are_no_cycles() -> None:
    graph = {name_of(path): own(path) for path in FILES}
    while leaves := {name for name, used in graph.items() if not used & graph.keys()}:
        graph = {name: used for name, used in graph.items() if name not in leaves}
    assert not graph, "these import each other"


def test_the_boundary_check_sees_imports() -> None:
    assert "unsup.data.base" in own(TOP / "unsup" / "evaluation" / "protocol.py")
    assert "unsup.training.train" in own(TOP / "unsup" / "cli" / "training.py")


def test_one_stem_everywhere() -> None:
    modules = {p.stem for p in (TOP / "unsup" / "models").glob("*.py")} - {
        "__init__",
        "base",
        "contract",
        "frozen",
        "optional_outputs",
    }
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
        assert header_field(recipe, "chosen") in CHOSEN, f"{recipe}: '# chosen: …', one of {', '.join(CHOSEN)}"
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


def test_recipes_and_recorded_rows_agree_about_minutes() -> None:
    """Within a factor of two: recorded are CPU-seconds next to other work."""
    recorded = by_model([read_report(path) for path in (TOP / "results" / "mnist").glob("*/*.json")])
    for recipe, reports in recorded.items():
        stated = float((header_field(TOP / "configs" / "model" / f"{recipe}.yaml", "minutes") or "").split()[0])
        taken = (mean_cost(reports, find_score("CPU-s")) or 0) / 60
        assert taken < 1 or 0.5 * taken <= stated <= 2 * taken, f"{recipe}: {stated}; recorded {taken}"
