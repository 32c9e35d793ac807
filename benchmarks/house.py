"""Measure the structure of the package.

    python benchmarks/house.py [CHECKOUT]

It counts files, lines and imports, names that are vague or defined twice, the functions on the way to a loss, and the
processor time that a mistake costs. A node of the import graph is a package, or a module of the root package. Imports
inside functions count; those under `if TYPE_CHECKING` do not.
"""

import argparse
import ast
import os
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

Graph = dict[str, set[str]]

VAGUE = ("found", "told", "shown", "kept")  # participles that do not say what a thing is

# Trains `ae` on digits for one epoch and stops where its loss is called.
PROFILED = """
import inspect, sys, tempfile
roots, words = tuple(sys.argv[1].split(":")), sys.argv[2:]
from {module} import {function} as start
entered, stack = {{}}, []
class Reached(BaseException): pass
def note(code, into):
    function = code.co_flags & inspect.CO_OPTIMIZED and not code.co_name.startswith("<")  # no class body, no lambda
    if function and code.co_filename.startswith(roots):
        into.setdefault((code.co_filename, code.co_firstlineno), code)
def watch(frame, event, argument):
    if event != "call": return
    note(frame.f_code, entered)
    if frame.f_code.co_name == "losses" and frame.f_code.co_filename.endswith("/models/ae.py"):
        sys.setprofile(None)
        on_stack = {{}}
        while frame: note(frame.f_code, on_stack); frame = frame.f_back
        for codes in (entered, on_stack):
            lines = sum(len(inspect.getsourcelines(code)[0]) for code in codes.values())
            print("MEASURED", lines, len({{name for name, _ in codes}}), len(codes))
        raise Reached
sys.setprofile(watch)
try: {call}
except Reached: pass
"""


def main() -> None:
    """Print a row for each measure of the named checkout (default: this one)."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[1])
    top = parser.parse_args().checkout.resolve()
    files = modules_of(top)
    of_modules = imports_of(top, files)
    of_nodes = by_node(of_modules)
    root = [p for p in (top / "unsup").iterdir() if not p.name.startswith("__pycache__")]
    packages = [p for p in root if (p / "__init__.py").exists()]
    rows = {
        "files / packages at the root of unsup": f"{sum(p.suffix == '.py' for p in root)} / {len(packages)}",
        "modules; lines": f"{len(files)}; {sum(len(p.read_text().splitlines()) for p in files.values()):,}",
        "levels of the import graph; nodes; arrows": f"{levels(of_nodes)}; {len(of_nodes)}; {arrows(of_nodes)}",
        "cycles of modules; of nodes": f"{len(cycles(of_modules))}; {len(cycles(of_nodes))}",
        "upward imports": f"{len(upward(of_modules))}",
        "top-level names defined in two or more modules; constants; private": said_twice(files),
        f"names made of {', '.join(VAGUE)}": f"{sum(vague_names(path) for path in files.values())}",
        "docstrings that begin with What": f"{sum(what_docstrings(path) for path in files.values())}",
        "add a model: lines of a method and its recipe (least, median, most)": model_sizes(top),
    }
    rows |= {f"to the loss of ae, {way}": text for way, text in ways_to_the_loss(top)}
    rows |= {f"a mistake, {name}": f"{seconds:.2f} s of processor" for name, seconds in mistakes(top)}
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"{name:{width}}  {text}")


def modules_of(top: Path) -> dict[str, Path]:
    """Return {dotted name: file} of the modules; a package has the name of its folder."""
    paths = sorted((top / "unsup").rglob("*.py"))
    return {".".join(p.relative_to(top).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imports_of(top: Path, files: dict[str, Path]) -> Graph:
    """Return the modules of the package that each module imports, anywhere in its file."""
    graph: Graph = {name: set() for name in files}
    for name, path in files.items():
        for target in imported(ast.parse(path.read_text())):
            module = target if target in files else target.rpartition(".")[0]
            if module in files and module != name:
                graph[name].add(module)
    return graph


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a syntax tree imports, except under `TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")):
            yield from imported(node)


def node_of(module: str) -> str:
    """Return the package of a module, or the module itself in the root package."""
    return ".".join(module.split(".")[:2])


def by_node(graph: Graph) -> Graph:
    """Return the imports between packages."""
    nodes: Graph = {node_of(name): set() for name in graph}
    for name, targets in graph.items():
        node = node_of(name)
        nodes[node] |= {node_of(target) for target in targets} - {node}
    return nodes


def arrows(graph: Graph) -> int:
    return sum(map(len, graph.values()))


def cycles(graph: Graph) -> list[list[str]]:
    """Return the groups of two or more nodes that reach each other."""
    reach = {name: reachable(graph, name) for name in graph}
    groups = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph if a in reach[a]}
    return [list(group) for group in sorted(groups)]


def reachable(graph: Graph, start: str) -> set[str]:
    """Return the nodes that can be reached from a node; itself if it is in a cycle."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        fresh = graph[todo.pop()] - seen
        seen |= fresh
        todo += fresh
    return seen


def levels(graph: Graph) -> int:
    """Return the number of nodes on the longest chain of imports; a cycle counts as one."""
    group = {name: tuple(cycle) for cycle in cycles(graph) for name in cycle}
    depth: dict[tuple[str, ...], int] = {}

    def below(name: str) -> int:
        members = group.get(name, (name,))
        if members not in depth:
            targets = {target for member in members for target in graph[member]} - set(members)
            depth[members] = 1 + max(map(below, targets), default=0)
        return depth[members]

    return max(map(below, graph))


def upward(graph: Graph) -> list[tuple[str, str]]:
    """Return imports whose removal leaves no cycle, those that break the most first.

    The table in `tests/test_structure.py` forbids more than these.
    """
    graph = {name: set(targets) for name, targets in graph.items()}
    removed = []
    while groups := cycles(graph):
        members = set(groups[0])
        edges = [(a, b) for a in groups[0] for b in sorted(graph[a] & members)]

        def left(edge: tuple[str, str], graph: Graph = graph) -> int:
            without = {name: targets - {edge[1]} if name == edge[0] else targets for name, targets in graph.items()}
            return sum(map(len, cycles(without)))

        first, second = best = min(edges, key=left)
        graph[first].discard(second)
        removed.append(best)
    return removed


def shared_names(files: dict[str, Path]) -> dict[str, list[str]]:
    """Return the top-level names that two or more modules define, with the modules."""
    where: dict[str, list[str]] = defaultdict(list)
    for module, path in files.items():
        names: set[str] = set()
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        for name in names:
            where[name].append(module)
    return {name: modules for name, modules in sorted(where.items()) if len(modules) > 1}


def said_twice(files: dict[str, Path]) -> str:
    """Return the counts of shared functions and classes, constants, and private names."""
    names = shared_names(files)
    private = sum(name.startswith("_") for name in names)
    constants = sum(name.isupper() and not name.startswith("_") for name in names)
    return f"{len(names) - private - constants}; {constants}; {private}"


def vague_names(path: Path) -> int:
    """Return how often a module uses a name that has one of `VAGUE` between its underscores."""
    count = 0
    for node in ast.walk(ast.parse(path.read_text())):
        for field in ("id", "arg", "attr", "name"):  # a variable, an argument, an attribute, a function or class
            name = getattr(node, field, None)
            count += isinstance(name, str) and bool(set(VAGUE) & set(name.lower().split("_")))
    return count


def what_docstrings(path: Path) -> int:
    """Return the number of docstrings of a module that begin with the word "What"."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, documented)]
    return sum((ast.get_docstring(node) or "").startswith("What") for node in nodes)


def model_sizes(top: Path) -> str:
    """Return the lines of a method and its recipe: least, median, most."""
    sizes = sorted(
        len(path.read_text().splitlines()) + len(recipe.read_text().splitlines())
        for path in (top / "unsup" / "models").glob("*.py")
        if (recipe := top / "configs" / "model" / f"{path.stem}.yaml").exists()
    )
    return f"2 files; {sizes[0]}, {sizes[len(sizes) // 2]}, {sizes[-1]}"


def ways_to_the_loss(top: Path) -> Iterator[tuple[str, str]]:
    """Yield (way, text) for the code entered before `AE.losses`, and that on its stack."""
    command = {"module": "unsup.cli", "function": "main", "call": "start(words)"}
    if (top / "unsup" / "cli" / "main.py").exists():
        command["module"] = "unsup.cli.main"
    ways = {"by unsup train": PROFILED.format(**command)}
    example = top / "examples" / "minimal.py"
    if example.exists():
        run = {"module": "runpy", "function": "run_path", "call": f"start({str(example)!r})"}
        ways["by examples/minimal.py"] = PROFILED.format(**run)
    roots = ":".join(f"{top / folder}{os.sep}" for folder in ("unsup", "examples"))
    for way, script in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            words = ["train", "ae", "--data", "digits", "--epochs", "1", "--runs", folder]
            done = run_python(top, ["-c", script, roots, *words])
        measured = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("MEASURED")]
        if not measured:
            raise SystemExit(f"the loss was not reached {way}: {done.stderr}")
        for what, (lines, files, functions) in zip(("entered", "on the stack"), measured, strict=True):
            yield f"{way}, {what}", f"{int(lines):,} lines, {files} files, {functions} functions"


def mistakes(top: Path) -> Iterator[tuple[str, float]]:
    """Yield (mistake, median processor seconds of three answers)."""
    for name, words in {
        "misspelt option": ["train", "ae", "--data", "digits", "--model.lrr", "1"],
        "missing folder": ["train", "ae", "--images", "no/such/folder"],
        "missing run": ["evaluate", "no/such/run"],
    }.items():
        seconds = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = run_python(top, ["-m", "unsup", *words])
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode not in (1, 2):
                raise SystemExit(f"{name} ended with {done.returncode}: {done.stderr}")
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        yield name, sorted(seconds)[1]


def run_python(top: Path, words: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run this interpreter on the checkout, in an empty folder."""
    environment = os.environ | {"PYTHONPATH": str(top)}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


if __name__ == "__main__":
    main()
