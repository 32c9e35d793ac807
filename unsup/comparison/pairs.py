"""Paired comparisons of two rows on the same test images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unsup.comparison.groups import ComparedRun, Group, Numbers
from unsup.core.array_files import DAMAGED
from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.metrics.intervals import paired_over_seeds
from unsup.reports.catalogue import SCORES, correct_key
from unsup.reports.schema import baseline_name

PROBE_OF_COLUMN = {score.name: score.correct for score in SCORES if score.correct}  # column -> name in the file
FILE = "correct.npz"
MODEL = ""  # in place of a baseline: the run itself


@dataclass(frozen=True)
class Statement:
    """One sentence about a, or about a against b."""

    a: str
    text: str
    b: str = ""
    difference: Mapping[str, Any] = field(default_factory=dict)  # of `paired_over_seeds`; empty without b


class Opponent(NamedTuple):
    """A baseline or a group that a group is compared with."""

    name: str
    numbers: Numbers
    correct: NDArray[np.float64]  # (s, n)
    initialisations: Sequence[float]  # accuracies, if it is the untrained network
    seeds: str


def statements(groups: Sequence[Group], column: str) -> Iterator[Statement]:
    """Yield statements on each group against its baselines and against the next group.

    If the correctness of the images is missing, one sentence says so, and how to get it.

    Args:
        groups: in the order of the table.
        column: a key of PROBE_OF_COLUMN, what they are compared by.
    """
    groups = [group for group in groups if group.values(column)]
    loaded = [_correctness(group, column) for group in groups]
    for i, (group, own) in enumerate(zip(groups, loaded, strict=True)):
        if isinstance(own, UserError):
            yield Statement(group.name, f"{group.name}: nothing can be said, {own}")
            continue
        first, seeds = group.runs[0], len(group.runs)
        opponents = []
        for key, numbers in first.baselines.items():
            if key in own:
                name = baseline_name(key, numbers.get("dim"))
                initialisations = first.initialisations.get(PROBE_OF_COLUMN[column], ()) if key == "untrained" else ()
                opponents.append(Opponent(name, numbers, own[key], initialisations, _seeds(seeds)))
        if i + 1 < len(groups) and not isinstance(following := loaded[i + 1], UserError):
            after = groups[i + 1]
            words = _seeds(seeds, len(after.runs))
            opponents.append(Opponent(after.name, after.runs[0].numbers, following[MODEL], (), words))
        for other in opponents:
            difference = paired_over_seeds(own[MODEL], other.correct, other.initialisations)
            remark = _dimensions(first.numbers, other.numbers)
            text = _sentence(group.name, other.name, difference, other.seeds, remark)
            yield Statement(group.name, text, other.name, difference)


def _correctness(group: Group, column: str) -> dict[str, NDArray[np.float64]] | UserError:
    """Return the arrays of the group's runs, (s, n), and of its baselines, (1, n).

    They come from all runs, those of baselines from the first one. An error is returned if arrays are missing, damaged,
    or those of another evaluation.
    """
    first = group.runs[0]
    rows, errors = [], []
    for run in group.runs:
        baselines = first.baselines.items() if run is first else ()
        means = {MODEL: run.numbers.get(column)} | {key: numbers.get(column) for key, numbers in baselines}
        try:
            rows.append(_load(run, column, means))
        except UserError as e:
            errors.append(str(e))
    if errors:
        more = len(errors) - 1
        return UserError(errors[0] + (f", and the same for {more} more of its runs" if more else ""))
    if len({len(values) for row in rows for values in row.values()}) > 1:
        return UserError(f"{FILE} holds different numbers of images in its runs{_remedy(first)}")
    return {name: np.stack([row[name] for row in rows if name in row], dtype=np.float64) for name in rows[0]}


def _load(run: ComparedRun, column: str, means: Mapping[str, float | None]) -> dict[str, NDArray[Any]]:
    """Return the arrays (n,) of a run and of baselines, checked against their means."""
    if means[MODEL] is None:
        raise UserError(f"{run.folder / 'report.json'} has no {column}{_remedy(run)}")
    path, probe = run.folder / FILE, PROBE_OF_COLUMN[column]
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {key: file[correct_key(probe, key)] for key, mean in means.items() if mean is not None}
    except FileNotFoundError as e:
        raise UserError(f"{path} is missing{_remedy(run)}") from e
    except KeyError as e:
        raise UserError(f"{path} lacks {e.args[0]}{_remedy(run)}") from e
    except DAMAGED as e:
        raise UserError(f"{path} is damaged{_remedy(run)}") from e
    for key, array in arrays.items():
        if array.ndim != 1 or not abs(array.mean(dtype=np.float64) - means[key]) < 1e-4:
            raise UserError(f"{path} is not that of its report{_remedy(run)}")
    return arrays


def _remedy(run: ComparedRun) -> str:
    return f": {suggest('evaluate', run=run.folder)}"


def _dimensions(a: Numbers, b: Numbers) -> str:
    """Return a remark on codes of different size."""
    if "dim" not in a or "dim" not in b or a["dim"] == b["dim"]:
        return ""
    return f"{a['dim']:,.0f} against {b['dim']:,.0f} dimensions"


def _sentence(a: str, b: str, difference: Mapping[str, Any], seeds: str, dimensions: str) -> str:
    """Return "a > b by 7.1 points [6.6, 7.6], 3 seeds" or "not separable"."""
    points, low, high = (100 * difference[key] for key in ("difference", "low", "high"))
    remarks = [dimensions] if dimensions else []
    if difference["separable"]:
        sign = ">" if points > 0 else "<"
        points, low, high = (points, low, high) if points > 0 else (-points, -high, -low)
        digits = 1 if low >= 0.05 else 2  # no "[0.0, 0.3]" that leaves out 0
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


def _seeds(a: int, b: int | None = None) -> str:
    """Return "3 seeds", or of two sides "3 and 1 seeds"."""
    return f"{a} seed{'s' * (a > 1)}" if b in (None, a) else f"{a} and {b} seeds"
