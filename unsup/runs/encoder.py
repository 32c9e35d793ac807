"""Trained encoders for images from anywhere, and their files."""

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_array
from torch import Tensor, nn

from unsup.core.arrays import Floats
from unsup.core.errors import UsageError, UserError
from unsup.data.batches import images_at_a_time, to_unit
from unsup.models.base import Model
from unsup.models.foreign.encoder import ForeignEncoder, foreign_encoder
from unsup.models.parts.frozen import frozen
from unsup.runs.build import rebuild
from unsup.runs.run import Run

log = logging.getLogger(__name__)

WEIGHTS = "weights.safetensors"  # in the folder of an export


class Encoder(nn.Module, TransformerMixin, BaseEstimator):
    """A frozen encoder, from images (N, C, H, W) to codes (N, D).

    Always in eval mode, without gradients and with full float32 products, as in the evaluation. It runs on the device
    that it is moved to (`.to("cuda")`).

    One that was trained elsewhere takes pictures of its own size; `picture` makes them of images of any size, and with
    `shape` images of that one size are scaled as files are.

    >>> encoder = unsup.Encoder("timm:resnet18", size=96)
    >>> codes = encoder(torch.stack([encoder.picture(PIL.Image.open(path)) for path in paths]))

    It is a transformer of scikit-learn. `fit` learns nothing, clones share the weights, and X may be flattened.

    >>> pipeline = make_pipeline(unsup.Encoder("starter", shape=(3, 32, 32)), LogisticRegression())

    Args:
        model: a model of unsup; or the name of an encoder as for `unsup evaluate`, such as timm:resnet18; or a module
            or function from pictures to codes.
        shape: (C, H, W) of an image; that of the model, or of its pictures, if left out.
        options: of a name, module or function, as `unsup.models.foreign.encoder.ForeignEncoder` lists them.

    Attributes:
        model: the model, which may offer more, such as `reconstruct`.
        shape: (C, H, W) of an image.

    Raises:
        UsageError: there is no such encoder or option, or a model of unsup does not take images of this shape.
    """

    marker: Tensor

    def __init__(
        self,
        model: Model | str | Callable[[Tensor], Tensor],
        shape: tuple[int, int, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        if not isinstance(model, Model):
            model = foreign_encoder(model, options)
        elif options:
            raise UsageError(f"{next(iter(options))} is no option of an encoder that is already built")
        if shape and shape != model.shape and not isinstance(model, ForeignEncoder):
            raise UsageError(f"shape is {shape}: {type(model).__name__} was built for images {model.shape}")
        self.model = model.eval().requires_grad_(False)
        self.given_shape = shape
        self.shape: tuple[int, int, int] = shape or model.shape
        self.register_buffer("marker", torch.empty(0), persistent=False)  # moves along, and so shows the device

    def forward(self, images: Tensor | NDArray[Any]) -> Tensor:
        """Return the codes (N, D), float32, of images.

        Args:
            images: (N, C, H, W) or flattened, (N, C * H * W), a tensor or an array, uint8 in 0..255 or floating point
                in [0, 1], which is rounded to 8 bits where images are scaled.

        Raises:
            UserError: another shape, another type, or values outside that range.
        """
        x = self.checked(images)
        with frozen(self.model):
            parts = x.tensor_split(max(1, math.ceil(len(x) / images_at_a_time(self.model.shape))))
            return torch.cat([self.model.encode(self.unit(part)).float() for part in parts])

    # ---- the interface of scikit-learn

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Check the images. Errors as in `transform`."""
        self.checked(check_array(X, allow_nd=True))
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the codes (N, D) of images as an array, or as `set_output` says.

        Raises:
            UserError: as in `forward`.
            ValueError: X is no array of finite numbers.
        """
        codes: Floats = self(check_array(X, allow_nd=True)).cpu().numpy()
        return codes

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return encoder0, encoder1 and so on, a name for each dimension of a code."""
        dimensions = self(torch.zeros(1, *self.shape)).shape[1]
        return np.array([f"encoder{i}" for i in range(dimensions)], object)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the model, which holds its options, and the shape that was given."""
        return {"model": self.model, "shape": self.given_shape}

    def set_params(self, **params: Any) -> Self:
        """Exchange the model or the shape. ValueError if there is no such parameter."""
        if unknown := [name for name in params if name not in self.get_params()]:
            raise ValueError(f"an encoder has no parameter {unknown[0]!r}: it has model and shape")
        fresh = type(self)(**{**self.get_params(), **params})
        self.__dict__.update(fresh.to(self.marker.device).__dict__)
        return self

    @property
    def n_features_in_(self) -> int:
        """Values of a flattened image."""
        return math.prod(self.shape)

    def __sklearn_clone__(self) -> "Encoder":
        return Encoder(**self.get_params()).to(self.marker.device)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    # ---- images

    def picture(self, image: Image.Image) -> Tensor:
        """Return the picture (C, S, S), in [0, 1], of an upright image.

        Raises:
            UserError: the encoder was trained here.
        """
        if not isinstance(self.model, ForeignEncoder):
            raise UserError(f"{type(self.model).__name__} has no pictures of its own: give it arrays {self.shape}")
        return self.model.picture(image)

    def checked(self, images: Tensor | NDArray[Any]) -> Tensor:
        """Return the images (N, C, H, W) as a tensor, with the errors of `forward`."""
        if isinstance(images, np.ndarray) and not images.flags.writeable:
            images = images.copy()  # torch takes no others
        x = torch.as_tensor(images)
        if x.ndim == 2 and x.shape[1] == self.n_features_in_:
            x = x.reshape(-1, *self.shape)
        if x.ndim != 4 or tuple(x.shape[1:]) != self.shape:
            expected = ", ".join(map(str, self.shape))
            raise UserError(f"images of shape {tuple(x.shape)}: this encoder takes (N, {expected})")
        if x.dtype == torch.uint8:
            return x
        if not x.is_floating_point():
            raise UserError(f"images of type {x.dtype}: give uint8 in 0..255, or floating point in [0, 1]")
        if x.numel() and not 0 <= x.min() <= x.max() <= 1:  # NaN if any value is
            raise UserError(f"images from {x.min():g} to {x.max():g}: floating point must be in [0, 1] (or give uint8)")
        return x

    def unit(self, x: Tensor) -> Tensor:
        """Return what the model takes, float32 in [0, 1], on the encoder's device."""
        if self.shape != self.model.shape:
            from torchvision.transforms.v2.functional import to_pil_image

            x = x if x.dtype == torch.uint8 else x.mul(255).round().to(torch.uint8)
            x = torch.stack([self.picture(to_pil_image(image)) for image in x.cpu()])
        x = x.to(self.marker.device)
        return to_unit(x) if x.dtype == torch.uint8 else x.float()


def load_encoder(run: str | Path | Run) -> Encoder:
    """Load the frozen encoder of a run, or an exported one, on the CPU.

    It takes images (N, C, H, W), uint8 or floating point in [0, 1], and returns codes (N, D). The images that it was
    trained on are not needed. If the training is not finished, a warning gives the epoch.

    >>> import torch, unsup
    >>> encoder = unsup.load_encoder(run)
    >>> codes = encoder(torch.rand(5, *encoder.shape))

    Args:
        run: the run, or its folder, such as runs/mnist/deep_ae/0-001, or the folder of an export.

    Raises:
        UserError: no such run, no checkpoint, a damaged one, or one of another model.
    """
    if not isinstance(run, Run):
        weights = Path(run) / WEIGHTS
        if weights.is_file():
            return read_weights(weights)
        run = Run.find(str(run))
    encoder = Encoder(run.model())
    if not run.trained:
        epoch = torch.load(run.last_checkpoint, mmap=True, weights_only=True).get("epoch", -1) + 1
        log.warning("the training of %s is not finished: these are its weights after epoch %d", run, epoch)
    return encoder


def write_weights(path: Path, encoder: Encoder, class_path: str) -> None:
    """Write an encoder as safetensors, with class and arguments in the header."""
    model = encoder.model
    header = {"class_path": class_path, "arguments": dict(model.hparams), "seed": model.seed}
    weights = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}  # none share memory
    save_file(weights, path, {"encoder": json.dumps(header)})


def read_weights(path: Path) -> Encoder:
    """Return the encoder that `write_weights` wrote.

    Raises:
        UserError: the file is damaged, or its weights do not fit the class.
    """
    try:
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["encoder"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        arguments = header["arguments"]
        if "shape" in arguments:  # encoders from elsewhere have their own
            arguments["shape"] = tuple(arguments["shape"])
        class_path, seed = str(header["class_path"]), int(header["seed"])
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as e:
        raise UserError(f"{path} cannot be read as an exported encoder: export the run again") from e
    return Encoder(rebuild(class_path, {"hyper_parameters": arguments, "state_dict": weights}, seed, path))
