"""Runs judged on the images that a user named, for `evaluate` and `compare`."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unsup.cli.output import screen
from unsup.core.commands import option, suggest
from unsup.core.errors import UsageError, UserError, closest, printable
from unsup.core.files import replace_file, short_path
from unsup.core.tables import table
from unsup.data.layout import image_tree
from unsup.inference.names import Name, check_judges, read_names
from unsup.runs.config import read_layer
from unsup.runs.run import Run

if TYPE_CHECKING:
    from unsup.inference.judge_names import NamedScores

log = logging.getLogger(__name__)

TABLE = "named.csv"  # in the run folder, of a comparison in the folder of the data set


def evaluate_names(run: Run, images: Path, given: Mapping[str, Name], labels: Path) -> None:
    """Judge a run by the images that a user named, on the screen and in its report.

    A table has a line for each image.
    """
    from unsup.inference.judge_names import judge_names
    from unsup.reports.report import rewrite_report

    with run.lock():
        scores = judge_names(run, images, given)
        replace_file(run.folder / TABLE, scores.table())
        run.report.named = scores.record(labels)
        rewrite_report(run.folder, run.report)
    _show({_short_name(run): scores}, labels)
    print(f"table  {printable(str(short_path(run.folder / TABLE)))}")


def compare_on_names(root: Path, data: str | None, labels: Path) -> None:
    """Print how well each run of a folder classifies the named images.

    Raises:
        UserError: there are no such runs, or of several folders of images.
    """
    reports = sorted(root.glob(f"{data or '*'}/*/*/report.json"))
    runs = [run for run in map(Run, (path.parent for path in reports)) if run.has_readout and folder_named_by(run)]
    if not runs and data and (known := {path.parts[-4] for path in root.glob("*/*/*/report.json")}):
        if data in known:
            raise UserError(f"{data} is not a folder of images, and {option('labels')} names images of one")
        raise UserError(f"{root} has no evaluated run on {data} ({closest(data, known)})")
    if not runs:
        raise UserError(f"{root} has no evaluated run on a folder of images: {suggest('train', images='<folder>')}")
    if len({run.config["dataset"] for run in runs}) > 1:
        names = ", ".join(sorted({run.config["dataset"] for run in runs}))
        raise UsageError(f"{root} has runs on several folders of images ({names}): give {option('data', '<one>')}")
    given = {folder: names_of_judges(labels, folder) for folder in dict.fromkeys(images_of(run, None) for run in runs)}
    options = _options_of_counted(runs)
    runs = [run for run in runs if run.folder in options]
    folders = [images_of(run, None) for run in runs]
    from unsup.inference.judge_names import judge_names

    scores = [judge_names(run, folder, given[folder]) for run, folder in zip(runs, folders, strict=True)]
    order = sorted(range(len(runs)), key=lambda i: -scores[i].accuracy("probe")[0])
    rows = [(_short_name(runs[i]), options[runs[i].folder], scores[i]) for i in order]
    _show({f"{name} ({own})" if own else name: one for name, own, one in rows}, labels)
    path = root / runs[0].config["dataset"] / TABLE
    replace_file(path, _table(rows))
    print(f"files  {printable(str(short_path(path)))}")


def _options_of_counted(runs: Sequence[Run]) -> dict[Path, str]:
    """Return the folders of runs that `compare` counts, each with its options.

    Of a repeated run the newest counts, and a warning names each other. The options are those in which a run differs
    from others of its recipe, "" if there are none.
    """
    from unsup.comparison.compare import usable_runs
    from unsup.comparison.groups import group

    folder = runs[0].folder.parents[1]
    groups, notes = group(usable_runs(folder, [run.folder / "report.json" for run in runs]))
    for note in notes:
        log.warning("%s", note)
    return {
        run.folder: one.name.removeprefix(run.recipe).removeprefix(", ")
        for several in groups.values()
        for one in several
        for run in one.runs
    }


def names_of_judges(labels: Path, images: Path) -> dict[str, Name]:
    """Return the names in a CSV file, of enough images to judge a run by.

    Raises:
        UserError: they are too few, or as in `read_names`.
    """
    given = read_names(labels, images)
    check_judges(given.values(), labels)
    return given


def images_of(run: Run, images: str | None) -> Path:
    """Return the folder of images that a table of names is about.

    Raises:
        UsageError: it is not known.
        UserError: it is gone, or empty.
    """
    folder = images or folder_named_by(run)
    if not folder:
        raise UsageError(f"{run} was not trained on a folder of images: give {option('images', '<folder>')}")
    image_tree(folder)
    return Path(folder).expanduser()


def folder_named_by(run: Run) -> str:
    """Return the folder in config.yaml, read without PyTorch, or ""."""
    return str(read_layer(run.folder / "config.yaml")["data"]["init_args"].get("images", ""))


def _table(rows: Sequence[tuple[str, str, "NamedScores"]]) -> bytes:
    """Return a CSV file with a line for each (run, options, scores)."""
    from unsup.inference.judge_names import CLASSIFIERS

    columns = [title + end for title in CLASSIFIERS.values() for end in ("", " low", " high")]
    lines = [
        [name, options, int(one.counted.sum()), *(x for key in CLASSIFIERS for x in one.accuracy(key))]
        for name, options, one in rows
    ]
    return table(("run", "options", "images", *columns), lines)


def _short_name(run: Run) -> str:
    """Return the recipe, the seed and the number of a run."""
    return "/".join(run.folder.parts[-2:])


def _show(scores: Mapping[str, "NamedScores"], labels: Path) -> None:
    """Print accuracies by the name of the run, and differences from the best."""
    from rich import box
    from rich.table import Table

    from unsup.inference.judge_names import CLASSIFIERS, compare_names
    from unsup.reports.format import accuracy
    from unsup.reports.sections_named import about_named

    accuracies = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    accuracies.add_column("run", overflow="fold")
    for title in CLASSIFIERS.values():
        accuracies.add_column(title, justify="right")
    if len(scores) > 1:
        accuracies.add_column("probe minus the best", justify="right")
    best, differences = compare_names(list(scores.values()), "probe")
    for i, (name, one) in enumerate(scores.items()):
        cells = ["{} [{}, {}]".format(*map(accuracy, one.accuracy(key))) for key in CLASSIFIERS]
        if len(scores) > 1:
            difference = differences[i]
            text = "{difference:+.3f} [{low:+.3f}, {high:+.3f}]".format(**difference)
            cells.append("the best" if i == best else text + ("" if difference["separable"] else ", not separable"))
        accuracies.add_row(printable(name), *cells)
    screen().print(accuracies)
    print(about_named(next(iter(scores.values())).record(labels)))
