"""Rows of a table with what each of them gets right, image by image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unsup.comparison.groups import ComparedRun, Group, Numbers
from unsup.core.array_files import DAMAGED
from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.metrics.differences import Sample, typical_interaction
from unsup.metrics.variance import SeedSpread, initialisation_variance
from unsup.reports.catalogue import SCORES
from unsup.reports.schema import baseline_name, correct_key

PROBE_OF_COLUMN = {score.name: score.correct for score in SCORES if score.correct}  # column -> name in the file
FILE = "correct.npz"
MODEL = ""  # in place of a baseline: the run itself


@dataclass(frozen=True)
class Entry:
    """A model or a baseline that can be compared image by image."""

    name: str
    numbers: Numbers
    correct: NDArray[np.float64]  # (s, n)
    sample: Sample
    seeds: int = 0  # 0 for a baseline

    @property
    def learned(self) -> bool:
        return self.seeds > 0


@dataclass(frozen=True)
class Entries:
    """All rows of a table that can be compared.

    Attributes:
        models: by name of the group.
        baselines: the own ones of each group.
        missing: why a group cannot be compared.
        methods: whether intervals are about methods, with the spread over seeds; otherwise about these very runs.
    """

    models: dict[str, Entry]
    baselines: dict[str, list[Entry]]
    missing: dict[str, UserError]
    methods: bool

    @property
    def rows(self) -> list[Entry]:
        """The models and each different baseline that is not an untrained network."""
        rows = dict(self.models)
        for entry in (entry for own in self.baselines.values() for entry in own):
            if entry.name != baseline_name("untrained", None):
                rows.setdefault(entry.name, entry)
        return list(rows.values())


def column_spread(groups: Sequence[Group], column: str) -> SeedSpread | None:
    """Return the spread of an accuracy over seeds, pooled over the learned models."""
    return SeedSpread.of([group.values(column) for group in groups if group.learned and group.values(column)])


def entries(groups: Sequence[Group], column: str) -> Entries:
    """Return all rows that have this column, a key of PROBE_OF_COLUMN."""
    loaded: dict[str, dict[str, NDArray[np.float64]]] = {}
    missing: dict[str, UserError] = {}
    images = 0
    for group in groups:
        try:
            arrays = _correctness(group, column)
            images = images or arrays[MODEL].shape[1]
            if arrays[MODEL].shape[1] != images:
                raise UserError(f"{FILE} holds {arrays[MODEL].shape[1]} images, not {images}{_remedy(group.runs[0])}")
            loaded[group.name] = arrays
        except UserError as e:
            missing[group.name] = e
    compared = [group for group in groups if group.name in loaded]
    learned = [group for group in compared if group.learned]
    spread = column_spread(learned, column)
    interaction = typical_interaction([loaded[group.name][MODEL] for group in learned])
    models, baselines = {}, {}
    for group in compared:
        arrays, draws = loaded[group.name], [run.draws.get(MODEL, {}).get(column, []) for run in group.runs]
        own = Sample.of(
            arrays[MODEL], spread if group.learned else None, interaction, np.mean(draws, axis=0) if all(draws) else ()
        )
        models[group.name] = Entry(group.name, group.runs[0].numbers, arrays[MODEL], own, len(group.runs))
        baselines[group.name] = _baselines(group, arrays, column, own)
    return Entries(models, baselines, missing, spread is not None)


def _baselines(group: Group, arrays: Mapping[str, NDArray[np.float64]], column: str, own: Sample) -> list[Entry]:
    first, several = group.runs[0], []
    for key, numbers in first.baselines.items():
        if key not in arrays:
            continue
        sample = Sample.of(arrays[key], draws=first.draws.get(key, {}).get(column, ()))
        if key == "untrained" and (accuracies := first.initialisations.get(PROBE_OF_COLUMN[column])):
            accuracy, images = float(own.share.mean()), len(own.share)
            variance, df = initialisation_variance(accuracies, accuracy, images, len(group.runs), own.variance)
            sample = replace(sample, variance=variance, df=df)
        several.append(Entry(baseline_name(key, numbers.get("dim")), numbers, arrays[key], sample))
    return several


def _correctness(group: Group, column: str) -> dict[str, NDArray[np.float64]]:
    """Return the arrays of the group's runs, (s, n), and of its baselines, (1, n).

    They come from all runs, those of baselines from the first one.

    Raises:
        UserError: arrays are missing, damaged, or those of another evaluation.
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
        raise UserError(errors[0] + (f", and the same for {more} more of its runs" if more else ""))
    if len({len(values) for row in rows for values in row.values()}) > 1:
        raise UserError(f"{FILE} holds different numbers of images in its runs{_remedy(first)}")
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
