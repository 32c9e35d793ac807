"""The images nearest to a picture, by the codes of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from unsup.core.arrays import Floats, Ids
from unsup.core.devices import fastest_device
from unsup.core.errors import UserError, printable
from unsup.core.files import create_folder, fill_folder, replace_file
from unsup.core.splits import SplitName
from unsup.core.tables import table
from unsup.core.words import counted
from unsup.data.base import ImageData
from unsup.data.code_file import CodeFile
from unsup.data.folder import Folder
from unsup.data.pixels import read_image
from unsup.data.remarks import Remarks
from unsup.data.thumbnail import thumbnail
from unsup.inference.encode_folder import encode_folder, readable_batches
from unsup.inference.sort import SHEET, safe_name
from unsup.metrics.neighbours import nearest_by_cosine
from unsup.models.foreign.stored_codes import StoredCodes
from unsup.reports.figures.data_uri import image
from unsup.reports.page import render
from unsup.runs.encoder import Encoder, load_encoder
from unsup.runs.reading import reading_of
from unsup.runs.records import next_folder
from unsup.runs.run import Run

NEAREST = 24  # images
SIDE = 112  # pixels of a thumbnail at most
TABLE = "similar.csv"
COLUMNS = ("rank", "file", "split", "similarity", "label")


@dataclass(frozen=True)
class Gallery:
    """The n images that a picture is compared with.

    Attributes:
        codes: (n, D).
        names: of files, relative to their folder, or such as "test 12", the image 12 of that split.
        splits: of the images; empty texts for images of no data set.
        labels: names of classes; empty texts without.
        paths: of the files; None if the images are in an array.
        pixels: (n, C, H, W) where there are no files.
    """

    codes: Floats
    names: list[str]
    splits: list[str]
    labels: list[str]
    paths: list[Path] | None
    pixels: NDArray[np.uint8] | None

    @classmethod
    def of_folder(cls, run: Run, images: Path) -> Self:
        """Return all images below a folder, with the errors of `encode_folder`."""
        encoded = encode_folder(run, images, None)
        nothing = [""] * len(encoded.files)
        paths = [images / file for file in encoded.files]
        return cls(encoded.columns["codes"], encoded.files, nothing, nothing, paths, None)

    @classmethod
    def of_data(cls, data: ImageData, codes: Mapping[SplitName, Floats]) -> Self:
        """Return the images of a data set, split after split, with their codes.

        Raises:
            UserError: there are no images.
        """
        if isinstance(data, CodeFile) and not data.pictured:
            raise UserError(f"{data.path} has codes without images, so that none can be shown")
        names, splits, labels = list[str](), list[str](), list[str]()
        paths, pixels = list[Path](), list[NDArray[np.uint8]]()
        for split in codes:
            count, files, classes = data.size(split), data.paths(split), data.labels(split)
            splits += [split] * count
            labels += [""] * count if classes is None else [data.class_names[i] for i in classes]
            if files is None:
                names += [f"{split} {i}" for i in range(count)]
                pixels.append(data.pictures(split))
            else:
                names += [str(path.relative_to(data.images) if isinstance(data, Folder) else path) for path in files]
                paths += files
        return cls(
            np.concatenate([*codes.values()]),
            names,
            splits,
            labels,
            paths or None,
            np.concatenate(pixels) if pixels else None,
        )

    def copies_of(self, picture: Path, run: Run) -> Ids:
        """Return positions of the images that are the picture, or an exact copy of it.

        Files have the same bytes; images of an array the pixels that the run makes of the picture.
        """
        if self.paths is not None:
            size = picture.stat().st_size
            alike = (i for i, path in enumerate(self.paths) if path.stat().st_size == size)
            return np.array([i for i in alike if cmp(self.paths[i], picture, shallow=False)], np.int64)
        assert self.pixels is not None
        pixels = read_image(picture, self.pixels.shape[1:], reading_of(run))
        return np.flatnonzero((self.pixels == pixels).all(axis=(1, 2, 3)))


@dataclass(frozen=True)
class Similar:
    """The images nearest to a picture, the nearest first.

    Attributes:
        gallery: all that were compared.
        at: (k,) positions in it.
        similarity: (k,) cosines of the codes after the mean code of the gallery is subtracted.
        copies: positions of exact copies.
    """

    gallery: Gallery
    at: Ids
    similarity: Floats
    copies: Ids

    @property
    def rows(self) -> list[tuple[int, str, str, str, str]]:
        """The lines of the table."""
        gallery, nearest = self.gallery, zip(self.at.tolist(), self.similarity.tolist(), strict=True)
        return [
            (rank, gallery.names[i], gallery.splits[i], f"{similarity:.4f}", gallery.labels[i])
            for rank, (i, similarity) in enumerate(nearest, 1)
        ]

    @property
    def note(self) -> str:
        """Say what was compared, and which images are copies of the picture."""
        text = f"Compared with {counted(len(self.gallery.names), 'image')} by the cosine of centred codes."
        if not len(self.copies):
            return text
        names = ", ".join(printable(self.gallery.names[i]) for i in self.copies[:5].tolist())
        more = ", …" if len(self.copies) > 5 else ""
        return f"{text} {counted(len(self.copies), 'exact copy', 'exact copies')} of the picture: {names}{more}."


def find_similar(run: Run, picture: Path, gallery: Gallery) -> Similar:
    """Return the 24 images nearest to a picture, which is not its own neighbour.

    Raises:
        UserError: the run has codes of its own images alone, and the picture is none of these.
    """
    encoder, copies = load_encoder(run).to(fastest_device()), gallery.copies_of(picture, run)
    itself = np.array([i for i in copies.tolist() if gallery.paths and gallery.paths[i].samefile(picture)], np.int64)
    if isinstance(encoder.model, StoredCodes):
        if not len(copies):
            raise UserError(f"{run} has codes of its own images alone, and {picture} is none: evaluate an encoder")
        itself = itself if len(itself) else copies[:1]
        code = gallery.codes[itself[:1]]
    else:
        code = code_of(run, encoder, picture)
    nearest = nearest_by_cosine(gallery.codes, code, NEAREST + len(itself))[0]
    at = nearest[~np.isin(nearest, itself)][:NEAREST]
    mean = gallery.codes.mean(axis=0, dtype=np.float64)
    lengths = [np.linalg.norm(codes - mean, axis=1) for codes in (gallery.codes[at], code)]
    products = (gallery.codes[at] - mean) @ (code[0] - mean)
    similarity = products / np.maximum(lengths[0] * lengths[1], np.finfo(np.float32).tiny)
    return Similar(gallery, at, similarity.astype(np.float32), np.setdiff1d(copies, itself))


def code_of(run: Run, encoder: Encoder, picture: Path) -> Floats:
    """Return the code (1, D) of a file, read as the run reads its images.

    Raises:
        UserError: it cannot be read.
    """
    remarks = Remarks()
    for _, x in readable_batches(picture.parent, [picture.name], encoder, reading_of(run), remarks):
        return np.asarray(encoder(x).cpu().numpy())
    raise UserError(printable(f"{picture} cannot be read as an image: {remarks.unreadable[picture.name]}"))


def write_similar(run: Run, picture: Path, similar: Similar, out: Path | None = None) -> Path:
    """Write `similar.csv` and `sheet.html` into a new folder, and return it.

    Args:
        run: the run.
        picture: that the images are similar to.
        similar: the images.
        out: the folder (default: <run>/similar/<name of the picture>-<nnn>).

    Raises:
        UserError: `out` exists.
    """
    folder = create_folder(out) if out else next_folder(run.folder / "similar", safe_name(picture.stem))
    with fill_folder(folder) as temporary:
        replace_file(temporary / TABLE, table(COLUMNS, similar.rows))
        pictures = [
            {"path": printable(name), "caption": printable(" ".join(filter(None, words))), **small(run, similar, i)}
            for i, (_, name, *words) in zip(similar.at.tolist(), similar.rows, strict=True)
        ]
        own = {"path": printable(picture.name), "caption": "", **thumbnail(picture, SIDE, reading_of(run))}
        title = printable(f"Images nearest to {picture.name}")
        page = render("similar.html.j2", title=title, note=similar.note, run=str(run), own=own, nearest=pictures)
        replace_file(temporary / SHEET, page)
    return folder


def small(run: Run, similar: Similar, i: int) -> dict[str, Any]:
    """Return the thumbnail of an image of the gallery."""
    gallery = similar.gallery
    if gallery.paths is not None:
        return thumbnail(gallery.paths[i], SIDE, reading_of(run))
    assert gallery.pixels is not None
    return {"source": image(gallery.pixels[i]), "side": gallery.pixels.shape[-1]}


def similar_table(similar: Similar) -> Table:
    """Return a table with one line per image, without empty columns."""
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    columns = [*zip(COLUMNS, zip(*similar.rows, strict=True), strict=True)] if similar.rows else []
    columns = [(name, cells) for name, cells in columns if any(cells)]
    for name, _ in columns:
        grid.add_column(name, justify="right" if name in ("rank", "similarity") else "left", overflow="fold")
    for row in zip(*(cells for _, cells in columns), strict=True):
        grid.add_row(*(printable(str(cell)) for cell in row))
    return grid
