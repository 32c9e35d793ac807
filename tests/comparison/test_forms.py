"""The table for a paper, what weights were trained on, and reports of schema 3 beside newer ones."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from comparison.test_compare import made, plain, put, seeds
from sample_reports import comparable

from unsup.comparison.latex import escape

TOP = Path(__file__).parents[2]
OWN = {"images": ["these training images"], "supervision": ["none"]}


def latex(root: Path, data: str = "mnist") -> str:
    return (root / data / "compare.tex").read_text()


def balanced(text: str) -> bool:
    """Whether braces and environments are closed in order, and nothing special is left unescaped."""
    open_braces, environments = 0, []
    for match in re.finditer(r"\\begin\{(\w+)\}|\\end\{(\w+)\}|\\.|[{}]", text, re.S):
        begun, ended = match.groups()
        if begun:
            environments.append(begun)
        elif ended:
            if not environments or environments.pop() != ended:
                return False
        elif match[0] in "{}":
            open_braces += 1 if match[0] == "{" else -1
            if open_braces < 0:
                return False
    return open_braces == 0 and not environments


# ---- LaTeX -----------------------------------------------------------------------------------------------------------


def test_text_is_escaped() -> None:
    assert escape(r"a_b & 5 % of $x$ #1 {y} \z ~ ^ < >") == (
        r"a\_b \& 5 \% of \$x\$ \#1 \{y\} \textbackslash{}z "
        r"\textasciitilde{} \textasciicircum{} \textless{} \textgreater{}"
    )
    assert escape(".951 ± .006 [.937, .959]") == r".951 $\pm$ .006 [.937, .959]"


def test_the_braces_of_a_wrong_table_are_noticed() -> None:
    assert balanced(r"\begin{table}\caption{a \% \{ b}\end{table}")
    for wrong in (r"\caption{a", r"a}", r"\begin{table}", r"\begin{a}\begin{b}\end{a}\end{b}", r"}{"):
        assert not balanced(wrong)


def test_the_table_has_the_headline_columns_and_the_best_in_bold(tmp_path: Path) -> None:
    seeds(tmp_path)
    seeds(tmp_path, "ae", [0.7, 0.705, 0.695])
    made(tmp_path)
    text = latex(tmp_path)
    assert balanced(text)
    head = (
        "model & dim & linear probe & few-label 10 & kNN & k-means ACC & own clusters ACC & reconstruction SSE & seeds"
    )
    lines = text.splitlines()
    assert lines[lines.index(r"\toprule") + 1] == head + r" \\"
    assert lines[lines.index(r"\toprule") + 2] == r"\midrule" and r"\bottomrule" in lines
    assert r"\begin{tabular}{lrrrrrrrr}" in lines and r"\label{tab:mnist}" in lines
    rows = {line.split(" & ")[0]: line for line in lines if line.endswith(r" \\")}
    assert re.match(r"deep\\_ae & 30 & \\textbf{\.949 \$\\pm\$ \.006 \[\.\d{3}, \.\d{3}\]} & ", rows[r"deep\_ae"])
    assert "textbf" not in rows["ae"] and r"\emph{raw pixels}" in rows and r"\quad\emph{untrained}" in rows
    assert rows[r"deep\_ae"].endswith(r" & 3 \\") and all(line.count(" & ") == 8 for line in rows.values())
    caption = next(line for line in lines if line.startswith(r"\caption"))
    assert "the test images of mnist, protocol 4 of unsup, data fedcba987654: mean $\\pm$ standard" in caption
    assert r"95 \% interval" in caption and "Bold: not separable from the best by linear probe." in caption


def test_the_column_sorted_by_and_the_draft_are_in_the_table(tmp_path: Path) -> None:
    for model, draft in (("ae", 2), ("dae", 1)):
        put(tmp_path, comparable(model) | {"draft": draft})
    made(tmp_path, sort="budget")
    text = latex(tmp_path)
    assert balanced(text) and text.count(r"\begin{table}") == 2
    first, last = text.split(r"\end{table}")[:2]
    assert "protocol 4, draft 2 of unsup" in first and r"\label{tab:mnist-1}" in first and " & budget & " in first
    assert "protocol 4, draft 1 of unsup" in last and r"\label{tab:mnist-2}" in last


def test_names_of_options_cannot_break_the_table(tmp_path: Path) -> None:
    for number, path in enumerate((r"a_b%{c}", r"d\e&f$"), 1):
        put(tmp_path, comparable("ae", probe=0.8, weights=path), number)
    made(tmp_path)
    text = latex(tmp_path)
    assert balanced(text) and r"weights=a\_b\%\{c\} &" in text and r"weights=d\textbackslash{}e\&f\$ &" in text
    unescaped = re.sub(r"\\[&%$#_{}]", "", "\n".join(text.splitlines()[1:]))
    assert "%" not in unescaped and "#" not in unescaped and "_" not in unescaped


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_table_compiles(tmp_path: Path) -> None:
    seeds(tmp_path)
    made(tmp_path)
    page = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + latex(tmp_path) + r"\end{document}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)


# ---- what weights were trained on ------------------------------------------------------------------------------------


def trained_on(model: str, origin: dict[str, Any] | None, probe: float = 0.9) -> dict[str, Any]:
    return comparable(model, probe=probe) | ({"pretrained_on": origin} if origin else {})


def test_models_of_these_images_alone_need_no_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, trained_on("ae", OWN))
    put(tmp_path, trained_on("dae", None))  # an older report
    put(tmp_path, trained_on("pixels", {"images": ["none"], "supervision": ["none"]}))
    made(tmp_path)
    texts = [
        capsys.readouterr().out,
        *((tmp_path / "mnist" / f"compare.{kind}").read_text() for kind in ("md", "html")),
    ]
    assert not any("pretrained on" in text for text in [*texts, latex(tmp_path)])


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        ({"images": ["other"], "supervision": ["text"], "text": "CLIP"}, "other (text)"),
        ({"images": ["these training images", "other"], "supervision": ["none"]}, "these training images and other"),
        ({"images": ["these with test"], "supervision": ["labels"]}, "these with test (labels)"),
        ({"images": ["unknown"], "supervision": ["unknown"]}, "unknown"),
    ],
)
def test_a_column_tells_models_of_other_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], origin: dict[str, Any], text: str
) -> None:
    put(tmp_path, trained_on("ae", OWN))
    put(tmp_path, trained_on("clip", origin))
    made(tmp_path)
    out, markdown, html = (
        capsys.readouterr().out,
        (tmp_path / "mnist" / "compare.md").read_text(),
        (tmp_path / "mnist" / "compare.html").read_text(),
    )
    table = next(block for block in markdown.split("\n\n") if block.startswith("| model"))
    heads, _, *lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    cells = {line[0]: line[heads.index("pretrained on")] for line in lines}
    assert cells["clip"] == text and cells["ae"] == "these training images" and cells["*raw pixels*"] == ""
    assert f"<td>{text}</td>" in html and "pretrained on: the images that the weights come from" in markdown
    assert f" & {text} " in latex(tmp_path)
    assert "pretrained" in out and text in out
    rows = {row["model"]: row for row in plain(tmp_path)["tables"][0]["rows"] if row["kind"] == "model"}
    assert rows["clip"]["pretrained_on"] == origin and rows["ae"]["pretrained_on"] == OWN


# ---- reports of schema 3 ---------------------------------------------------------------------------------------------


def test_a_recorded_report_of_schema_3_has_a_table_of_its_own(tmp_path: Path) -> None:
    recorded = TOP / "tests" / "old_runs" / "digits" / "ae" / "0-001" / "report.json"
    old = tmp_path / "digits" / "ae" / "0-001" / "report.json"
    old.parent.mkdir(parents=True)
    shutil.copy(recorded, old)
    put(tmp_path, comparable("deep_ae", data="digits") | {"draft": 1, "pretrained_on": OWN})
    newest, oldest = made(tmp_path, "digits")
    assert (newest.version.schema, newest.version.protocol, newest.version.draft) == (4, 4, 1)
    assert (oldest.version.schema, oldest.version.protocol, oldest.version.draft) == (3, 3, 0)
    assert [row.name for row in oldest.rows if row.kind == "model"] == ["ae"]
    assert {"raw pixels", "PCA-16"} <= {row.name for row in oldest.rows}  # called floors in the file
    text = latex(tmp_path, "digits")
    assert "protocol 4, draft 1 of unsup" in text and "protocol 3 of unsup" in text and "pretrained" not in text
    page = (tmp_path / "digits" / "compare.md").read_text().split("## data ")[2]
    assert "* protocol 3 made these numbers in other ways" in page and "cosine of centred codes" not in page
    assert old.read_bytes() == recorded.read_bytes()
