"""What can be said of two rows of a comparison: which is better on the same test images, and by how much."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unsup.comparison.groups import ComparedRun, Group
from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.metrics.intervals import paired_over_seeds
from unsup.reports.catalogue import SCORES
from unsup.reports.schema import baseline_name

IN_FILE = {score.name: score.correct for score in SCORES if score.correct}  # column -> name in the file
FILE = "correct.npz"
RUN = ""  # a run's own arrays, beside those of its floors

Correctness = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Statement:
    """One sentence about a, or about a against b."""

    a: str
    text: str
    b: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)  # of `paired_over_seeds`; empty where nothing can be said


def statements(groups: Sequence[Group], column: str) -> Iterator[Statement]:
    """Of each group, in the order of the table: against its floors and against the next group.

    Where the images' correctness is not at hand, one sentence says so, and how to mend it.

    Args:
        column: of IN_FILE, what they are compared by.
    """
    groups = [group for group in groups if group.values(column)]
    loaded = [_correctness_or_why(group, column) for group in groups]
    for i, (group, own) in enumerate(zip(groups, loaded, strict=True)):
        if isinstance(own, str):
            yield Statement(group.name, f"{group.name}: nothing can be said, {own}")
            continue
        first, seeds = group.runs[0], len(group.runs)
        for floor, numbers in first.baselines.items():
            if floor not in own:
                continue
            name = baseline_name(floor, numbers.get("dim"))
            each = first.initialisations.get(IN_FILE[column], ()) if floor == "untrained" else ()
            found = paired_over_seeds(own[RUN], own[floor], each)
            text = sentence(group.name, name, found, seeds_in_words(seeds), _dimensions(first.numbers, numbers))
            yield Statement(group.name, text, name, found)
        following = loaded[i + 1] if i + 1 < len(groups) else ""
        if not isinstance(following, str):
            after = groups[i + 1]
            found = paired_over_seeds(own[RUN], following[RUN])
            dims = _dimensions(first.numbers, after.runs[0].numbers)
            text = sentence(group.name, after.name, found, seeds_in_words(seeds, len(after.runs)), dims)
            yield Statement(group.name, text, after.name, found)


def _correctness_or_why(group: Group, column: str) -> Correctness | str:
    try:
        return _correctness(group, column)
    except UserError as e:
        return str(e)


def _correctness(group: Group, column: str) -> Correctness:
    """{"": (s, n) over the group's runs, floor: (1, n)}; floors are the same beside each seed.

    Raises:
        UserError: the arrays of some run are missing, damaged, or those of another evaluation.
    """
    first, *others = group.runs
    beside: dict[str, float] = {
        floor: numbers[column] for floor, numbers in first.baselines.items() if column in numbers
    }
    rows, troubles = [], []
    for run, floors in [(first, beside), *((run, {}) for run in others)]:
        try:
            rows.append(_load(run, column, floors))
        except UserError as e:
            troubles.append(str(e))
    if troubles:
        more = len(troubles) - 1
        raise UserError(troubles[0] + (f", and the same for {more} more of its runs" if more else ""))
    if len({len(values) for row in rows for values in row.values()}) > 1:
        raise UserError(f"{FILE} holds different numbers of images beside its runs{_remedy(first)}")
    return {name: np.stack([row[name] for row in rows if name in row], dtype=np.float64) for name in rows[0]}


def _load(run: ComparedRun, column: str, floors: Mapping[str, float]) -> dict[str, NDArray[Any]]:
    """The arrays (n,) of a run and of floors, each checked against the mean that the report tells."""
    if column not in run.numbers:
        raise UserError(f"{run.folder / 'report.json'} has no {column}{_remedy(run)}")
    path, probe = run.folder / FILE, IN_FILE[column]
    means = {RUN: run.numbers[column], **floors}
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = {name: file[f"{name}/{probe}".lstrip("/")] for name in means}
    except FileNotFoundError as e:
        raise UserError(f"{path} is missing{_remedy(run)}") from e
    except KeyError as e:
        raise UserError(f"{path} lacks {e.args[0]}{_remedy(run)}") from e
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as e:
        raise UserError(f"{path} is damaged{_remedy(run)}") from e
    for name, mean in means.items():
        if found[name].ndim != 1 or not abs(found[name].mean(dtype=np.float64) - mean) < 1e-4:
            raise UserError(f"{path} is not that of its report{_remedy(run)}")
    return found


def _remedy(run: ComparedRun) -> str:
    return f": {suggest('evaluate', run=run.folder)}"


def _dimensions(a: Mapping[str, float], b: Mapping[str, float]) -> str:
    """Said where codes of different size are compared."""
    if "dim" not in a or "dim" not in b or a["dim"] == b["dim"]:
        return ""
    return f"{a['dim']:,.0f} against {b['dim']:,.0f} dimensions"


def sentence(a: str, b: str, found: Mapping[str, Any], seeds: str, dimensions: str = "") -> str:
    """'a > b by 7.1 points [6.6, 7.6], 3 seeds' or 'a and b: not separable (+0.2 points [-0.3, 0.7]), 3 seeds'."""
    difference, low, high = (100 * found[key] for key in ("difference", "low", "high"))
    remarks = [dimensions] if dimensions else []
    if found["separable"]:
        sign = ">" if difference > 0 else "<"
        size, low, high = (difference, low, high) if difference > 0 else (-difference, -high, -low)
        digits = 1 if low >= 0.05 else 2  # no "[0.0, 0.3]" that leaves out 0
        text = f"{a} {sign} {b} by {size:.{digits}f} points {_interval(low, high, digits)}, {seeds}"
        if "mcnemar" in found:
            remarks.insert(0, f"McNemar agrees in {found['mcnemar']['agree']} of {found['mcnemar']['pairs']}")
    else:
        text = f"{a} and {b}: not separable ({_rounded(difference):+.1f} points {_interval(low, high)}), {seeds}"
    return f"{text} ({'; '.join(remarks)})" if remarks else text


def _interval(low: float, high: float, digits: int = 1) -> str:
    return f"[{_rounded(low, digits):.{digits}f}, {_rounded(high, digits):.{digits}f}]"


def _rounded(value: float, digits: int = 1) -> float:
    return round(value, digits) + 0.0  # no "-0.0"


def seeds_in_words(a: int, b: int | None = None) -> str:
    """Of one side, or of both: '3 seeds', '3 seeds and 1'."""
    text = f"{a} seed{'s' * (a > 1)}"
    return text if b in (None, a) else f"{text} and {b}"
