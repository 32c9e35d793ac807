"""A first look at a folder of pictures, before anything is trained or named."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from unsup.core.arrays import Array, Floats
from unsup.core.devices import fastest_device
from unsup.core.errors import printable
from unsup.core.files import replace_file
from unsup.core.splits import SPLITS
from unsup.core.words import duration
from unsup.data.asked_names import AskedNames, ask_for_names
from unsup.data.folder import Folder
from unsup.data.originals import originals
from unsup.evaluation.audit import ROWS, Audit, audit, small
from unsup.evaluation.encoder_run import try_out
from unsup.evaluation.foreign_encoding import PictureSource, encoded_pictures
from unsup.evaluation.progress import about
from unsup.evaluation.similar_images import View, pixel_view
from unsup.evaluation.start_page import StartPage, Suggestions, page
from unsup.models.foreign import code_cache
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.runs.build import load_data
from unsup.runs.config import Config
from unsup.runs.threads import choose_threads, use_threads

log = logging.getLogger(__name__)

TIMED = 16  # images
AUDITED = 110  # images a second of one core, about
SKIP = "--data.skip_unreadable true"
NAMES = "names.csv"
PAGE = "index.html"


@dataclass(frozen=True)
class FirstLook:
    """The files that were written, and what the user should know of them."""

    page: Path
    names: Path | None  # None if folders give the classes
    asked: AskedNames | None
    findings: Audit


def first_look(config: Config, encoders: Sequence[str], runs: Path, images: str) -> FirstLook:
    """Write a page about a folder of pictures, and a table in which to name some.

    Codes are cached, about 1,000 images at a time, so that interrupted work goes on where it ended.

    Args:
        config: resolved, with the folder as its data set.
        encoders: one or two names; pixels are the second one if there is none.
        runs: the folder of runs.
        images: the folder, as the user named it.

    Raises:
        UserError: an encoder or the folder cannot be used.
    """
    with use_threads(choose_threads(config["threads"])):
        models = [loaded(name) for name in encoders]
        data = load_data(config)
        assert isinstance(data, Folder)
        dataset, folder = config["dataset"], runs / config["dataset"] / "start"
        paths = every_path(data)
        files = [path.relative_to(data.images).as_posix() for path in paths]
        labelled = bool(data.class_names)
        asked = None if labelled else ask_for_names(folder / NAMES, files)
        source = PictureSource(runs / dataset / code_cache.FOLDER)
        for model in models:
            announce(model, data, source)
        views = [view(model, data, source) for model in models]
        log.info("audit: about %s", duration(len(files) / AUDITED))
        findings = audit(data, data.left_out())
        views += [] if len(views) > 1 else [pixel_view(small_pictures(findings.images))]
        names = None if asked is None else folder / NAMES
        options = SKIP if "unreadable" in data.left_out() else ""
        content = page(
            StartPage(
                images=images,
                summary=data.summary(),
                paths=paths,
                files=[printable(file) for file in files],
                class_names=data.class_names,
                reading=data.reading,
                findings=findings,
                views=(views[0], views[1]),
                asked=asked,
                suggestions=Suggestions.of(images, encoders, runs, dataset, names, options),
            )
        )
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / PAGE, content)
    return FirstLook(folder / PAGE, names, asked, findings)


def every_path(data: Folder) -> list[Path]:
    """Return the files of all splits, in the order of their codes."""
    return [path for split in SPLITS for path in data.paths(split)]


def loaded(name: str) -> ForeignEncoder:
    return ForeignEncoder(name).eval().to(fastest_device())


def announce(model: ForeignEncoder, data: Folder, source: PictureSource) -> None:
    """Try an encoder, and log how long the codes that are not cached take."""
    try_out(model, data)
    few = [original.picture(model.cut) for original in next(originals(data, "train"))[:TIMED]]
    start = time.monotonic()
    encoded_pictures(model, torch.from_numpy(np.stack(few)))
    count = max(0, sum(data.size(split) for split in SPLITS) - source.num_cached(model))
    seconds = (time.monotonic() - start) / len(few) * count
    log.info("%s: %s", model.name, model.preparation)
    takes = f"about {duration(seconds)} for {count:,} codes"
    log.info("%s: %s", model.name, takes if count else "all codes are cached")


def view(model: ForeignEncoder, data: Folder, source: PictureSource) -> View:
    """Return the codes of all images by an encoder."""
    with about(model.name):
        codes = np.concatenate([*source.codes_of_splits(model, data).values()])
    return View(model.name, model.preparation, codes)


def small_pictures(images: Array) -> Floats:
    """Return the pixels (n, d) of thumbnails of images (n, C, H, W)."""
    return np.concatenate([small(images[at : at + ROWS]) for at in range(0, len(images), ROWS)])
