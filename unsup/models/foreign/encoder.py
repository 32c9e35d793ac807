"""An encoder that was trained elsewhere as a model that is judged like all others."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import signature
from typing import Annotated, Any, Literal, Self

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unsup.core.errors import UsageError, UserError, closest
from unsup.core.ranges import Above, AtLeast
from unsup.models.base import Model
from unsup.models.foreign import (
    onnx_file,
    own_code,
    program_file,
    starter,
    timm_models,
    torchvision_models,
    transformers_models,
)
from unsup.models.foreign.loaded import DEFAULT_SIZE, Loaded, Preparation, standard, weights_only
from unsup.models.foreign.names import Kind, check_name
from unsup.models.foreign.origin import stated
from unsup.models.parts.frozen import weights_hash

SOURCES: dict[Kind, Callable[[str, Preparation, bool], Loaded]] = {
    "torchvision": torchvision_models.load,
    "timm": timm_models.load,
    "hf": transformers_models.load,
    "code": own_code.load,
    "onnx": onnx_file.load,
    "pt2": program_file.load,
    "starter": starter.load,
}
DIGEST = "sha256"  # the only entry of the state


class ForeignEncoder(Model):
    """z = network((x - mean) / deviation), with pictures x made by `picture`.

    Neither the network nor its source is copied: the state holds a hash of the weights, which are found again by the
    name of the encoder and then compared.

    Args:
        encoder: its name (`unsup.models.foreign.names`).
        size: edge of the square pictures in pixels; the source's own if left out, and so are the other options.
        crop: share of the scaled shorter side that the middle square keeps.
        interpolation: how images are scaled.
        mean: subtracted from each channel of pixels in [0, 1].
        std: divides each channel after that.
        trained_on: the images that its weights were trained on.
        supervision: what they were trained with.
        note: more about that in words.
        pretrained: without it the network has random weights.

    Raises:
        UsageError: there is no such encoder, or an option is out of its range.
        UserError: a file, a package or the weights are missing.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        encoder: str,
        size: Annotated[int, AtLeast(1)] | None = None,
        crop: Annotated[float, Above(0, most=1)] | None = None,
        interpolation: Literal["bilinear", "bicubic"] | None = None,
        mean: list[float] | None = None,
        std: Annotated[list[float], Above(0)] | None = None,
        trained_on: Literal["none", "these training images", "these with test", "other", "unknown"] | None = None,
        supervision: Literal["none", "labels", "text", "unknown"] | None = None,
        note: str = "",
        pretrained: bool = True,
    ) -> None:
        kind, name = check_name(encoder)
        with weights_only():
            loaded = SOURCES[kind](name, Preparation(size, crop, interpolation, mean, std), pretrained)
        super().__init__(loaded.shape)
        self.name = encoder
        self._take(loaded)
        if trained_on or supervision or note:
            self.pretrained_on = stated(loaded.pretrained_on, trained_on, supervision, note)
        self.untrained_options = {"pretrained": False} if loaded.builder else None

    def _take(self, loaded: Loaded) -> None:
        for values in (loaded.mean, loaded.std):
            if len(values) != loaded.shape[0]:
                raise UsageError(f"mean and deviation of {list(values)}: {self.name} has {loaded.shape[0]} channels")
        self.network = loaded.network.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(loaded.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(loaded.std).view(-1, 1, 1))
        self.prepare, self.preparation, self._key = loaded.prepare, loaded.preparation, loaded.key
        self.pretrained_on = loaded.pretrained_on
        self.as_they_are = False  # whether images are its pictures

    def picture(self, image: Image.Image) -> Tensor:
        """Return the picture (C, S, S), float32 in [0, 1], of an image of any size."""
        return self.prepare(image.convert("L" if self.shape[0] == 1 else "RGB"))

    def cut(self, image: Image.Image) -> NDArray[Any]:
        """Return `picture` as an array, for `unsup.data.pixels.read_picture`."""
        return self.picture(image).numpy()

    def encode(self, x: Tensor) -> Tensor:
        return vectors(self.network((x - self.mean) / self.std), x.shape[0], self.name)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # of no use in parts
        """Return a hash of the weights, in their place."""
        return {DIGEST: torch.tensor(list(bytes.fromhex(weights_hash(self))), dtype=torch.uint8)}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Compare the hash of the weights with that of a state.

        Raises:
            UserError: they are others.
        """
        if not torch.equal(state_dict[DIGEST], self.state_dict()[DIGEST]):
            problem = f"the weights of {self.name}, or its mean and deviation, are not those that were judged"
            raise UserError(f"{problem}: if its code draws them at random, seed it there; otherwise evaluate it again")

    def __getstate__(self) -> dict[str, Any]:
        """Return what finds the weights again, for pickle and copies."""
        return {"options": dict(self.hparams), "weights": self.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, **state["options"])
        self.load_state_dict(state["weights"])

    @property
    def identity(self) -> str:
        """A hash of the weights and of how pictures are prepared."""
        return hashlib.sha256(f"{weights_hash(self)} {self._key}".encode()).hexdigest()


class ModuleEncoder(ForeignEncoder):
    """A module or a function of the user's process, which no name finds again.

    Args:
        shape: (C, S, S) of a picture.
    """

    __getstate__, __setstate__ = Model.__getstate__, Model.__setstate__

    def __init__(self, shape: tuple[int, int, int]) -> None:
        Model.__init__(self, shape)
        self.untrained_options = None

    @classmethod
    def of(cls, module: Callable[[Tensor], Tensor], shape: tuple[int, int, int], options: Preparation) -> Self:
        """Return an encoder. Without a size it sees images of the shape as they are."""
        model = cls(shape)
        model.name = type(module).__name__
        network = own_code.as_module(module, model.name)
        model._take(standard(network, options, size=shape[1], channels=shape[0]))
        model.as_they_are = options.size is None
        return model


def foreign_encoder(encoder: str | Callable[[Tensor], Tensor], options: Mapping[str, Any]) -> ForeignEncoder:
    """Return the encoder of a name, a module or a function.

    Raises:
        UsageError: there is no such encoder or option.
    """
    if isinstance(encoder, str):
        known = list(signature(ForeignEncoder).parameters)[1:]
    elif callable(encoder):
        known = [field.name for field in fields(Preparation)]
    else:
        raise UsageError(f"{type(encoder).__name__} is no encoder: give a name, a module or a function")
    if unknown := [name for name in options if name not in known]:
        raise UsageError(f"an encoder has no option {unknown[0]!r} ({closest(unknown[0], known)})")
    if isinstance(encoder, str):
        return ForeignEncoder(encoder, **options)
    size = options.get("size") or DEFAULT_SIZE
    return ModuleEncoder.of(encoder, (3, size, size), Preparation(**{**options, "size": size}))


def vectors(z: Any, n: int, name: str) -> Tensor:
    """Return codes (n, D).

    Raises:
        UserError: they are something else.
    """
    if not isinstance(z, Tensor):
        raise UserError(f"{name} returns {type(z).__name__}: it must return a tensor (N, D), one vector per image")
    if z.ndim == 4:
        maps = ", ".join(map(str, z.shape[1:]))
        raise UserError(f"{name} returns maps (N, {maps}): return their averages, x.mean((2, 3)), one vector per image")
    if z.ndim != 2:
        raise UserError(f"{name} returns a tensor {tuple(z.shape)} for {n} images: it must be (N, D)")
    if z.shape[0] != n:
        raise UserError(f"{name} returns {z.shape[0]} rows for {n} images: it must return one vector per image")
    return z
