"""The pages on which people name the pictures of a folder."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

from unsup.core.files import replace_file
from unsup.data.asked_names import drawn_at_random
from unsup.data.encoded_pictures import EncodedPictures
from unsup.inference.encode_folder import encode_folder
from unsup.inference.label_page import AskList, label_page
from unsup.inference.names import Name
from unsup.inference.next_round import next_round
from unsup.runs.reading import reading_of
from unsup.runs.run import Run

log = logging.getLogger(__name__)


def run_codes(run: Run, images: Path) -> EncodedPictures:
    """Return the codes of all pictures of a folder, by the encoder of a run.

    Raises:
        UserError: as in `encode_folder`.
    """
    encoded = encode_folder(run, images, None)
    with run.judged_checkpoint.open("rb") as file:
        identity = hashlib.file_digest(file, "sha256").hexdigest()
    codes = encoded.columns["codes"]
    return EncodedPictures(images, encoded.files, reading_of(run), codes, str(run.config["recipe"]), identity)


def write_label_page(path: Path, pictures: EncodedPictures, given: Mapping[str, Name]) -> None:
    """Write the page, which asks for 60 pictures drawn at random first.

    Once there are names, it also asks for the 20 that are the most useful ones to name next.

    Args:
        path: the file.
        pictures: of the folder, with their codes.
        given: names so far, by file.

    Raises:
        UserError: a file cannot be read any more.
    """
    lists, notes = [AskList("Drawn at random", "random", drawn_at_random(pictures.files))], list[str]()
    if given:
        chosen, notes = next_round(pictures, given)
        lists.append(chosen)
    for note in notes:
        log.info(note)
    page = label_page(pictures, lists, given, notes)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, page)
