"""Numbers and tables of a report as text."""

from unsup.reports.named import NamedAccuracy
from unsup.reports.score_schema import Difference, DrawScores, ProbeScores

Cells = dict[str, str]  # column -> text; a column that does not apply is absent


def accuracy(value: float, digits: int = 3) -> str:
    """Format a number in [-1, 1], as in .951, 1.000 and -.012."""
    text = f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: no "-.000"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def signed(value: float, digits: int = 3) -> str:
    """Format a difference of accuracies, as in +.021 and -.012."""
    text = accuracy(value, digits)
    return text if text.startswith("-") else f"+{text}"


def error(value: float) -> str:
    """Format a reconstruction error or a rank with two decimals, or one from 100 on."""
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}"


def distance(value: float) -> str:
    """Format a distance of any scale with three digits, as in 0.0908, 2.99 and 1,234."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def yes_or_no(value: float) -> str:
    return "yes" if value else "no"


def with_interval(probe: ProbeScores | NamedAccuracy) -> str:
    """Format as .951 [.947, .955], with the interval over test images."""
    if probe.low is None or probe.high is None:
        return accuracy(probe.accuracy)
    return f"{accuracy(probe.accuracy)} [{accuracy(probe.low)}, {accuracy(probe.high)}]"


def with_spread(probe: DrawScores) -> str:
    """Format as .853 ± .012 over draws of the labels, without ± for a single draw."""
    return f"{accuracy(probe.mean)} ± {accuracy(probe.std)}" if probe.draws > 1 else accuracy(probe.mean)


def with_bounds(comparison: Difference) -> str:
    """Format this model minus a baseline as +.021 [+.015, +.027]."""
    low, high = comparison.low, comparison.high
    difference, *bounds = (signed(x, digits_beyond_zero(low, high)) for x in (comparison.difference, low, high))
    return f"{difference} [{', '.join(bounds)}]"


def digits_beyond_zero(low: float, high: float) -> int:
    """Return the digits of an interval, more than three if it leaves out 0 by less."""
    nearest = max(low, -high)
    return 3 if nearest <= 0 or nearest >= 0.0005 else 4 if nearest >= 0.00005 else 7


def enumeration(words: list[str]) -> str:
    """Join words as in "a", "a and b" and "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def markdown_table(rows: list[Cells], texts: int = 1) -> str:
    """Return a Markdown table with columns in the order in which they first appear.

    The first `texts` columns are text, the others are numbers and flush right.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    rule = ["---" if i < texts else "---:" for i in range(len(columns))]
    lines = [columns, rule, *([row.get(column, "") for column in columns] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
