"""The pages of the manual, which Sphinx reads.

They are the Markdown pages of the repository with links between them, a page for each recipe, one for each file of code
that a page links, and the notebooks. Only what changed is written, so that a second build is short.
"""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import nbformat
from method_pages import method_pages, with_links_to_methods

TOP = Path(__file__).resolve().parents[1]
PLACES = {  # page of the repository: page of the manual; those of docs/ keep their place
    "docs/README.md": "index.md",
    "README.md": "readme.md",
    "README.zh.md": "readme.zh.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "results/README.md": "results/tables.md",
    "results/digits/compare.md": "results/digits.md",
}
PICTURES = (".png", ".jpg", ".svg")
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".cff": "yaml"}
# Every notebook goes to the parent of its folder, which is an empty one here.
EMPTY_FOLDER = """import os, tempfile

empty = tempfile.TemporaryDirectory()
os.makedirs(f"{empty.name}/notebooks")
os.chdir(f"{empty.name}/notebooks")"""


def place(path: str) -> str:
    """Return the page or picture of the manual that a file of the repository becomes."""
    if path in PLACES:
        return PLACES[path]
    if path.endswith((".md", *PICTURES)) and path.startswith("docs/"):
        return path.removeprefix("docs/")
    return path if path.endswith((".ipynb", *PICTURES)) else f"code/{path}.md"


def relinked(text: str, path: str, used: set[str]) -> str:
    """Return a page with its links for the manual.

    Args:
        text: the page.
        path: its file in the repository.
        used: gets the linked files that are no pages.
    """

    def changed(match: re.Match[str]) -> str:
        before, link, after = match.groups()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if ":" in link or not (TOP / target).is_file():
            return match[0]  # an address, or an error that Sphinx reports
        if not target.endswith((".md", ".ipynb")):
            used.add(target)
        return before + posixpath.relpath(place(target), posixpath.dirname(place(path)) or ".") + after

    return LINK.sub(changed, text)


def contents(index: str, notebooks: list[str]) -> str:
    """Return tables of contents, one for each section of the index, of the pages that it links.

    The section that links notebooks also has those that it does not link.
    """
    parts = []
    for section in re.split(r"^## ", index, flags=re.M)[1:]:
        title, _, body = section.partition("\n")
        entries = {
            page: f"{text} <{page}>" for text, page in re.findall(r"\[([^\]]+)\]\(([^)#\s]+\.(?:md|ipynb))\)", body)
        }
        if entries.keys() & set(notebooks):
            entries = entries | {name: name for name in notebooks if name not in entries}
        parts.append(toctree(entries.values(), title))
    return "".join(parts)


def toctree(entries: Iterable[str], title: str = "") -> str:
    """Return a table of contents that is shown in the sidebar alone."""
    caption = f":caption: {title}\n" if title else ""
    return "\n```{toctree}\n:hidden:\n" + caption + "\n" + "\n".join(entries) + "\n```\n"


def code_page(path: str) -> str:
    """Return a page that shows a file and is in no table of contents and in no search."""
    text = (TOP / path).read_text(encoding="utf-8")
    language = LANGUAGES.get(PurePosixPath(path).suffix, "text")
    return f"---\norphan: true\nnosearch: true\n---\n\n# `{path}`\n\n``````{language}\n{text}``````\n"


def with_api(text: str) -> str:
    """Return a page with the documentation of each name that a comment `<!-- autodoc: … -->` asks for."""

    def directive(match: re.Match[str]) -> str:
        members = "   :members:\n" if match[1] == "class" else ""
        return f"```{{eval-rst}}\n.. auto{match[1]}:: {match[2]}\n{members}```"

    return re.sub(r"<!-- auto(function|class): ([\w.]+) -->", directive, text)


def notebook(path: Path) -> str:
    """Return a notebook that runs in an empty folder."""
    content = nbformat.read(path, as_version=4)
    first = nbformat.v4.new_code_cell(EMPTY_FOLDER, id="empty-folder", metadata={"tags": ["remove-cell"]})
    content.cells.insert(0, first)
    return nbformat.writes(content) + "\n"


def manual() -> dict[str, bytes]:
    """Return the files of the manual by their path."""
    used: set[str] = set()
    names = [path.relative_to(TOP).as_posix() for path in sorted((TOP / "docs").rglob("*.md"))]
    texts = {name: (TOP / name).read_text(encoding="utf-8") for name in {**PLACES, **dict.fromkeys(names)}}
    texts["docs/methods.md"] = with_links_to_methods(texts["docs/methods.md"])
    texts["docs/api.md"] = with_api(texts["docs/api.md"])
    methods = method_pages(TOP)
    pages = {place(name): relinked(text, name, used) for name, text in texts.items()}
    pages |= {f"methods/{name}.md": relinked(text, f"docs/methods/{name}.md", used) for name, text in methods.items()}
    pages["methods.md"] += toctree([f"methods/{name}" for name in methods])
    notebooks = {f"notebooks/{path.name}": notebook(path) for path in sorted((TOP / "notebooks").glob("*.ipynb"))}
    pages["index.md"] += contents(pages["index.md"], list(notebooks))
    pages |= notebooks
    pictures = {name for name in used if name.endswith(PICTURES)}
    pages |= {place(name): code_page(name) for name in used - pictures}
    files = {name: text.encode() for name, text in pages.items()}
    return files | {place(name): (TOP / name).read_bytes() for name in pictures}


def write(files: dict[str, bytes], folder: Path) -> None:
    """Make the files those of the folder. What is the same keeps its date."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
