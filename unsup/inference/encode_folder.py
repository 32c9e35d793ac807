"""Codes of all images below a folder, by a trained encoder."""

import logging
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from unsup.core.arrays import Floats
from unsup.core.commands import install, option
from unsup.core.devices import fastest_device
from unsup.core.errors import UsageError, UserError, printable
from unsup.core.files import check_new_path, write_atomically
from unsup.data.batches import images_at_a_time
from unsup.data.decode import decode, unreadable_message
from unsup.data.layout import held, image_tree
from unsup.data.originals import FileImage
from unsup.data.pixels import Reading
from unsup.data.remarks import Remarks
from unsup.metrics.readout import Readout
from unsup.models.foreign import code_cache
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.frozen import frozen
from unsup.models.parts.optional_outputs import clusters_of
from unsup.runs.encoder import Encoder, load_encoder
from unsup.runs.reading import reading_of
from unsup.runs.run import Run
from unsup.runs.shared import shared_folder

log = logging.getLogger(__name__)

FILES_PER_BATCH = 512  # images through the encoder at a time

Columns = dict[str, NDArray[Any]]  # n rows each


@dataclass(frozen=True)
class EncodedFolder:
    """Codes and more of the n readable images below a folder, in order of names."""

    files: list[str]  # relative to the folder
    columns: Columns  # as `write_codes` describes them
    unreadable: dict[str, str]  # images that cannot be read, with the reasons
    left_out: list[str]  # files that are no images by their suffix

    @property
    def clusters(self) -> NDArray[np.int64]:
        """The model's own clusters (n,), or k-means'."""
        return self.columns.get("own_cluster", self.columns["cluster"])


def encode_folder(run: Run, images: Path, readout: Readout | None, only: Container[str] | None = None) -> EncodedFolder:
    """Encode all images below a folder, on the accelerator if there is one.

    Images are resized and cut as in `unsup.data.folder.Folder`, or as an encoder from elsewhere does. A warning names
    files that cannot be read. Memory holds the result and a few batches. Codes that the evaluation of an encoder from
    elsewhere has cached are not computed again.

    Args:
        run: the run.
        images: the folder.
        readout: of the run, for more than the codes.
        only: the images to encode, relative to the folder; None: all of them.

    Raises:
        UserError: no such folder, no readable image in it, or codes that are not finite.
    """
    tree = image_tree(images)
    listed = [file for file in tree.files() if only is None or file in only]
    if note := held(tree):
        log.info("%d images%s", len(listed), note)
    position = {file: i for i, file in enumerate(listed)}
    read = np.zeros(len(listed), np.bool_)
    columns: Columns = {}
    remarks = Remarks()
    for batch, parts in encoded_batches(run, images, listed, readout, remarks):
        if len(broken := np.flatnonzero(~np.isfinite(parts["codes"]).all(axis=1))):
            raise UserError(f"{run}: the code of {printable(batch[broken[0]])} is not finite: train the run again")
        if not columns:
            columns = {name: np.empty((len(listed), *rows.shape[1:]), rows.dtype) for name, rows in parts.items()}
        at = [position[file] for file in batch]
        for name, rows in parts.items():
            columns[name][at] = rows
        read[at] = True
    if not read.any():
        raise UserError(unreadable_message(remarks.unreadable, len(listed)))
    if remarks.unreadable:
        log.warning("left out: %s", unreadable_message(remarks.unreadable, len(listed)))
    for line in remarks.lines():
        log.warning(line)
    if not read.all():
        columns = {name: rows[read] for name, rows in columns.items()}
    if "class" in columns:
        columns["class"] = np.array(run.class_names)[columns["class"]]
    files = [file for file, is_read in zip(listed, read, strict=True) if is_read]
    return EncodedFolder(files, columns, remarks.unreadable, list(tree.left_out()))


def encoded_batches(
    run: Run, images: Path, files: list[str], readout: Readout | None, remarks: Remarks
) -> Iterator[tuple[list[str], Columns]]:
    """Yield names and columns of readable files, cached codes first."""
    encoder, reading = load_encoder(run).to(fastest_device()), reading_of(run)
    cached = cached_codes(run, encoder, {file: FileImage(images / file, reading) for file in files})
    if cached:
        yield [*cached], described(np.stack([*cached.values()]), None, readout)
    unknown = [file for file in files if file not in cached]
    for batch, x in readable_batches(images, unknown, encoder, reading, remarks):
        yield batch, code_columns(encoder, readout, x)


def cached_codes(run: Run, encoder: Encoder, images: Mapping[str, FileImage]) -> dict[str, Floats]:
    """Return the codes (D,) of the images that have one in a cache, by file.

    Evaluations cache codes of encoders from elsewhere.
    """
    if not isinstance(encoder.model, ForeignEncoder):
        return {}
    known = code_cache.read_codes(shared_folder(run) / code_cache.FOLDER, encoder.model)
    cached: dict[str, Floats] = {}
    for file, image in images.items() if known else ():
        with suppress(OSError):  # its reason is given when it is decoded
            if (code := known.get(image.digest())) is not None:
                cached[file] = code
    return cached


def readable_batches(
    images: Path, files: list[str], encoder: Encoder, reading: Reading, remarks: Remarks
) -> Iterator[tuple[list[str], torch.Tensor]]:
    """Yield names and pixels (n, C, S, S) of some readable files at a time.

    Pixels are uint8, or what an encoder from elsewhere makes of each file. Files that cannot be read go into `remarks`
    with the reason.
    """
    names: list[str] = []
    pixels: list[NDArray[np.uint8]] = []
    remaining = iter(files)
    cut = encoder.model.cut if isinstance(encoder.model, ForeignEncoder) else None
    at_a_time = FILES_PER_BATCH if cut is None else images_at_a_time(encoder.shape)
    for pictures in decode([images / file for file in files], encoder.shape, reading, cut):
        for picture, file in zip(pictures, remaining, strict=False):
            remarks.add(file, picture)
            if not isinstance(picture, str):
                names.append(file)
                pixels.append(picture.pixels)
        if len(names) >= at_a_time:
            yield names, torch.from_numpy(np.stack(pixels))
            names, pixels = [], []
    if names:
        yield names, torch.from_numpy(np.stack(pixels))


def code_columns(encoder: Encoder, readout: Readout | None, x: torch.Tensor) -> Columns:
    """Return the columns of `write_codes`, with numbers for classes."""
    own: Columns = {}
    model, errors = cast(Any, encoder.model), None
    with frozen(model):
        unit = encoder.unit(x)
        if hasattr(model, "assign"):
            own["own_cluster"] = clusters_of(model, unit).numpy()
        if readout is not None and readout.errors is not None:
            difference = (unit - model.reconstruct(unit)).float()
            errors = difference.square().flatten(1).sum(1).cpu().numpy()  # as the evaluation counts it
    return described(encoder(x).cpu().numpy(), errors, readout) | own


def described(codes: Floats, errors: Floats | None, readout: Readout | None) -> Columns:
    """Return codes (n, D) and what the readout says of them and of errors (n,)."""
    columns: Columns = {"codes": codes}
    if readout is None:
        return columns
    novelty = readout.novelty(codes, errors)
    columns |= {"cluster": readout.cluster(codes), "code_distance": novelty.code}
    columns |= {} if novelty.error is None else {"error": novelty.error}
    columns |= {"distance": novelty.larger, "p": novelty.p, "unlike": novelty.unlike}
    if readout.probe is not None:
        shares = readout.probe.probabilities(codes)
        columns |= {"class": readout.probe.classes[shares.argmax(axis=1)], "confidence": shares.max(axis=1)}
    return columns


def write_codes(run: Run, images: Path, out: Path | None = None) -> tuple[Path, EncodedFolder]:
    """Write the codes of all images below a folder, and return file and content.

    The columns are `files` (n,), text relative to the folder, and `codes` (n, D), float32; `own_cluster` (n,) if the
    model has clusters; of an evaluated run `cluster` (n,) by k-means, `code_distance` (n,), `error` (n,) if the model
    reconstructs, the larger `distance` (n,), the conformal p-value `p` (n,), and `unlike` (n,), whether that is at most
    the rate of false alarms (see `Readout.novelty`); and `class` (n,), text, and `confidence` (n,) if the run had
    labels. Parquet has `file` and `code` instead of the first two, and escapes undecodable bytes of names.

    Args:
        run: the run.
        images: the folder of images, in any arrangement.
        out: the new file, .npz or .parquet (default: <run>/encoded/<name of the folder of images>.npz).

    Raises:
        UserError: `out` exists, pyarrow is missing, or as in `encode_folder`.
        UsageError: another suffix.
    """
    if out is None:
        out = run.folder / "encoded" / f"{images.resolve().name or 'images'}.npz"
    if out.suffix not in (".npz", ".parquet"):
        raise UsageError(f"{option('out')} is {out}: give it the suffix .npz or .parquet")
    if out.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as e:
            hint = option("out", "codes.npz")
            raise UserError(f"Parquet needs pyarrow: {install('parquet')} (or {hint})") from e
    check_new_path(out)
    encoded = encode_folder(run, images, run.readout if run.has_readout else None)
    out.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(out) as temporary:
        if out.suffix == ".npz":
            with temporary.open("wb") as file:
                np.savez(file, files=np.array(encoded.files), **cast(Any, encoded.columns))
        else:
            write_parquet(temporary, encoded)
    return out, encoded


def write_parquet(path: Path, encoded: EncodedFolder) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = dict(encoded.columns)
    codes = columns.pop("codes")
    lists = pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), codes.shape[1])
    files = [printable(file) for file in encoded.files]
    parquet.write_table(pa.table({"file": files, "code": lists, **columns}), path)
