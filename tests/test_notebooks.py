"""Every notebook runs from top to bottom and is kept without outputs.

Lessons have questions and a checked answer.
"""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

TOP = Path(__file__).parents[1]
LESSONS = sorted((TOP / "notebooks").glob("lesson_*.ipynb"))
NOTEBOOKS = sorted({*(TOP / "notebooks").glob("*.ipynb")} - {*LESSONS})
IN_CI = ("01_train_and_look", "lesson_1_probe_and_knn")  # the others take minutes
LINE = 120
notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
lessons = pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)


def marks_of(path: Path) -> pytest.MarkDecorator:
    return pytest.mark.slow if path.stem in IN_CI else pytest.mark.nightly


def each(paths: list[Path]) -> pytest.MarkDecorator:
    """Return the parameters of a test that executes notebooks."""
    return pytest.mark.parametrize("path", [pytest.param(p, marks=marks_of(p), id=p.stem) for p in paths])


def executed(path: Path, folder: Path) -> NotebookNode:
    """Execute a notebook in a folder notebooks/ below this one."""
    notebook = nbformat.read(path, as_version=4)
    (folder / "notebooks").mkdir()
    where = {"metadata": {"path": str(folder / "notebooks")}}
    NotebookClient(notebook, timeout=500, resources=where).execute()
    return notebook


def pictures(notebook: NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


@each(NOTEBOOKS)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    assert pictures(executed(path, tmp_path)) >= 2
    assert next(tmp_path.glob("runs/*/*/*/report.json"))


@each(LESSONS)
def test_lesson_runs_with_its_answer(path: Path, tmp_path: Path) -> None:
    assert pictures(executed(path, tmp_path)) >= 1
    assert [p.name for p in tmp_path.rglob("*")] == ["notebooks"], "a lesson leaves nothing behind"


@lessons
def test_lesson_has_questions_an_exercise_and_a_checked_answer(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    text = [cell.source if cell.cell_type == "markdown" else "" for cell in cells]
    assert re.match(r"# Lesson \d: .*\n\n\*\*Goal\.\*\* .*\n(.*\n)?\n\*\*You need\.\*\* ", text[0])
    questions = [i for i, paragraph in enumerate(text) if "\n\n**Question.** " in f"\n\n{paragraph}"]
    assert len(questions) >= 3 and all(cells[i + 1].cell_type == "code" for i in questions), "a result follows each"
    (answer,) = (i for i, cell in enumerate(cells) if "answer" in cell.metadata.get("tags", []))
    gap = re.findall(r"^(\w+(?:, \w+)*) = None.*# your answer", cells[answer - 2].source, re.M)
    assert len(gap) == 1 and "## Exercise" in text[answer - 3]
    name = gap[0].partition(",")[0]
    assert cells[answer].source.startswith(f"if {name} is None:  # one answer"), "the student's own answer is checked"
    assert cells[answer].metadata["jupyter"]["source_hidden"]
    assert "checked answer" in text[answer + 1] and re.search(r"^ *assert ", cells[answer + 2].source, re.M)
    assert re.findall(r"^## (Take home|Further reading)$", text[-1], re.M) == ["Take home", "Further reading"]
    assert len(re.findall(r"^\* .*\(\d{4}\), ", text[-1], re.M)) >= 3, "author, year and title"


@lessons
def test_lessons_fit_on_a_line_and_are_on_their_page(path: Path) -> None:
    assert not [line for cell in nbformat.read(path, 4).cells for line in cell.source.splitlines() if len(line) > LINE]
    title = nbformat.read(path, as_version=4).cells[0].source.partition("\n")[0].removeprefix("# ")
    page = (TOP / "docs" / "guide" / "lessons.md").read_text()
    assert f"## {title}\n" in page and f"(../../notebooks/{path.name})" in page


@pytest.mark.parametrize("path", NOTEBOOKS + LESSONS, ids=lambda p: p.stem)
def test_outputs_are_cleared(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert not any(c.get("outputs") or c.get("execution_count") for c in cells), "clear the outputs before committing"
