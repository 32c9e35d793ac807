"""The code that computes scores, as one digest per module.

    python tests/scoring.py "why no score changes"

appends the digests of today to scoring.yaml, with the protocol's version and draft and that reason.
"""

import ast
import hashlib
import sys
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[1]
RECORD = Path(__file__).with_name("scoring.yaml")
ROOTS = ("unsup.evaluation.protocol", "unsup.evaluation.baselines", "unsup.evaluation.inception")
PACKAGES = ("unsup.evaluation", "unsup.metrics", "unsup.models")
TRAINING = ("unsup.models.base",)  # it decides weights, not what weights are worth


def modules() -> dict[str, Path]:
    """The modules of the three packages that the evaluation imports, directly or not."""
    seen: dict[str, Path] = {}
    todo = list(ROOTS)
    while todo:
        name = todo.pop()
        path = TOP / f"{name.replace('.', '/')}.py"
        if name in seen or not path.exists() or not name.startswith(PACKAGES) or name in TRAINING:
            continue
        seen[name] = path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                todo += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return dict(sorted(seen.items()))


def digests() -> dict[str, str]:
    """{module: digest of its code}; words, layout and imports do not count."""
    return {name: digest(path.read_text(encoding="utf-8")) for name, path in modules().items()}


def digest(source: str) -> str:
    """Sixteen digits that depend on the syntax tree alone, without docstrings, annotations and imports."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            node.body = [n for n in node.body[documented:] if not isinstance(n, ast.Import | ast.ImportFrom)]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def recorded() -> list[dict[str, Any]]:
    """The entries of scoring.yaml, the oldest first."""
    entries: list[dict[str, Any]] = yaml.safe_load(RECORD.read_text(encoding="utf-8"))
    return entries


if __name__ == "__main__":
    from unsup.evaluation.protocol import DRAFT, VERSION

    if len(sys.argv) != 2 or not sys.argv[1].strip():
        sys.exit('say why no score changes, or that the version is new: python tests/scoring.py "…"')
    entry = {"protocol": VERSION, "draft": DRAFT, "reason": sys.argv[1], "modules": digests()}
    with RECORD.open("a", encoding="utf-8") as file:
        yaml.safe_dump([entry], file, sort_keys=False, width=120, allow_unicode=True)
