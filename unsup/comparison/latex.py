"""A comparison as LaTeX, with the columns that a paper has room for."""

from collections.abc import Sequence

from unsup.comparison.comparable import Comparable
from unsup.comparison.files import Comparison
from unsup.comparison.table import ORIGIN, SEEDS, Row
from unsup.core.version import __version__
from unsup.reports.catalogue import Tables, scores_in
from unsup.reports.schema import protocol_name

HEADLINE = ("dim", *(score.name for score in scores_in(Tables.RESULTS)))
ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)
NAMES = {"model": "{}", "baseline": r"\emph{{{}}}", "untrained": r"\quad\emph{{{}}}"}


def comparison_latex(comparison: Comparison) -> str:
    """Return a table for each set of comparable reports.

    They need the package booktabs, and an engine that reads UTF-8.
    """
    data = comparison.folder.name
    several = len(comparison.parts) > 1
    tables = [
        _table(part, data, f"tab:{data}" + (f"-{number}" if several else ""))
        for number, part in enumerate(comparison.parts, 1)
    ]
    return "\n".join([f"% written by unsup {__version__}; needs \\usepackage{{booktabs}}", *tables])


def escape(text: str) -> str:
    """Return a text without characters that mean something to LaTeX."""
    return text.translate(ESCAPED)


def _table(part: Comparable, data: str, label: str) -> str:
    wanted = {"model", *HEADLINE, part.sort, ORIGIN, SEEDS}
    columns = [name for name in part.cells(part.rows[0]) if name in wanted]
    body = [_line(part, row, columns) for row in part.lines]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(_caption(part, data))}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            r"\toprule",
            " & ".join(map(escape, columns)) + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _line(part: Comparable, row: Row, columns: Sequence[str]) -> str:
    cells = {name: escape(text) for name, text in part.cells(row).items()}
    cells["model"] = NAMES[row.kind].format(cells["model"])
    if part.is_best(row):
        cells[part.probe] = rf"\textbf{{{cells[part.probe]}}}"
    return " & ".join(cells[name] for name in columns) + r" \\"


def _caption(part: Comparable, data: str) -> str:
    version = part.version
    protocol = protocol_name(version.protocol, version.draft)
    bold = f" Bold: not separable from the best by {part.probe}." if part.findings.best else ""
    return (
        f"Scores on the test images of {data}, {protocol} of unsup, data {version.data_sha256[:12]}: mean ± standard "
        f"deviation over training seeds, in brackets the 95 % interval of the mean.{bold} Italics: baselines, and "
        "below each model the same network untrained."
    )
