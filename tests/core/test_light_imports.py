"""Libraries are imported without packages that they rarely use, and behave as with them."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unsup.core import light_imports
from unsup.core.light_imports import LightFinder, StandIn

HEAVY = """
class Kind: ...
def twice(x): return 2 * x
"""
LIBRARY = """
from typing import Union
import heavy.deep
from heavy.deep import Kind, twice
Either = Union[int, Kind]
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A library that names a heavy package, neither of them imported."""
    for name, text in {"heavy/__init__": "", "heavy/deep": HEAVY, "library/__init__": LIBRARY}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(light_imports, "LEFT_OUT", {"library": ("heavy",)})
    monkeypatch.setattr(sys, "meta_path", [LightFinder(), *sys.meta_path])
    yield tmp_path
    for module in [name for name in sys.modules if name.partition(".")[0] in ("heavy", "library")]:
        del sys.modules[module]


def imported(name: str) -> Any:
    return __import__(name)


def test_a_package_is_imported_when_a_name_of_it_is_used(packages: Path) -> None:
    library = imported("library")
    assert "heavy" not in sys.modules and "heavy.deep" not in sys.modules
    assert not isinstance(3, library.Kind) and "heavy" not in sys.modules
    assert library.twice(4) == 8 and "heavy.deep" in sys.modules
    from heavy.deep import Kind  # type: ignore[import-not-found]

    assert isinstance(Kind(), library.Kind) and not isinstance(3, library.Kind)
    assert library.twice.__call__(1) == 2 and not isinstance(Kind, StandIn)


def test_a_question_whether_a_library_is_there_changes_nothing(packages: Path) -> None:
    assert importlib.util.find_spec("library") and importlib.util.find_spec("nowhere") is None
    imported("library")
    assert "heavy" not in sys.modules


def test_a_package_that_is_needed_at_once_is_imported(packages: Path) -> None:
    (packages / "library" / "__init__.py").write_text(
        "from heavy.deep import twice\nSIX = twice(3)\nimport heavy.deep\n"
    )
    library = imported("library")
    assert library.SIX == 6
    assert library.heavy.deep is sys.modules["heavy.deep"] and library.heavy.deep.twice(1) == 2


def test_a_package_that_is_there_already_is_taken(packages: Path) -> None:
    heavy = imported("heavy.deep")
    light_finder = LightFinder()
    sys.meta_path[0] = light_finder
    assert imported("library").twice is heavy.deep.twice


def test_a_library_that_fails_leaves_nothing(packages: Path) -> None:
    (packages / "library" / "__init__.py").write_text("import heavy\nraise ImportError('broken')\n")
    finders = list(sys.meta_path)
    with pytest.raises(ImportError, match="broken"):
        imported("library")
    assert "heavy" not in sys.modules and sys.meta_path == finders


@pytest.mark.slow
def test_lightning_is_imported_without_the_compiler() -> None:
    code = """
import sys, unsup, lightning.pytorch
left_out = ("torch._dynamo", "torch._inductor", "torchvision", "transformers")
print([name for name in left_out if name in sys.modules])
import torch, torchmetrics, torchvision
from torchmetrics.functional.image.arniqa import resnet50
assert resnet50(num_classes=2).fc.out_features == 2
print("torch._dynamo" in sys.modules, torch._dynamo.is_compiling(), torch.compiler.disable.__module__)
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert made.stdout.splitlines() == ["[]", "False False torch.compiler"], made.stderr
