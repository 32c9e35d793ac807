"""Statements on two rows of a table, from paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from unsup.comparison.entries import Entries, Entry, entries
from unsup.comparison.groups import Group, Numbers
from unsup.core.errors import UserError
from unsup.metrics.differences import Pair, differences, differences_from_best, mcnemar_agreement
from unsup.reports.format import digits_beyond_zero, enumeration

Family = Literal["baselines", "best", "planned"]


@dataclass(frozen=True)
class Statement:
    """One sentence about a, or about a against b."""

    a: str
    text: str
    b: str = ""
    family: Family | None = None  # whose intervals hold together; None without b
    difference: Mapping[str, Any] = field(default_factory=dict)  # of `differences`, seeds and McNemar; empty without b


@dataclass(frozen=True)
class Findings:
    """Statements on the rows of a table, by their test images.

    Attributes:
        statements: on each model against its own baselines and against the best row.
        best: the best row and those not separable from it, empty if fewer than two rows can be compared.
        planned: the contrast that was asked for.
    """

    statements: list[Statement] = field(default_factory=list)
    best: list[str] = field(default_factory=list)
    planned: Statement | None = None


def findings(groups: Sequence[Group], column: str, planned: tuple[str, str] | None = None) -> Findings:
    """Return statements on each group, the best rows, and the planned contrast.

    If the correctness of a group's images is missing, one sentence says so, and how to get it.

    Args:
        groups: in the order of the table.
        column: a key of `entries.PROBE_OF_COLUMN`, what they are compared by.
        planned: two rows; it is None in the result unless the table has both.

    Raises:
        UserError: what is needed of a planned row is missing.
    """
    groups = [group for group in groups if group.values(column)]
    table = entries(groups, column)
    rows = table.rows
    against_best: dict[str, Statement] = {}
    best: list[str] = []
    if len(rows) > 1:
        at, results = differences_from_best([row.sample for row in rows])
        best = [row.name for row, result in zip(rows, results, strict=True) if not result["separable"]]
        best.sort(key=lambda name: name != rows[at].name)
        for row, result in zip(rows, results, strict=True):
            if row is not rows[at]:
                against_best[row.name] = _statement(table, row, rows[at], result, "best")
    own = _against_baselines(table)
    statements = [Statement(best[0], _about_best(best, column))] if best else []
    for group in groups:
        if group.name in table.missing:
            statements.append(Statement(group.name, f"{group.name}: nothing can be said, {table.missing[group.name]}"))
        else:
            statements += own[group.name]
            statements += [against_best[group.name]] if group.name in against_best else []
    return Findings(statements, best, _planned(table, planned) if planned else None)


def _against_baselines(table: Entries) -> dict[str, list[Statement]]:
    """Return statements on each model against its own baselines, one family."""
    sides: list[Entry] = []
    pairs: list[Pair] = []
    for name, model in table.models.items():
        at = len(sides)
        sides += [model, *table.baselines[name]]
        pairs += [(at, i) for i in range(at + 1, len(sides))]
    results = differences([side.sample for side in sides], pairs)
    statements: dict[str, list[Statement]] = {name: [] for name in table.models}
    for (i, j), result in zip(pairs, results, strict=True):
        statements[sides[i].name].append(_statement(table, sides[i], sides[j], result, "baselines"))
    return statements


def _planned(table: Entries, names: tuple[str, str]) -> Statement | None:
    for name in names:
        if name in table.missing:
            raise UserError(f"{name}: nothing can be said, {table.missing[name]}")
    rows = {row.name: row for row in table.rows}
    if not rows.keys() >= set(names):
        return None
    a, b = (rows[name] for name in names)
    return _statement(table, a, b, differences([a.sample, b.sample], [(0, 1)])[0], "planned")


def _statement(table: Entries, a: Entry, b: Entry, result: Mapping[str, Any], family: Family) -> Statement:
    learned = [side for side in (a, b) if side.learned]
    difference = {**result, "about": "method" if table.methods else "run", "seeds": [len(a.correct), len(b.correct)]}
    if mcnemar := mcnemar_agreement(a.correct, b.correct):
        difference["mcnemar"] = mcnemar
    one, several = ("method", "methods") if table.methods else ("this run", "these runs")
    runs = sum(side.seeds for side in learned)
    subject = one if len(learned) == 1 and (table.methods or runs == 1) else several
    seeds = f"{subject}, {_seeds([side.seeds for side in learned])}" if learned else "baselines"
    text = _sentence(
        a.name,
        f"{b.name} (the best)" if family == "best" else b.name,
        difference,
        seeds,
        _dimensions(a.numbers, b.numbers),
    )
    return Statement(a.name, text, b.name, family, difference)


def _about_best(best: Sequence[str], column: str) -> str:
    others = (
        f"not separable from it: {enumeration(list(best[1:]))}"
        if best[1:]
        else "all other rows are separable from it, untrained networks aside"
    )
    return f"{best[0]}: the best by {column}; {others}"


def _dimensions(a: Numbers, b: Numbers) -> str:
    """Return a remark on codes of different size."""
    if "dim" not in a or "dim" not in b or a["dim"] == b["dim"]:
        return ""
    return f"{a['dim']:,.0f} against {b['dim']:,.0f} dimensions"


def _sentence(a: str, b: str, difference: Mapping[str, Any], seeds: str, dimensions: str) -> str:
    """Return "a > b by 7.1 points [6.6, 7.6], method, 3 seeds" or "not separable"."""
    points, low, high = (100 * difference[key] for key in ("difference", "low", "high"))
    remarks = [dimensions] if dimensions else []
    if difference["separable"]:
        sign = ">" if points > 0 else "<"
        points, low, high = (points, low, high) if points > 0 else (-points, -high, -low)
        digits = digits_beyond_zero(difference["low"], difference["high"]) - 2
        text = f"{a} {sign} {b} by {points:.{digits}f} points {_bounds(low, high, digits)}, {seeds}"
        if "mcnemar" in difference:
            remarks.insert(0, "McNemar agrees in {agree} of {pairs}".format(**difference["mcnemar"]))
    else:
        text = f"{a} and {b}: not separable ({_rounded(points):+.1f} points {_bounds(low, high)}), {seeds}"
    return f"{text} ({'; '.join(remarks)})" if remarks else text


def _bounds(low: float, high: float, digits: int = 1) -> str:
    return f"[{_rounded(low, digits):.{digits}f}, {_rounded(high, digits):.{digits}f}]"


def _rounded(value: float, digits: int = 1) -> float:
    return round(value, digits) + 0.0  # no "-0.0"


def _seeds(sides: Sequence[int]) -> str:
    """Return "3 seeds", or of two sides "3 and 1 seeds"."""
    first, last = sides[0], sides[-1]
    return f"{first} seed{'s' * (first > 1)}" if first == last else f"{first} and {last} seeds"
