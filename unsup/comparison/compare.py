"""All reports of a data set side by side. Answers at once: neither torch nor scikit-learn is imported."""

import sys
from pathlib import Path

from rich.console import Console

from unsup.comparison.comparable import Comparable, comparable, differences
from unsup.comparison.files import comparison_csv, comparison_html, comparison_json, comparison_markdown
from unsup.comparison.groups import ComparedRun, group, read_run
from unsup.comparison.table import column_named
from unsup.comparison.terminal import show
from unsup.core.errors import UserError, nearest, one_line, printable
from unsup.core.files import replace

REPORTS = "*/*/report.json"


def compare(root: Path, data: str | None = None, sort: str | None = None) -> None:
    """Print the comparison of one data set, or of every one that has reports, and write runs/<data>/compare.*.

    What cannot be used is named on stderr, with the reason, and left out.

    Args:
        root: the folder that holds runs.
        data: the data set; None: all.
        sort: a column's name; None: the linear probe, without labels the reconstruction error.

    Raises:
        UsageError: no such column.
        UserError: no reports.
    """
    column = column_named(sort) if sort else None
    there = sorted(path.name for path in root.glob("*") if any(path.glob(REPORTS)))
    if data is not None and data not in there:
        hint = nearest(data, there) if there else f"make train MODEL=deep_ae DATA={data} writes one"
        raise UserError(f"no reports of {data} in {root} ({hint})")
    if not there:
        raise UserError(f"no reports in {root}: make train MODEL=deep_ae writes one")
    unusable = []
    for name in [data] if data else there:
        try:
            compare_folder(root / name, column)
        except UserError as e:
            unusable.append(e)
    for earlier in unusable[:-1]:
        print(f"unsup: {one_line(earlier)}", file=sys.stderr)
    if unusable:
        raise unusable[-1]


def compare_folder(folder: Path, sort: str | None) -> list[Comparable]:
    """The comparison of runs/<data>, printed and written there.

    Raises:
        UserError: none of its reports can be used.
    """
    runs: list[ComparedRun] = []
    for path in sorted(folder.glob(REPORTS)):
        try:
            runs.append(read_run(path))
        except UserError as e:
            told = printable(f"skipped {path}: {one_line(e)}")
            print(f"unsup: {told}; make evaluate RUN={path.parent} writes it again", file=sys.stderr)
    if not runs:
        raise UserError(f"none of the reports in {folder} can be used")
    groups, notes = group(runs)
    parts = [comparable(version, found, sort) for version, found in groups.items()]
    notes += _older(runs)
    notes += [f"no report has a {sort}: sorted by {one.sort}" for one in parts if sort and one.sort != sort]
    for note in notes:
        print(f"unsup: {printable(note)}", file=sys.stderr)
    name = folder.name
    replace(folder / "compare.json", comparison_json(name, parts, notes))
    replace(folder / "compare.csv", comparison_csv(parts))
    replace(folder / "compare.md", comparison_markdown(name, parts, notes))
    replace(folder / "compare.html", comparison_html(name, parts, notes))
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    if apart := differences(list(groups)):
        console.print(f"{name}: {apart}", markup=False)
    for one in parts:
        console.print(f"{name}, ", end="", markup=False, style="bold")
        show(one, console)
        console.print()
    console.print(f"files  {folder}/compare.{{html,md,csv,json}}", markup=False, soft_wrap=True)
    return parts


def _older(runs: list[ComparedRun]) -> list[str]:
    """Said once for each schema that is not the newest one."""
    schemas = [run.version.schema for run in runs]
    return [
        f"{schemas.count(schema)} report(s) of the older schema {schema} stand in a table of their own; "
        "make evaluate RUN=… brings a run up to date"
        for schema in sorted(set(schemas) - {max(schemas)})
    ]
