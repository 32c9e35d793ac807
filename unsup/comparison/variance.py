"""Where the scores' variance comes from, and what can be known of them without labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unsup.comparison.groups import Group
from unsup.metrics.intervals import chance_spearman, spearman
from unsup.reports.catalogue import SCORES, Tables, scores_in
from unsup.reports.format import Cells

ENOUGH_GROUPS = 4  # for a rank correlation
LABELLED = ("linear probe", "k-means ACC")
DIAGNOSTICS = scores_in(Tables.DIAGNOSTIC)
SOURCES = {  # source -> number of a run; a training seed's deviation is that of the score itself over the runs
    source: number
    for score in SCORES
    if score.deviations
    for source, number in [(f"{score.name}: training seed", score.name), *((name, name) for name in score.deviations)]
}

Deviations = dict[str, float]  # source -> standard deviation, as a share


def variance_by_source(groups: Sequence[Group]) -> dict[str, Deviations]:
    """Per group the standard deviation that each source of chance makes; what a group does not have is absent.

    Over training seeds with ddof 1, from two seeds on; those within a run as a quadratic mean over the runs.
    """
    return {group.name: _deviations(group) for group in groups}


def _deviations(group: Group) -> Deviations:
    found = {}
    for source, number in SOURCES.items():
        values = group.values(number)
        if source.endswith("training seed"):
            if len(values) > 1:
                found[source] = float(np.std(values, ddof=1))
        elif values:
            found[source] = float(np.sqrt(np.mean(np.square(values))))
    return found


def variance_rows(found: dict[str, Deviations]) -> list[Cells]:
    """In points, in the order of SOURCES; sources that no group has are left out."""
    some = [source for source in SOURCES if any(source in one for one in found.values())]
    return [
        {"model": name} | {source: f"{100 * one[source]:.2f}" if source in one else "" for source in some}
        for name, one in found.items()
        if some
    ]


def label_free_choice(groups: Sequence[Group]) -> dict[str, Any]:
    """Rank correlation over the groups of each label-free diagnostic with what labels say about the codes.

    Returns:
        {diagnostic: {"linear probe": {"r", "n"}, "k-means ACC": {"r", "n"}}}; absent: fewer than four groups have
        both, or one of the two is the same for all.
    """
    found: dict[str, Any] = {}
    for diagnostic in DIAGNOSTICS:
        for score in LABELLED:
            pairs = [
                (np.mean(x), np.mean(y))
                for one in groups
                if (x := one.values(diagnostic.name)) and (y := one.values(score))
            ]
            if len(pairs) < ENOUGH_GROUPS:
                continue
            r = spearman(*np.array(pairs).T)
            if r is not None:
                found.setdefault(diagnostic.name, {})[score] = {"r": r, "n": len(pairs)}
    return found


def choice_rows(found: dict[str, Any]) -> list[Cells]:
    rows = []
    for diagnostic in (one for one in DIAGNOSTICS if one.name in found):
        scores = found[diagnostic.name]
        row = {"diagnostic": diagnostic.name, "better": "lower" if diagnostic.lower else "higher"}
        for score in LABELLED:
            row[score] = f"{scores[score]['r']:+.2f}" if score in scores else ""
        rows.append(row | {"groups": str(max(one["n"] for one in scores.values()))})
    return rows


def choice_note(found: dict[str, Any], groups: Sequence[Group]) -> str:
    """How much to make of so few groups."""
    n = max(one["n"] for scores in found.values() for one in scores.values())
    by_chance = chance_spearman(n)
    text = f"Spearman's rank correlation over the means of {n} groups. That is few: "
    if by_chance <= 1:
        text += f"diagnostics that know nothing reach {by_chance:.2f} in size by chance in up to one of twenty cases."
    else:
        text += "even a perfect agreement comes about by chance in more than one of twenty cases."
    text += " Where lower is better, -1.00 would be a perfect choice."
    dims = sorted({dim for group in groups for dim in group.values("dim")})
    if len(dims) > 1:
        text += f" The codes have {dims[0]:,.0f} to {dims[-1]:,.0f} dimensions, which RankMe and others grow with."
    return text
