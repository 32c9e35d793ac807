"""What a classification leaves behind: a table, a contact sheet, and on request folders of copies or links."""

import csv
import re
import shutil
from pathlib import Path
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from unsup.core.errors import UserError, printable
from unsup.core.files import create_folder, fill_folder, refuse_existing
from unsup.inference.classify import Classification, classify_folder
from unsup.inference.contact_sheet import write_sheet
from unsup.reports.schema import Report
from unsup.runs.run import Run

TABLE, SHEET = "classes.csv", "sheet.html"
TABLE_COLUMNS = (
    "file",
    "class",
    "confidence",
    "given",
    "cluster",
    "name",
    "code_distance",
    "error",
    "distance",
    "unlike",
)
UNLIKE = "unlike anything seen"

Sort = Literal["copy", "link"]


def classify_into(
    run: Run, images: Path, out: Path | None = None, labels: Path | None = None, sort: Sort | None = None
) -> tuple[Path, Classification]:
    """Classify all images below a folder and write the result into a new folder; return that and the result.

    The folder has `classes.csv` (one line an image), `sheet.html` and, to sort, a folder for each class with copies of
    its images or links to them, and one for those that are unlike anything seen. Nothing is moved or overwritten.

    Args:
        run: the run, evaluated.
        images: the folder of images, in any arrangement.
        out: the folder to make; None: <run>/classified/<name of the folder of images>-<nnn>.
        labels: see `classify_folder`.
        sort: copies or links; None: neither.

    Raises:
        UserError: `out` exists, or as in `classify_folder`.
    """
    if out is not None:
        refuse_existing(out)  # before the work; again when it is made
    classified = classify_folder(run, images, labels)
    out = new_folder(run.folder, images) if out is None else create_folder(out)
    write_classification(out, run, images, classified, sort)
    return out, classified


def classification_table(classified: Classification) -> Table:
    """How many of each class, and how many are unlike anything seen or cannot be read."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("cluster" if classified.classes is None else "class")
    table.add_column("images", justify="right")
    rows = [(printable(label), len(members)) for label, members in classified.groups.items()]
    rows += [(UNLIKE, len(classified.unfamiliar)), ("unreadable", len(classified.unreadable))]
    for label, count in rows:
        table.add_row(Text(label), f"{count:,}")
    return table


def new_folder(run: Path, images: Path) -> Path:
    """<run>/classified/<name of the folder of images>-<nnn>, made just now."""
    name = safe_name(images.resolve().name)
    number = 1
    while True:
        try:
            return create_folder(run / "classified" / f"{name}-{number:03d}")
        except UserError:
            number += 1


def write_classification(folder: Path, run: Run, images: Path, classified: Classification, sort: Sort | None) -> None:
    """Fill a reserved folder: `classes.csv`, `sheet.html` and, to sort, a folder a class with copies or links.

    Images that are unlike anything seen have a folder of their own. Nothing is moved.
    """
    with fill_folder(folder) as temporary:
        write_table(temporary / TABLE, classified)
        title = f"{images.resolve().name}, sorted by {run.report.heading}"
        write_sheet(temporary / SHEET, images, classified, title, method_note(run.report, classified))
        if sort:
            sort_into(temporary, images, classified, sort)


def method_note(report: Report, classified: Classification) -> str:
    """How the classes were found, and how far that can be trusted."""
    if classified.num_labelled:
        how = (
            f"Classes by a logistic regression on the codes of the {classified.num_labelled:,} images that were named."
        )
        return f"{how} {recognition_note(classified)}"
    probe = report.scores.linear_probe
    if classified.classes is None or probe is None:
        by = "the model itself" if classified.own_clusters else "k-means of the codes"
        return f"Clusters by {by}: the run had no labels."
    right = f"{probe.accuracy:.1%} of the test images of {report.run.data}"
    return f"Classes by the linear probe of the run, which was right for {right}."


def recognition_note(classified: Classification) -> str:
    """How well the given names can be told apart, and what they leave out."""
    correct, labelled = classified.cross_val_correct, classified.num_labelled
    if correct is None:
        known = "How well the names can be told apart cannot be said: name at least two images of each."
    else:
        share = f"{correct:,} of the {labelled:,} named images ({correct / labelled:.0%})"
        known = f"How well the names can be told apart: {share} get their name from a classifier fitted without them."
    return f"{known} Every other image gets one of the given names: name images of all classes that occur."


def write_table(path: Path, classified: Classification) -> None:
    """One line an image, columns as in COLUMNS; names of files as bytes as they are."""
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(TABLE_COLUMNS)
        for at, name in enumerate(classified.files):
            of_class = "" if classified.classes is None else classified.classes[at]
            confidence = "" if classified.confidence is None else f"{classified.confidence[at]:.4f}"
            labelled = "yes" if classified.labelled[at] else "no"
            cluster = [classified.clusters[at], classified.cluster_names[at]]
            error = "" if classified.error is None else classified.error[at]
            distance = classified.distance[at]  # all digits: above 1 in the table where it is above 1
            ratios = [classified.code_distance[at], error, distance, str(distance > 1).lower()]
            writer.writerow([name, of_class, confidence, labelled, *cluster, *ratios])


def sort_into(folder: Path, images: Path, classified: Classification, sort: Sort) -> None:
    """Copies of the images, or links to them, in a folder for each class; a number is added to a name that is taken."""
    groups = [*classified.groups.items(), *([(UNLIKE, classified.unfamiliar)] if classified.unfamiliar else [])]
    taken = {TABLE, SHEET}
    with tqdm(total=len(classified.files), desc="sorting", unit=" images", delay=2, leave=False, disable=None) as bar:
        for label, members in groups:
            inside = folder / unused_name(safe_name(label), taken)
            inside.mkdir()
            names: set[str] = set()
            for at in sorted(members):
                source = (images / classified.files[at]).absolute()
                target = inside / unused_name(source.name, names)
                if sort == "copy":
                    shutil.copy2(source, target)
                else:
                    target.symlink_to(source)
                bar.update()


def safe_name(name: str) -> str:
    """A name for a folder: letters, digits, blanks, dots and dashes; not hidden, not too long for any system."""
    return re.sub(r"[^\w .-]", "_", name)[:60].strip(" .") or "_"


def unused_name(name: str, taken: set[str]) -> str:
    """The name, with a number before its suffix where it is taken, in whatever case; it is taken then."""
    path, number, found = Path(name), 1, name
    while found.casefold() in taken:
        number += 1
        found = f"{path.stem}-{number}{path.suffix}"
    taken.add(found.casefold())
    return found
