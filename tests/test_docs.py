"""The manual is built without a warning; its generators make known pages of known files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import unsup

TOP = Path(__file__).parents[1]
DOCS = TOP / "docs"


def sphinx(out: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Build the manual as `make docs` does, into another folder."""
    (TOP / "build" / "docs" / "source").mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-c", "docs", "-j", "auto", "--fail-on-warning", "--keep-going"]
    places = ["-d", str(out / "doctrees"), *words, "build/docs/source", str(out / "html")]
    return subprocess.run([*command, *places], cwd=TOP, env=os.environ, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def modules_of_the_manual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.chdir(TOP)  # recipes are those of the checkout


@pytest.mark.slow
def test_the_manual_is_built_without_a_warning(tmp_path: Path) -> None:
    done = sphinx(tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    built = tmp_path / "html"
    for recipe in (TOP / "configs" / "model").glob("*.yaml"):
        assert "@" in recipe.stem or (built / "methods" / f"{recipe.stem}.html").exists(), recipe
    for notebook in (TOP / "notebooks").glob("*.ipynb"):
        assert (built / "notebooks" / f"{notebook.stem}.html").exists(), notebook
    assert "||x - x̂||²" in (built / "methods" / "deep_ae.html").read_text(encoding="utf-8")
    assert not [page for page in built.rglob("methods/*.html") if ">\\ " in page.read_text(encoding="utf-8")]
    assert "check_model" in (built / "api.html").read_text(encoding="utf-8")
    assert "trained" in (built / "searchindex.js").read_text(encoding="utf-8")


@pytest.mark.nightly
def test_links_to_the_web_lead_somewhere(tmp_path: Path) -> None:
    done = sphinx(tmp_path, "-b", "linkcheck")
    assert done.returncode == 0, done.stderr


def test_links_become_those_of_the_manual() -> None:
    import generate

    used: set[str] = set()
    text = "[a](../README.md#terms) [b](../../unsup/models/ae.py) [c](https://x.y/z) [d](gone.md) ![e](../report.png)"
    changed = generate.relinked(text, "docs/guide/x.md", used)
    assert changed == (
        "[a](../index.md#terms) [b](../code/unsup/models/ae.py.md) [c](https://x.y/z) [d](gone.md) ![e](../report.png)"
    )
    assert used == {"unsup/models/ae.py", "docs/report.png"}
    assert generate.relinked("[a](docs/guide/label.md)", "README.md", used) == "[a](guide/label.md)"


def test_a_name_gets_its_documentation() -> None:
    import generate

    assert generate.with_api("a\n<!-- autoclass: unsup.Model -->") == (
        "a\n```{eval-rst}\n.. autoclass:: unsup.Model\n   :members:\n```"
    )
    asked = re.findall(r"<!-- auto\w+: unsup\.([\w.]+) -->", (DOCS / "api.md").read_text(encoding="utf-8"))
    public = {name for name in unsup.__all__ if not name.startswith("__")} - {"testing"}
    assert {*asked} == public | {"testing.check_model", "testing.check_data"}


def test_the_index_gives_the_table_of_contents() -> None:
    import generate

    index = "# A\n\n[no](x.md)\n\n## Use\n\n| [One](a.md) | [two](b/c.md#d) |\n\n## Look\n\n[N](notebooks/1.ipynb)\n"
    made = generate.contents(index, ["notebooks/1.ipynb", "notebooks/lesson.ipynb"])
    assert made == (
        "\n```{toctree}\n:hidden:\n:caption: Use\n\nOne <a.md>\n```\n"
        "\n```{toctree}\n:hidden:\n:caption: Look\n\nN <notebooks/1.ipynb>\nnotebooks/lesson.ipynb\n```\n"
    )


def test_every_page_notebook_and_recipe_is_in_the_manual() -> None:
    import generate

    files = generate.manual()
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"README.md"}
    assert pages | {"index.md", "readme.md", "readme.zh.md", "results/tables.md"} <= files.keys()
    notebooks = {path.name: path for path in (TOP / "notebooks").glob("*.ipynb")}
    for name, path in notebooks.items():
        copy = nbformat.reads(files[f"notebooks/{name}"].decode(), as_version=4)
        assert [cell.source for cell in copy.cells[1:]] == [cell.source for cell in nbformat.read(path, 4).cells]
        assert f"notebooks/{name}" in files["index.md"].decode()
    methods = files["methods.md"].decode()
    for recipe in (TOP / "configs" / "model").glob("*.yaml"):
        assert "@" in recipe.stem or f"(methods/{recipe.stem}.md)" in methods, recipe


def test_a_page_of_a_method_has_its_recipe_its_variants_and_its_rows(tmp_path: Path) -> None:
    import method_pages

    shutil.copytree(TOP / "results" / "digits" / "ae", tmp_path / "results" / "digits" / "ae")
    (tmp_path / "results" / "plan.yaml").write_text("digits:\n  2: [ae, vae]\n")
    pages = method_pages.method_pages(tmp_path)
    ae = pages["ae"]
    assert ae.startswith("# ae\n\nShallow autoencoder 784-32-32-784, ReLU, sigmoid output.\n\n* Expected: ")
    assert "make train MODEL=ae\n" in ae and "## On digits" in ae and ".. autoclass:: unsup.models.ae.AE" in ae
    assert "| [digits](../../results/cards/digits-ae.yaml) |" in ae and "linear probe" in ae
    assert "No row of this recipe is recorded yet.\n\nTo come: digits, seeds 1 2." in pages["vae"]
    assert ":no-index:" not in pages["deep_ae"] and ":no-index:" in pages["deep_ae_plain"]


def test_what_did_not_change_keeps_its_date(tmp_path: Path) -> None:
    import generate

    generate.write({"a.md": b"1", "b/c.md": b"2"}, tmp_path)
    os.utime(tmp_path / "a.md", (0, 0))
    generate.write({"a.md": b"1", "b/d.md": b"3"}, tmp_path)
    assert (tmp_path / "a.md").stat().st_mtime == 0
    assert sorted(path.name for path in tmp_path.rglob("*.md")) == ["a.md", "d.md"]
