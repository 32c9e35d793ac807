"""All reports of a data set side by side. Answers at once: neither torch nor scikit-learn is imported."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from unsup.comparison.comparable import Comparable, comparable, differences
from unsup.comparison.files import comparison_csv, comparison_html, comparison_json, comparison_markdown
from unsup.comparison.groups import ComparedRun, group, read_run
from unsup.comparison.table import column_named
from unsup.core.commands import suggest
from unsup.core.errors import UserError, closest, one_line
from unsup.core.files import replace_file

log = logging.getLogger(__name__)

REPORTS = "*/*/report.json"


@dataclass(frozen=True)
class Comparison:
    """The reports of a data set side by side.

    Attributes:
        folder: runs/<data>, which holds the files of the comparison.
        parts: of reports that can be compared, one part each.
        differences: in what the reports of different parts differ, or nothing.
    """

    folder: Path
    parts: list[Comparable]
    differences: str

    def __str__(self) -> str:
        """Return the tables and sentences that `unsup compare` prints, 100 columns wide."""
        from unsup.comparison.terminal import plain_text

        return plain_text(self.folder.name, self.parts, self.differences)


@overload
def compare(runs: str | Path, data: str, sort: str | None = None) -> Comparison: ...


@overload
def compare(runs: str | Path = "runs", data: None = None, sort: str | None = None) -> list[Comparison]: ...


def compare(
    runs: str | Path = "runs", data: str | None = None, sort: str | None = None
) -> Comparison | list[Comparison]:
    """Compare the reports of one data set, or of every one that has reports: a list then.

    Nothing is printed. The files runs/<data>/compare.{html,md,csv,json} are written.

    >>> import unsup
    >>> print(unsup.compare("runs", "digits"))

    Args:
        runs: the folder that holds runs.
        data: the data set; None: all.
        sort: a column's name, such as "few-label 10"; None: the linear probe, without labels the reconstruction error.

    Raises:
        UsageError: no such column.
        UserError: no reports, or none that can be used.
    """
    comparisons, unusable = compare_all(Path(runs), data, sort)
    if not comparisons:
        raise unusable[0]
    for error in unusable:
        log.warning("%s", one_line(error))
    return comparisons if data is None else comparisons[0]


def compare_all(
    root: Path, data: str | None = None, sort: str | None = None
) -> tuple[list[Comparison], list[UserError]]:
    """Compare as `compare` does; return the comparisons, and why others could not be made.

    A warning names each report that cannot be used, with the reason; it is left out.

    Args:
        root: the folder that holds runs.
        data: the data set; None: all.
        sort: a column's name; None: the linear probe, without labels the reconstruction error.

    Returns:
        The comparisons, and an error for each data set without a report that can be used.

    Raises:
        UsageError: no such column.
        UserError: no reports.
    """
    column = column_named(sort) if sort else None
    there = sorted(path.name for path in root.glob("*") if any(path.glob(REPORTS)))
    if data is not None and data not in there:
        hint = closest(data, there) if there else f"{suggest('train', model='deep_ae', data=data)} writes one"
        raise UserError(f"no reports of {data} in {root} ({hint})")
    if not there:
        raise UserError(f"no reports in {root}: {suggest('train', model='deep_ae')} writes one")
    comparisons, unusable = [], []
    for name in [data] if data else there:
        try:
            comparisons.append(compare_folder(root / name, column))
        except UserError as e:
            unusable.append(e)
    return comparisons, unusable


def compare_folder(folder: Path, sort: str | None) -> Comparison:
    """Compare the reports in runs/<data> and write the comparison there.

    Raises:
        UserError: none of its reports can be used.
    """
    runs: list[ComparedRun] = []
    for path in sorted(folder.glob(REPORTS)):
        try:
            runs.append(read_run(path))
        except UserError as e:
            again = suggest("evaluate", run=path.parent)
            log.warning("skipped %s: %s; %s writes it again", path, one_line(e), again)
    if not runs:
        raise UserError(f"none of the reports in {folder} can be used")
    groups, notes = group(runs)
    parts = [comparable(version, found, sort) for version, found in groups.items()]
    notes += _older(runs)
    notes += [f"no report has a {sort}: sorted by {one.sort}" for one in parts if sort and one.sort != sort]
    for note in notes:
        log.warning("%s", note)
    name = folder.name
    replace_file(folder / "compare.json", comparison_json(name, parts, notes))
    replace_file(folder / "compare.csv", comparison_csv(parts))
    replace_file(folder / "compare.md", comparison_markdown(name, parts, notes))
    replace_file(folder / "compare.html", comparison_html(name, parts, notes, folder.parent))
    return Comparison(folder, parts, differences(list(groups)))


def _older(runs: list[ComparedRun]) -> list[str]:
    """Said once for each schema that is not the newest one."""
    schemas = [run.version.schema for run in runs]
    return [
        f"{schemas.count(schema)} report(s) of the older schema {schema} stand in a table of their own; "
        f"{suggest('evaluate', run='…')} brings a run up to date"
        for schema in sorted(set(schemas) - {max(schemas)})
    ]
