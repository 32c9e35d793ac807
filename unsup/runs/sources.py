"""Constructors as their sources declare them: no class is imported, and so neither is PyTorch."""

import ast
import builtins
import importlib.util
import typing
from pathlib import Path
from typing import Any

from unsup.runs.lookup import import_from_here

LIGHT = ("typing", "collections", "unsup.core.ranges")  # what is imported for the sake of annotations


class Names(dict[str, Any]):
    """The names in a signature. One that is not known here may stand for anything."""

    def __missing__(self, name: str) -> Any:
        return Any


def class_from_source(path: str) -> type | None:
    """Return a class of the name and with the `__init__` of the one at an import path; its values are not right.

    Returns:
        None if the source does not tell: the class itself has to be asked.
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
    except Exception:  # sources hold anything
        return None


def is_light(node: ast.stmt) -> bool:
    """Return whether a statement of a module gives names to constants, or imports what is quickly imported."""
    if isinstance(node, ast.ImportFrom):
        return str(node.module).startswith(LIGHT)
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)


def constructor(module: str, name: str) -> tuple[ast.Module, ast.FunctionDef]:
    """Return the `__init__` that a class has or inherits, and the module that it is defined in."""
    tree = ast.parse(file_of(module).read_bytes())
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and not node.level]
    imported = {alias.asname or alias.name: (str(n.module), alias.name) for n in imports for alias in n.names}
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        return constructor(*imported[name])
    cls = classes[name]
    if cls.decorator_list or cls.keywords:
        raise LookupError("its `__init__` may be a made one")
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return tree, node
    (base,) = cls.bases
    if not isinstance(base, ast.Name):
        raise LookupError("its base has no plain name")
    return constructor(*imported.get(base.id, (module, base.id)))


def file_of(module: str) -> Path:
    """Return the source of a module; the package that it is in is looked up, not imported."""
    import_from_here()
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not inner:
        return Path(str(spec and spec.origin))
    places = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
    return next(file for p in places for file in (p / "__init__.py", p.with_suffix(".py")) if file.is_file())
