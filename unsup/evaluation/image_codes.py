"""Codes of all images of a run, and nothing else of the evaluation."""

from unsup.core.arrays import Floats
from unsup.core.devices import fastest_device
from unsup.core.splits import SPLITS, SplitName
from unsup.data.base import ImageData
from unsup.evaluation.codes import encode_batches
from unsup.evaluation.foreign_encoding import PictureSource
from unsup.evaluation.stored import stored_codes
from unsup.models.foreign import code_cache
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.foreign.stored_codes import StoredCodes
from unsup.runs.run import Run
from unsup.runs.shared import shared_folder


def codes_of_images(run: Run, data: ImageData) -> dict[SplitName, Floats]:
    """Return codes (n, D) of the images of each split, cached ones if there are.

    Raises:
        UserError: the checkpoint cannot be used, or codes are not finite.
    """
    model = run.model()
    if isinstance(model, StoredCodes):
        return stored_codes(model, data)
    model = model.to(fastest_device())
    if isinstance(model, ForeignEncoder) and not model.as_they_are:
        return PictureSource(shared_folder(run) / code_cache.FOLDER).codes_of_splits(model, data)
    codes: dict[SplitName, Floats] = {}
    for split in SPLITS:
        codes[split] = encode_batches(model, data.batches(split, model.device), split, layers=False, scored=False).codes
    return codes
