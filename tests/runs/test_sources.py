"""What sources tell of a constructor is what the class itself says; what they do not tell is left to the class."""

import inspect
import subprocess
import sys
import textwrap
import typing
from pathlib import Path

import pytest
from lightning.pytorch import Trainer

from unsup.data.base import ImageData
from unsup.models.base import Model
from unsup.runs.config import TRAINER, load_class, read_layer
from unsup.runs.lookup import SHIPPED
from unsup.runs.sources import class_from_source

OURS = sorted(
    {
        (kind, read_layer(path)[kind]["class_path"])
        for kind in ("model", "data")
        for path in SHIPPED.glob(f"{kind}/*.yaml")
        if "@" not in path.stem
    }
)


@pytest.mark.parametrize(("kind", "path"), OURS)
def test_every_class_of_the_recipes_is_read_as_it_is(kind: str, path: str) -> None:
    cls, source = load_class(path, Model if kind == "model" else ImageData), class_from_source(path)
    assert source and source.__name__ == cls.__name__
    ours, real = inspect.signature(source).parameters, inspect.signature(cls).parameters
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [(p.name, p.kind, p.default) for p in real.values()]
    unknown = [name for name, p in ours.items() if p.annotation is typing.Any]
    assert all(ours[name] == real[name] for name in ours if name not in unknown)
    assert set(unknown) <= {"backbone"}, "its choices stand in a module that imports PyTorch"


def test_the_options_of_the_trainer_are_all_there() -> None:
    source = class_from_source(TRAINER)
    assert source and list(inspect.signature(source).parameters) == list(inspect.signature(Trainer).parameters)
    assert typing.get_type_hints(source.__init__)["max_epochs"] == int | None  # type: ignore[misc]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typing.Callable[[str], type | None]:
    """Reads the class Own in a module of the user's, which cannot be imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def read_own(text: str) -> type | None:
        (tmp_path / "user_module.py").write_text(f"raise RuntimeError\n{textwrap.dedent(text)}")
        return class_from_source("user_module.Own")

    return read_own


Reader = typing.Callable[[str], type | None]


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("class Own(X):\n  def __init__(self, a: int, b='x'): pass", "(a: int, b='x')"),
        (
            "class Own(X):\n  def __init__(self, a: Odd = 4, *, b: Odd | None = SIZE): pass",
            "(a: Any = 4, *, b: typing.Any | None = typing.Any)",
        ),
        ("class X:\n  def __init__(self, a: int): pass\nclass Own(X): pass", "(a: int)"),
        ("from unsup.models.pca import PCA\nclass Own(PCA): pass", "(shape: tuple[int, int, int], code_dim: int = 30)"),
        ("from unsup.models.pca import PCA as Own", "(shape: tuple[int, int, int], code_dim: int = 30)"),
    ],
)
def test_classes_of_the_user_are_read_without_an_import(own: Reader, text: str, signature: str) -> None:
    cls = own(text)
    assert cls and str(inspect.signature(cls)) == signature and cls.__name__ == "Own"


@pytest.mark.parametrize(
    "text",
    [
        "class Own(X):\n  def __init__(self, **options): pass",
        "class Own(X):\n  def __init__(self, *options): pass",
        "class Own(X):\n  def __init__(self, a: int = made()): pass",
        "class Own(X):\n  def __init__(self, a: Odd[int]): pass",
        "class Own(X, Y): pass",
        "class Own(Own): pass",
        "class Own(x.Y): pass",
        "class Own: pass",
        "@dataclass\nclass Own:\n  a: int",
        "class Own(X, metaclass=M):\n  def __init__(self): pass",
        "class Own(X):\n  def __init__(self, a: 'Unknown'): pass",
        "Own = make()",
        "from nowhere import Own",
        "from . import Own",
        "this is not Python",
        "class Own(X):\n  def __init__(self, a: 'int\\0'): pass",
    ],
)
def test_what_a_source_does_not_tell_is_left_to_the_class(own: Reader, text: str) -> None:
    assert own(text) is None


def test_paths_that_lead_nowhere() -> None:
    for path in ("", ".", "a", "..x.y", "no.such.Class", "unsup.models.ae.Nope", "\0.x", "sys.path", "a b.c"):
        assert class_from_source(path) is None, path


def test_nothing_heavy_is_imported() -> None:
    code = f"""
import sys
from unsup.runs.sources import class_from_source
assert all(map(class_from_source, {[path for _, path in OURS] + [TRAINER]!r}))
heavy = {{"torch", "lightning", "numpy", "jsonargparse"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)
