"""The images and the supervision that the weights of a run come from."""

from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from unsup.core.errors import UsageError
from unsup.models.base import Model
from unsup.reports.provenance_schema import Images, Pretraining, Supervision

OWN = Pretraining(images=["these training images"], supervision=["none"])  # labels never reach a model's losses


def stated_pretraining(model: Model) -> Pretraining | None:
    """Return what the class states in `pretrained_on`, None if it states nothing.

    Raises:
        UsageError: it is not of the form that `Model` describes.
    """
    if model.pretrained_on is None:
        return None
    try:
        return msgspec.convert(model.pretrained_on, Pretraining)
    except msgspec.ValidationError as e:
        allowed = f"images: {', '.join(get_args(Images))}; supervision: {', '.join(get_args(Supervision))}"
        raise UsageError(f"{type(model).__name__}.pretrained_on: {e}; lists of these words ({allowed})") from e


def pretraining(model: Model, trained: bool, origin: dict[str, Any] | None, data: str, data_sha256: str) -> Pretraining:
    """Return what the weights of a run were trained on, in all stages together.

    Args:
        model: the model with its weights.
        trained: whether the run itself learned from its training images.
        origin: the record of the run that it was initialised from, if any.
        data: the name of its data set.
        data_sha256: the fingerprint of its images, labels and split.
    """
    parts = [stated_pretraining(model), _inherited(origin, data, data_sha256) if origin else None]
    known = [part for part in (*parts, OWN if trained else None) if part]
    if known:
        return _together(known)
    word: Any = "unknown" if model.state_dict() else "none"
    return Pretraining(images=[word], supervision=[word])


def _inherited(origin: dict[str, Any], data: str, data_sha256: str) -> Pretraining:
    """Return what the weights of another run bring, seen from the images of this one."""
    name, recorded = str(origin.get("run", "?")), origin.get("pretrained_on")
    text = f"started from {name}"
    if recorded is None:  # the run was made before this was recorded
        return Pretraining(images=["unknown"], supervision=["unknown"], text=text)
    before = msgspec.convert(recorded, Pretraining)
    if origin.get("data_sha256") == data_sha256:
        images = before.images
    else:  # of one name with another fingerprint: the split or the options differ, and images may be in both
        elsewhere: Images = "unknown" if name.partition("/")[0] == data else "other"
        images = ["none" if word == "none" else "unknown" if word == "unknown" else elsewhere for word in before.images]
    return Pretraining(images=images, supervision=before.supervision, text="; ".join(filter(None, [text, before.text])))


def _together(parts: Sequence[Pretraining]) -> Pretraining:
    """Return the union of several stages, in which "none" counts only if all say so."""

    def union(words: set[Any], order: tuple[Any, ...]) -> list[Any]:
        return [word for word in order if word in words and (word != "none" or words == {"none"})]

    return Pretraining(
        images=union({word for part in parts for word in part.images}, get_args(Images)),
        supervision=union({word for part in parts for word in part.supervision}, get_args(Supervision)),
        text="; ".join(dict.fromkeys(part.text for part in parts if part.text)),
    )
