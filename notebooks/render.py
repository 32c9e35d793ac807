"""Execute the notebooks and write docs/notebooks/<name>.md, with the pictures of each in a folder next to it.

    python notebooks/render.py [name …]

Every notebook runs in an empty folder of its own, so that the pages do not depend on what lies in runs/. Progress
(stderr) is left out, and a cell with the tag `fold` has its output folded.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbformat.v4 import new_output
from traitlets.config import Config

HERE = Path(__file__).parent
PAGES = HERE.parent / "docs" / "notebooks"
TEMPLATE = """{% extends 'markdown/index.md.j2' %}
{% block stream %}
{% if 'fold' in cell.metadata.tags %}
<details><summary>{{ output.text.splitlines() | length }} lines of output</summary>

{{ output.text | indent }}
</details>
{% else %}
{{ output.text | indent }}
{% endif %}
{% endblock stream %}
{% block data_png %}
![{{ output.metadata.title }}]({{ output.metadata.filenames['image/png'] | path2url }})
{% endblock data_png %}"""


def render(path: Path) -> None:
    """Execute a notebook and write its page and pictures."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder, "notebooks")
        where.mkdir()
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(where)}}).execute()
    tidy(notebook)
    texts = ["image/png", "text/markdown", "text/plain"]
    exporter = MarkdownExporter(
        config=Config(NbConvertBase={"display_data_priority": texts}),
        extra_loaders=[DictLoader({"page.md.j2": TEMPLATE})],
        template_file="page.md.j2",
    )
    place = {"output_files_dir": path.stem, "unique_key": "picture"}
    body, resources = exporter.from_notebook_node(notebook, place)
    shutil.rmtree(PAGES / path.stem, ignore_errors=True)
    (PAGES / path.stem).mkdir(parents=True)
    for name, content in resources["outputs"].items():
        (PAGES / name).write_bytes(content)
    lines = "\n".join(line.rstrip() for line in body.strip().splitlines())
    (PAGES / f"{path.stem}.md").write_text(re.sub(r"\n{4,}", "\n\n", lines) + "\n")  # code has two blank lines at most


def tidy(notebook: NotebookNode) -> None:
    """Drop progress, join what was printed in pieces; a picture is called as its section."""
    title = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = (re.findall(r"^#+ (.*)", cell.source, re.M) or [title])[-1]
            continue
        outputs: list[NotebookNode] = []
        for output in cell.outputs:
            if output.get("name") == "stderr":
                continue
            text = printed(output)
            if text is None:
                output.metadata["title"] = title
                outputs.append(output)
            elif outputs and outputs[-1].output_type == "stream":
                outputs[-1].text += text
            else:
                outputs.append(new_output("stream", text=text))
        cell.outputs = outputs


def printed(output: NotebookNode) -> str | None:
    """What an output prints, by `print` or by rich, which displays its tables; None for other outputs."""
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "display_data" and output.data.keys() == {"text/html", "text/plain"}:
        return str(strip_ansi(output.data["text/plain"]))
    return None


if __name__ == "__main__":
    for path in sorted(HERE.glob("[0-9]*.ipynb")):  # lessons have no pages
        if not sys.argv[1:] or path.stem in sys.argv[1:]:
            print(path.stem, flush=True)
            render(path)
