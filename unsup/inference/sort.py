"""Files of a classification, and folders that sort its images."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from unsup.core.errors import printable
from unsup.core.files import create_folder, fill_folder, replace_file
from unsup.core.tables import table
from unsup.data.scan import kind_of
from unsup.inference.classify import Classification, classify_folder, is_own_folder
from unsup.inference.contact_sheet import write_sheet
from unsup.inference.names import Name
from unsup.reports.format import with_interval
from unsup.reports.schema import Report
from unsup.runs.reading import reading_of
from unsup.runs.records import next_folder
from unsup.runs.run import Run

TABLE, LEFT_OUT, SHEET = "classes.csv", "left_out.csv", "sheet.html"
DISTANCES = ("code_distance", "error", "distance", "p", "unlike")
TABLE_COLUMNS = ("file", "class", "confidence", "given", "cluster", "cluster_name", *DISTANCES)
UNLIKE = "unlike anything seen"  # a folder

Sort = Literal["copy", "link"]


def classify_into(
    run: Run,
    images: Path,
    out: Path | None = None,
    given: Mapping[str, Name] | None = None,
    sort: Sort | None = None,
) -> tuple[Path, Classification]:
    """Classify all images below a folder, and return a new folder and the result.

    It has `classes.csv` (one line per image), `sheet.html`, `left_out.csv` if files were left out, and to sort a folder
    of copies or links for each class and one for images unlike anything seen. Nothing is moved or overwritten.

    Args:
        run: the run, evaluated.
        images: the folder of images, in any arrangement.
        out: the new folder (default: <run>/classified/<name of the folder of images>-<nnn>).
        given: names of some images (`read_names`).
        sort: copies, links or neither.

    Raises:
        UserError: `out` exists, or as in `classify_folder`.
    """
    classified, name = classify_folder(run, images, given), images.resolve().name
    folder = create_folder(out) if out else next_folder(run.folder / "classified", safe_name(name))
    with fill_folder(folder) as temporary:
        write_tables(temporary, classified)
        title, note = f"{name}, sorted by {run.report.heading}", " ".join(notes(run.report, classified, images))
        write_sheet(temporary / SHEET, images, classified, title, note, reading_of(run))
        if sort:
            sort_into(temporary, images, classified, sort)
    return folder, classified


def classification_table(classified: Classification) -> Table:
    """Return a table with the number of images of each class."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("cluster" if classified.classes is None else "class")
    table.add_column("images", justify="right")
    rows = [(printable(label), len(members)) for label, members in classified.groups.items()]
    rows += [(UNLIKE, len(classified.unfamiliar)), ("unreadable", len(classified.unreadable))]
    rows += [("left out, not images", len(classified.left_out))] if classified.left_out else []
    for label, count in rows:
        table.add_row(Text(label), f"{count:,}")
    return table


def notes(report: Report, classified: Classification, images: Path) -> list[str]:
    """Say how the classes were found, and how far they and the novelty can be trusted."""
    others = ~classified.is_named & ~classified.unlike
    own = is_own_folder(report.provenance.config, images)
    if classified.by_names:
        sentences = classified.by_names.sentences(~classified.is_named)
    else:
        sentences = [_about_classes(report, classified)]
        if classified.confidence is not None and others.any() and not own:  # labels of its own pictures were seen
            sentences.append(_about_confidence(classified, others))
    if own:
        sentences.append(f"These are the pictures of the run itself, so that whether one is {UNLIKE} says nothing.")
    elif rate := classified.false_alarm_rate:
        unnamed = int((~classified.is_named).sum())
        sentences.append(
            f"{len(classified.unfamiliar):,} of {unnamed:,} pictures are {UNLIKE}. If all were like the training "
            f"images, about {rate * unnamed:,.0f} would be ({rate:.1%}; {classified.false_alarm_limit:.1%} at worst)."
        )
    return sentences


def _about_classes(report: Report, classified: Classification) -> str:
    probe = report.scores.linear_probe
    if classified.classes is None or probe is None:
        by = "the model itself" if "own_cluster" in classified.columns else "k-means of the codes"
        return f"Clusters by {by}: the run had no labels."
    right = f"{with_interval(probe)} of the test images of {report.run.data}"
    return f"Classes by the linear probe of the run. Its accuracy: {right}."


def _about_confidence(classified: Classification, others: NDArray[np.bool_]) -> str:
    if not classified.false_alarm_rate or classified.confidence is None:
        return "The confidences are not calibrated."
    return (
        f"If the pictures are like the training images, about {classified.confidence[others].mean():.0%} of the "
        f"{others.sum():,} that are not {UNLIKE} are classified correctly: confidences are calibrated on held-out "
        "images."
    )


def write_tables(folder: Path, classified: Classification) -> None:
    """Write one line per image, and one per file that was left out."""
    columns = classified.columns

    def cells(i: int) -> list[object]:
        label = "" if classified.classes is None else classified.classes[i]
        confidence = "" if classified.confidence is None else f"{classified.confidence[i]:.4f}"
        is_named = "yes" if classified.is_named[i] else "no"
        error = columns["error"][i] if "error" in columns else ""
        ratios = [columns["code_distance"][i], error, classified.distance[i]]  # all digits
        novelty = [*ratios, columns["p"][i], str(classified.unlike[i]).lower()]
        cluster = [classified.clusters[i], classified.cluster_names[i]]
        return [classified.files[i], label, confidence, is_named, *cluster, *novelty]

    replace_file(folder / TABLE, table(TABLE_COLUMNS, map(cells, range(len(classified.files)))))
    left_out = [*sorted(classified.unreadable.items())]
    left_out += [(file, f"not an image: {kind_of(file)}") for file in classified.left_out]
    if left_out:
        replace_file(folder / LEFT_OUT, table(("file", "reason"), left_out))


def sort_into(folder: Path, images: Path, classified: Classification, sort: Sort) -> None:
    """Copy or link the images into a folder for each class."""
    groups = [*classified.groups.items(), *([(UNLIKE, classified.unfamiliar)] if classified.unfamiliar else [])]
    taken = {TABLE, LEFT_OUT, SHEET}
    with tqdm(total=len(classified.files), desc="sorting", unit=" images", delay=2, leave=False, disable=None) as bar:
        for label, members in groups:
            inside = folder / unused_name(safe_name(label), taken)
            inside.mkdir()
            names: set[str] = set()
            for i in sorted(members):
                source = (images / classified.files[i]).absolute()
                target = inside / unused_name(source.name, names)
                if sort == "copy":
                    shutil.copy2(source, target)
                else:
                    target.symlink_to(source)
                bar.update()


def safe_name(name: str) -> str:
    """Return a folder name of at most 60 letters, digits, spaces, dots and dashes."""
    return re.sub(r"[^\w .-]", "_", name)[:60].strip(" .") or "_"


def unused_name(name: str, taken: set[str]) -> str:
    """Return the name, numbered if it is taken in upper or lower case."""
    path, number, unused = Path(name), 1, name
    while unused.casefold() in taken:
        number += 1
        unused = f"{path.stem}-{number}{path.suffix}"
    taken.add(unused.casefold())
    return unused
