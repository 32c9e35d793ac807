"""Every notebook runs from top to bottom, is kept without outputs, and has a rendered copy of the same text."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOP = Path(__file__).parents[1]
NOTEBOOKS = sorted((TOP / "notebooks").glob("*.ipynb"))
PAGES = TOP / "docs" / "notebooks"
IN_CI = ("01_train_and_look", "04_add_a_model")  # the others take minutes
notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def marks_of(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.slow if path.stem in IN_CI else pytest.mark.nightly


@pytest.mark.parametrize("path", [pytest.param(p, marks=marks_of(p), id=p.stem) for p in NOTEBOOKS])
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    (tmp_path / "notebooks").mkdir()
    where = {"metadata": {"path": str(tmp_path / "notebooks")}}
    NotebookClient(notebook, timeout=500, resources=where).execute()
    pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert len(pictures) >= 2
    assert next(tmp_path.glob("runs/*/*/*/report.json"))


@notebooks
def test_outputs_are_cleared(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert not any(c.get("outputs") or c.get("execution_count") for c in cells), "clear the outputs before committing"


@notebooks
def test_rendered_copy_is_of_this_text(path: Path) -> None:
    page = (PAGES / f"{path.stem}.md").read_text()
    at = 0
    for cell in nbformat.read(path, as_version=4).cells:
        found = page.find(f"\n{cell.source.strip()}\n", max(0, at - 1)) if at else page.find(cell.source.strip())
        assert found >= 0, f"make notebooks: the page does not have, in its place: {cell.source[:60]!r}"
        at = found + len(cell.source.strip())


@notebooks
def test_pictures_of_the_rendered_copy_are_there_and_no_others(path: Path) -> None:
    page = (PAGES / f"{path.stem}.md").read_text()
    shown = re.findall(r"^!\[.+\]\((.+)\)$", page, re.M)
    assert sorted(shown) == sorted(str(p.relative_to(PAGES)) for p in (PAGES / path.stem).iterdir())
    assert "\x1b" not in page and "Traceback" not in page


def test_no_rendered_copy_without_a_notebook() -> None:
    assert NOTEBOOKS
    stems = [path.stem for path in NOTEBOOKS]
    assert sorted(p.stem for p in PAGES.glob("*.md")) == stems == sorted(p.name for p in PAGES.iterdir() if p.is_dir())
    assert sum(p.stat().st_size for p in PAGES.rglob("*") if p.is_file()) < 2e6
