"""The language rules of CONTRIBUTING.md that a program can check."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
FILES = sorted((TOP / "unsup").rglob("*.py"))
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
MOST = 80  # characters of a first line


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (place, docstring) for each docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield f"{path.relative_to(TOP)}:{getattr(node, 'lineno', 1)}", text


def fault(text: str) -> str:
    """Return what the first line of a docstring does against the rules, or an empty string."""
    first = text.partition("\n")[0]
    prose = re.sub(r"`[^`]*`|https?://\S+", "", first)  # code may hold a colon
    if ":" in prose or ";" in prose:
        return "has a colon or a semicolon"
    if re.match(r"What\b", first):
        return "begins with What"
    return f"has more than {MOST} characters" if len(first) > MOST else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TOP)))
def test_first_lines_of_docstrings_follow_the_rules(path: Path) -> None:
    faults = [f"{place} {problem}" for place, text in docstrings(path) if (problem := fault(text))]
    assert not faults, "\n".join(faults)


def test_the_rules_catch_what_they_forbid() -> None:
    assert fault("What a run is.") and fault("A run: its folder.") and fault("Load; save.") and fault("x" * 81)
    assert not fault("Return the codes (n, D) of images.\n\nDetails: many.") and not fault("Whatever `a: b` gives.")
