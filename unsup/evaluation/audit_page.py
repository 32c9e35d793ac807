"""The files of an audit, which are a page, tables and a sheet of pairs."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from unsup.core.arrays import Ids
from unsup.core.errors import printable
from unsup.core.files import replace_file
from unsup.core.tables import table
from unsup.core.words import counted
from unsup.evaluation.audit import SPLIT_WORDS, Audit
from unsup.reports.format import Cells, accuracy, markdown_table

SHEET = 60  # pairs on the sheet, evenly spaced from the most to the least alike
COLUMNS = 6
SIDE, GAP = 96, 14  # pixels


def write_audit(folder: Path, audit: Audit, title: str) -> Path:
    """Write audit.md, the tables and the sheet, and return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / "pairs.csv", table(("residual", "first", "split", "second", "split"), _pair_rows(audit)))
    replace_file(folder / "images.csv", table(("file", "finding", "detail"), _image_rows(audit)))
    sheet = ""
    if len(audit.pairs.first):
        buffer = io.BytesIO()
        pair_sheet(audit).save(buffer, "PNG")
        replace_file(folder / "pairs.png", buffer.getvalue())
        sheet = "\n\n![pairs of near-duplicates, side by side](pairs.png)"
    page = folder / "audit.md"
    replace_file(page, f"# Audit of {printable(title)}\n\n{_page(audit)}{sheet}\n")
    return page


def _page(audit: Audit) -> str:
    """Return what was looked at and found, as Markdown."""
    sizes = enumerate_sizes(audit)
    findings = audit.lines()
    parts = [sizes, "## Findings", "\n".join(f"- {line}" for line in findings) or "Nothing that needs a look."]
    if audit.shortcuts:
        rows: list[Cells] = [
            {"seen": what, "balanced accuracy": accuracy(value), "chance": accuracy(1 / audit.classes)}
            for what, value in audit.shortcuts.items()
        ]
        note = "Classes predicted from what is not content, on groups of images that the forest was not fitted on."
        parts += ["## Shortcuts", note, markdown_table(rows)]
    about = (
        f"Two images are near-duplicates if at most {audit.pairs.threshold:.3f} of the variance differs after the best "
        f"shift, crop to 90 %, mirroring, brightness and contrast. By chance {audit.pairs.expected:.1f} such pairs are "
        "expected. `pairs.csv` lists them, `images.csv` images with other findings."
    )
    if len(audit.pairs.first):
        about += " Below each pair of the sheet is its line in `pairs.csv`."
    if len(audit.doubtful):
        about += (
            f" {counted(len(audit.doubtful), 'label')} in `images.csv` that a probe contradicts "
            f"(by chance {audit.doubtful_by_chance:.1f} are expected)."
        )
    return "\n\n".join([*parts, "## Near-duplicates", about])


def enumerate_sizes(audit: Audit) -> str:
    """Return the numbers of classes and of images in each split."""
    counts = np.bincount(audit.split, minlength=3)
    training, validation, test = (f"{n:,} {name}" for name, n in zip(SPLIT_WORDS, counts, strict=True))
    return f"{audit.classes or 'no'} classes, {training}, {validation} and {test} images."


def _pair_rows(audit: Audit) -> Iterable[Sequence[str]]:
    for residual, *pair in zip(audit.pairs.residual, audit.pairs.first, audit.pairs.second, strict=True):
        cells = [cell for i in pair for cell in (audit.names[i], SPLIT_WORDS[audit.split[i]])]
        yield [f"{residual:.4f}", *cells]


def _image_rows(audit: Audit) -> Iterable[Sequence[str]]:
    for kind, files in audit.left_out.items():
        yield from ([file, "left out", kind] for file in files)
    for kind, rows in audit.odd.items():
        yield from ([audit.names[i], kind, ""] for i in rows)
    for i, other, sure in zip(audit.doubtful, audit.suggested, audit.confidence, strict=True):
        yield [audit.names[i], "doubtful label", f"{audit.class_names[other]} {sure:.3f}"]
    for at in audit.contradictions:
        first, second = audit.pairs.first[at], audit.pairs.second[at]
        yield [audit.names[first], "label differs from that of a near-duplicate", audit.names[second]]


def pair_sheet(audit: Audit) -> Image.Image:
    """Draw some pairs side by side, those across splits first."""
    order = np.concatenate([audit.leaks, np.setdiff1d(np.arange(len(audit.pairs.first)), audit.leaks)])
    some: Ids = order[np.linspace(0, len(order) - 1, min(SHEET, len(order))).astype(int)]
    rows = -(-len(some) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (2 * SIDE + GAP), rows * (SIDE + GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    for n, at in enumerate(some):
        left, top = (n % COLUMNS) * (2 * SIDE + GAP), (n // COLUMNS) * (SIDE + GAP)
        for side, i in enumerate((audit.pairs.first[at], audit.pairs.second[at])):
            picture = Image.fromarray(audit.images[i].transpose(1, 2, 0).squeeze()).convert("RGB")
            sheet.paste(picture.resize((SIDE, SIDE)), (left + side * SIDE, top))
        pen.text((left, top + SIDE), f"line {at + 2}", "black")  # the header is the first
    return sheet
