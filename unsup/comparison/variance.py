"""Sources of the scores' variance, and the choice of a model without labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from unsup.comparison.groups import Group
from unsup.metrics.intervals import chance_spearman, spearman
from unsup.reports.catalogue import SCORES, Tables, scores_in
from unsup.reports.format import Cells

MIN_GROUPS = 4  # for a rank correlation
LABELLED = ("linear probe", "k-means ACC")
DIAGNOSTICS = scores_in(Tables.DIAGNOSTIC)
OVER_SEEDS = {f"{score.name}: training seed": score.name for score in SCORES if score.deviations}
SOURCES = tuple(
    source for score in SCORES if score.deviations for source in (f"{score.name}: training seed", *score.deviations)
)

Deviations = dict[str, float]  # source -> standard deviation, as a share


def variance_by_source(groups: Sequence[Group]) -> dict[str, Deviations]:
    """Return the standard deviation of each group by source of chance.

    Over training seeds with ddof 1, from two seeds on; those within a run as the root mean square over the runs.
    """
    deviations: dict[str, Deviations] = {group.name: {} for group in groups}
    for group in groups:
        for source in SOURCES:
            values = group.values(OVER_SEEDS.get(source, source))
            if source not in OVER_SEEDS and values:
                deviations[group.name][source] = float(np.sqrt(np.mean(np.square(values))))
            elif source in OVER_SEEDS and len(values) > 1:
                deviations[group.name][source] = float(np.std(values, ddof=1))
    return deviations


def variance_rows(deviations: dict[str, Deviations]) -> list[Cells]:
    """Return deviations in points, in the order of SOURCES, without empty columns."""
    sources = [source for source in SOURCES if any(source in one for one in deviations.values())]
    return [
        {"model": name} | {source: f"{100 * one[source]:.2f}" if source in one else "" for source in sources}
        for name, one in deviations.items()
        if sources
    ]


def label_free_choice(groups: Sequence[Group]) -> dict[str, Any]:
    """Return rank correlations of label-free diagnostics with scores that use labels.

    Returns:
        {diagnostic: {"linear probe": {"r", "n"}, "k-means ACC": {"r", "n"}}} over the groups' means. It is absent if
        fewer than four groups have both, or one of the two is constant.
    """
    correlations: dict[str, Any] = {}
    for diagnostic in DIAGNOSTICS:
        for score in LABELLED:
            values = [(group.values(diagnostic.name), group.values(score)) for group in groups]
            means = [(np.mean(x), np.mean(y)) for x, y in values if x and y]
            if len(means) >= MIN_GROUPS and (r := spearman(*np.array(means).T)) is not None:
                correlations.setdefault(diagnostic.name, {})[score] = {"r": r, "n": len(means)}
    return correlations


def choice_rows(correlations: dict[str, Any]) -> list[Cells]:
    """Return a row of the table for each diagnostic."""
    rows = []
    for diagnostic in (score for score in DIAGNOSTICS if score.name in correlations):
        scores = correlations[diagnostic.name]
        row = {"diagnostic": diagnostic.name, "better": "lower" if diagnostic.lower else "higher"}
        row |= {score: f"{scores[score]['r']:+.2f}" if score in scores else "" for score in LABELLED}
        rows.append(row | {"groups": str(max(one["n"] for one in scores.values()))})
    return rows


def choice_note(correlations: dict[str, Any], groups: Sequence[Group]) -> str:
    """Return how far correlations over so few groups can be trusted."""
    n = max(one["n"] for scores in correlations.values() for one in scores.values())
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
