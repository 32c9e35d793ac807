"""Constructors as their sources declare them: no class is imported, and so neither is PyTorch."""

import ast
import importlib.util
import typing
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

LIGHT = ("typing", "collections", "unsup.core")  # modules whose names an annotation may use


def declared(path: str) -> type | None:
    """Return a class of the name and with the `__init__` of the one at an import path.

    Annotations and defaults that need further modules are left out.

    Returns:
        None if the source does not tell: the class itself has to be asked.
    """
    module, _, name = path.rpartition(".")
    try:
        tree, init = constructor(module, name)
        if init.args.vararg or init.args.kwarg:
            return None
        names: dict[str, object] = {}
        run(list(imports(tree, {node.id for node in ast.walk(init.args) if isinstance(node, ast.Name)})), names)
        run([ast.ClassDef(name, [], [], [stripped(init, names)], [])], names)
        cls = names[name]
        typing.get_type_hints(cls.__init__)  # type: ignore[misc]
        return typing.cast(type, cls)
    except Exception:  # sources hold anything
        return None


def constructor(module: str, name: str) -> tuple[ast.Module, ast.FunctionDef]:
    """Return the `__init__` that a class has or inherits, and the module that it is defined in."""
    tree = ast.parse(file_of(module).read_bytes())
    imported = {
        alias.asname or alias.name: (str(node.module), alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and not node.level
        for alias in node.names
    }
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
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or not inner:
        return Path(str(spec and spec.origin))
    candidates = [Path(folder, *inner) for folder in spec.submodule_search_locations or ()]
    files = [file for path in candidates for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()]
    return files[0]


def stripped(init: ast.FunctionDef, names: dict[str, object]) -> ast.FunctionDef:
    """Return a function without a body, and without annotations and defaults that the names do not explain."""
    arguments = init.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.annotation and not evaluates(argument.annotation, names):
            argument.annotation = None
    nothing = ast.Constant(None)
    arguments.defaults = [node if evaluates(node, names) else nothing for node in arguments.defaults]
    arguments.kw_defaults = [node if not node or evaluates(node, names) else nothing for node in arguments.kw_defaults]
    return ast.FunctionDef("__init__", arguments, [ast.Pass()], [])


def evaluates(node: ast.expr, names: dict[str, object]) -> bool:
    """Return whether an expression has a value where only these names are known."""
    try:
        eval(compile(ast.Expression(node), "", "eval", dont_inherit=True), names)
    except Exception:
        return False
    return True


def run(statements: Sequence[ast.stmt], names: dict[str, object]) -> None:
    """Execute statements; what they define is added to the names."""
    tree = ast.fix_missing_locations(ast.Module(list(statements), []))
    exec(compile(tree, "a signature", "exec", dont_inherit=True), names)


def imports(tree: ast.Module, names: Container[str]) -> Iterator[ast.ImportFrom]:
    """Yield the imports of these names, as far as they are light."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not node.level and str(node.module).startswith(LIGHT):
            aliases = [alias for alias in node.names if (alias.asname or alias.name) in names]
            yield from [ast.ImportFrom(node.module, aliases, 0)] if aliases else []
