"""Codes of a folder of pictures, by an encoder that was trained elsewhere."""

from pathlib import Path

from unsup.data.encoded_pictures import EncodedPictures
from unsup.data.folder import Folder
from unsup.evaluation.foreign_encoding import PictureSource
from unsup.evaluation.start import announce, every_path, loaded, view
from unsup.models.foreign import code_cache
from unsup.runs.build import load_data
from unsup.runs.config import Config
from unsup.runs.threads import choose_threads, use_threads


def folder_codes(config: Config, encoder: str, runs: Path) -> EncodedPictures:
    """Return the codes of all pictures of a folder, cached as those of `first_look`.

    Args:
        config: resolved, with the folder as its data set.
        encoder: its name.
        runs: the folder of runs.

    Raises:
        UserError: the encoder or the folder cannot be used.
    """
    with use_threads(choose_threads(config["threads"])):
        model, data = loaded(encoder), load_data(config)
        assert isinstance(data, Folder)
        source = PictureSource(runs / config["dataset"] / code_cache.FOLDER)
        announce(model, data, source)
        codes = view(model, data, source).codes
    files = [path.relative_to(data.images).as_posix() for path in every_path(data)]
    return EncodedPictures(data.images, files, data.reading, codes, encoder, model.identity)
