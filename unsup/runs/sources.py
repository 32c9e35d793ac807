"""Constructors read from source code, without importing PyTorch."""

import ast
import builtins
import importlib.util
import re
import typing
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from unsup.core.own_modules import import_from_here

LIGHT = ("typing", "collections", "unsup.core.ranges")  # modules that annotations may come from


class Names(dict[str, Any]):
    """The names in a signature, where an unknown one means any type."""

    def __missing__(self, name: str) -> Any:
        return Any


def class_from_source(path: str) -> type | None:
    """Return a class with the name and the signature of the one at an import path.

    Returns:
        The class, or None if its source does not show the signature.
    """
    module, _, name = path.rpartition(".")
    try:
        tree, init = constructor(module, name)
        if init.args.vararg or init.args.kwarg:
            return None
        known = [node for node in tree.body if is_light(node)]
        init.decorator_list, init.returns = [], None
        names = Names(vars(builtins))
        exec(compile(ast.Module([*known, init], []), path, "exec", dont_inherit=True), {}, names)
        typing.get_type_hints(names["__init__"])
        return type(name, (), {"__init__": names["__init__"]})
    except Exception:  # of any source code
        return None


def is_light(node: ast.stmt) -> bool:
    """Return whether a statement defines a constant, or imports from a light module."""
    if isinstance(node, ast.ImportFrom):
        return str(node.module).startswith(LIGHT)
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)


def constructor(module: str, name: str) -> tuple[ast.Module, ast.FunctionDef]:
    """Return the `__init__` that a class has or inherits, and its module."""
    for tree, cls in lineage(module, name):
        if cls.decorator_list or cls.keywords:
            raise LookupError("its `__init__` may be generated")
        for node in cls.body:
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return tree, node
    raise LookupError("no `__init__`")


def documented_options(path: str) -> dict[str, str]:
    """Return what the docstrings of a class and of its bases say of its options."""
    module, _, name = path.rpartition(".")
    texts: dict[str, str] = {}
    with suppress(LookupError, ValueError, OSError, SyntaxError, StopIteration):  # where the source is not found
        for _, cls in lineage(module, name):
            section = (ast.get_docstring(cls) or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
            entries = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", section, re.M)
            texts = {option: " ".join(text.split()) for option, text in entries} | texts
    return texts


def lineage(module: str, name: str) -> Iterator[tuple[ast.Module, ast.ClassDef]]:
    """Yield a class and its bases with their modules, if these are plain names.

    Raises:
        LookupError: the source of a base is not found, or a class is its own base.
    """
    seen = set[tuple[str, str]]()
    while (module, name) not in seen:
        seen.add((module, name))
        tree = ast.parse(file_of(module).read_bytes())
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and not node.level]
        imported = {alias.asname or alias.name: (str(n.module), alias.name) for n in imports for alias in n.names}
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        if name not in classes:
            module, name = imported[name]
            continue
        cls = classes[name]
        yield tree, cls
        if len(cls.bases) != 1 or not isinstance(cls.bases[0], ast.Name):
            raise LookupError("its base is not a plain name")
        module, name = imported.get(cls.bases[0].id, (module, cls.bases[0].id))
    raise LookupError("a class is its own base")


def file_of(module: str) -> Path:
    """Return the source file of a module without importing its package."""
    import_from_here()
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not inner:
        return Path(str(spec and spec.origin))
    folders = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
    return next(file for p in folders for file in (p / "__init__.py", p.with_suffix(".py")) if file.is_file())
