"""A report's numbers as text: one way to write an accuracy, a difference, an error, a table."""

from unsup.reports.schema import Difference
from unsup.reports.score_schema import DrawScores, ProbeScores

Cells = dict[str, str]  # column -> text; a column that does not apply is absent


def accuracy(value: float) -> str:
    """.951, 1.000, -.012: three digits, for accuracies and everything else in [-1, 1]."""
    text = f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no "-.000"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def signed(value: float) -> str:
    """+.021, -.012."""
    return accuracy(value) if value <= -0.0005 else f"+{accuracy(value)}"


def error(value: float) -> str:
    """A reconstruction error or a rank: two decimals, one from 100 on."""
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}"


def distance(value: float) -> str:
    """A distance between distributions, whose scale no one knows beforehand: three digits, 0.0908, 2.99, 1,234."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def yes_or_no(value: float) -> str:
    return "yes" if value else "no"


def with_interval(probe: ProbeScores) -> str:
    """.951 [.947, .955]: a bootstrap over the test images."""
    if probe.low is None or probe.high is None:
        return accuracy(probe.accuracy)
    return f"{accuracy(probe.accuracy)} [{accuracy(probe.low)}, {accuracy(probe.high)}]"


def with_spread(probe: DrawScores) -> str:
    """.853 ± .012 over draws of the labels; no ± for a single draw."""
    return f"{accuracy(probe.mean)} ± {accuracy(probe.std)}" if probe.draws > 1 else accuracy(probe.mean)


def with_bounds(comparison: Difference) -> str:
    """+.021 [+.015, +.027]: this model minus a baseline."""
    return f"{signed(comparison.difference)} [{signed(comparison.low)}, {signed(comparison.high)}]"


def enumeration(words: list[str]) -> str:
    """a; a and b; a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def markdown_table(rows: list[Cells], texts: int = 1) -> str:
    """A table of rows with named cells, columns in the order in which they first appear, blank where a row has none.

    The first `texts` columns are text, the others numbers, flush right.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    rule = ["---" if i < texts else "---:" for i in range(len(columns))]
    lines = [columns, rule, *([row.get(column, "") for column in columns] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
