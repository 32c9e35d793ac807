"""All reports of a data set side by side, without importing torch or scikit-learn."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import overload

from unsup.comparison.comparable import Comparable, comparable
from unsup.comparison.files import Comparison, comparison_csv, comparison_html, comparison_json, comparison_markdown
from unsup.comparison.groups import ComparedRun, group, read_run
from unsup.comparison.latex import comparison_latex
from unsup.comparison.table import column_named
from unsup.core.commands import option, suggest
from unsup.core.errors import UsageError, UserError, closest, one_line
from unsup.core.files import replace_file
from unsup.reports.schema import protocol_name

log = logging.getLogger(__name__)

REPORTS = "*/*/report.json"


Contrast = tuple[str, str]  # the names of two rows


@overload
def compare(runs: str | Path, data: str, sort: str | None = None, contrast: Contrast | None = None) -> Comparison: ...


@overload
def compare(
    runs: str | Path = "runs", data: None = None, sort: str | None = None, contrast: Contrast | None = None
) -> list[Comparison]: ...


def compare(
    runs: str | Path = "runs", data: str | None = None, sort: str | None = None, contrast: Contrast | None = None
) -> Comparison | list[Comparison]:
    """Compare the reports of one data set, or of each that has reports (a list).

    Nothing is printed. The files runs/<data>/compare.{html,md,csv,json,tex} are written.

    >>> import unsup
    >>> print(unsup.compare("runs", "digits"))

    Args:
        runs: the folder that holds runs.
        data: the data set; None for all.
        sort: a column's name, such as "few-label 10"; None for the linear probe, or the reconstruction error if there
            are no labels.
        contrast: two rows of one table, whose comparison was planned before looking at it; it has an interval of its
            own.

    Raises:
        UsageError: no such column or row.
        UserError: no reports, or none that can be used.
    """
    comparisons, unusable = compare_all(Path(runs), data, sort, contrast)
    if not comparisons:
        raise unusable[0]
    for error in unusable:
        log.warning("%s", one_line(error))
    return comparisons if data is None else comparisons[0]


def compare_all(
    root: Path, data: str | None = None, sort: str | None = None, contrast: Contrast | None = None
) -> tuple[list[Comparison], list[UserError]]:
    """Compare like `compare`, with an error for each data set without usable reports.

    Reports that cannot be used are left out with a warning.
    """
    column = column_named(sort) if sort else None
    available = sorted(path.name for path in root.glob("*") if any(path.glob(REPORTS)))
    if data is not None and data not in available:
        hint = closest(data, available) if available else f"{suggest('train', model='deep_ae', data=data)} writes one"
        raise UserError(f"no reports of {data} in {root} ({hint})")
    if not available:
        raise UserError(f"no reports in {root}: {suggest('train', model='deep_ae')} writes one")
    if contrast and data is None and len(available) > 1:
        raise UsageError(f"a contrast is of one data set: give it, {option('data', '<name>')} ({', '.join(available)})")
    comparisons, unusable = [], []
    for name in [data] if data else available:
        try:
            comparisons.append(compare_folder(root / name, column, contrast))
        except UsageError:
            raise  # of the contrast
        except UserError as e:
            unusable.append(e)
    return comparisons, unusable


def compare_folder(folder: Path, sort: str | None, contrast: Contrast | None = None) -> Comparison:
    """Compare the reports in runs/<data> and write the comparison there.

    Raises:
        UserError: none of its reports can be used.
        UsageError: no table has both rows of the contrast.
    """
    runs = usable_runs(folder, folder.glob(REPORTS))
    groups, notes = group(runs)
    parts = [comparable(version, several, sort, contrast) for version, several in groups.items()]
    if contrast and not any(part.findings.planned for part in parts):
        raise _no_contrast(parts, contrast)
    notes += sorted({run.copies_warning for run in runs} - {""})
    notes += _older(runs)
    notes += [f"no report has a {sort}: sorted by {part.sort}" for part in parts if sort and part.sort != sort]
    for note in notes:
        log.warning("%s", note)
    comparison = Comparison(folder, parts, notes)
    replace_file(folder / "compare.json", comparison_json(comparison))
    replace_file(folder / "compare.csv", comparison_csv(comparison))
    replace_file(folder / "compare.md", comparison_markdown(comparison))
    replace_file(folder / "compare.html", comparison_html(comparison))
    replace_file(folder / "compare.tex", comparison_latex(comparison))
    return comparison


def usable_runs(folder: Path, reports: Iterable[Path]) -> list[ComparedRun]:
    """Return the runs of reports, with a warning for each that cannot be used.

    Raises:
        UserError: none can be used.
    """
    runs: list[ComparedRun] = []
    for path in sorted(reports):
        try:
            runs.append(read_run(path))
        except UserError as e:
            again = suggest("evaluate", run=path.parent)
            log.warning("skipped %s: %s; %s writes it again", path, one_line(e), again)
    if not runs:
        raise UserError(f"none of the reports in {folder} can be used")
    return runs


def _no_contrast(parts: list[Comparable], contrast: Contrast) -> UsageError:
    """Return the error that two rows are not in one table."""
    names = {row.name for part in parts for row in part.rows}
    for name in contrast:
        if name not in names:
            return UsageError(f"no row {name!r} ({closest(name, sorted(names))})")
    return UsageError(f"{contrast[0]} and {contrast[1]} are not two rows with a probe in one table")


def _older(runs: list[ComparedRun]) -> list[str]:
    """Return a note for each protocol and draft except the newest one."""
    protocols = [(run.version.schema, run.version.protocol, run.version.draft) for run in runs]
    return [
        f"{protocols.count(one)} report(s) of {protocol_name(*one[1:])} have a table to themselves; "
        f"{suggest('evaluate', run='…')} brings a run up to date"
        for one in sorted(set(protocols) - {max(protocols)})
    ]
