"""Vision models of the transformers library in folders."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from unsup.core.errors import UserError
from unsup.models.foreign.loaded import Loaded, Preparation, normalisation_in_words

INTERPOLATIONS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class VisionModel(nn.Module):
    """Pictures (N, 3, S, S) -> one vector of each, (N, D).

    It is the image embedding of a model with text, else the pooled output, else the first token. A pooler that was made
    for classes of text (a dense layer with tanh, as ViT's) is passed by for the first token.
    """

    def __init__(self, model: Any, interpolate: bool) -> None:
        super().__init__()
        self.model = model
        self.arguments = {"interpolate_pos_encoding": True} if interpolate else {}

    def forward(self, x: Tensor) -> Tensor:
        if hasattr(self.model, "get_image_features"):
            features = self.model.get_image_features(pixel_values=x, **self.arguments)
            return getattr(features, "pooler_output", features)
        output = self.model(pixel_values=x, **self.arguments)
        pooled = getattr(output, "pooler_output", None)
        if pooled is None or hasattr(getattr(self.model, "pooler", None), "dense"):
            pooled = output.last_hidden_state[:, 0]
        return pooled.flatten(1)


def load(name: str, options: Preparation, pretrained: bool) -> Loaded:
    """Return the model in a folder that `save_pretrained` wrote.

    Nothing is downloaded.

    Raises:
        UserError: the folder holds no such model, or not all of its weights.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoModel, logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    folder = Path(name).expanduser()
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        if pretrained:
            model, info = AutoModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
            missing = [key for key in info["missing_keys"] if "pooler" not in key]
            if missing:
                raise OSError(f"its weights lack {missing[0]}")
        else:
            model = AutoModel.from_config(config)
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as e:
        first = next(iter(str(e).splitlines()), type(e).__name__)
        raise UserError(f"hf:{name} is no vision model that transformers can load: {first}") from e
    change(processor, options)
    size = picture_size(processor)
    own = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0] * 3, [1.0] * 3)
    mean, std = options.mean or own[0], options.std or own[1]

    def prepare(image: Image.Image) -> Tensor:
        return processor(image, do_normalize=False, return_tensors="pt")["pixel_values"][0].float()

    vision = getattr(config, "vision_config", config)
    interpolate = bool(options.size) and getattr(vision, "image_size", size) != size
    words = f"{type(processor).__name__}, {size} px; {normalisation_in_words(mean, std)}"
    return Loaded(
        VisionModel(model, interpolate).to(torch.float32),
        prepare,
        (3, size, size),
        mean,
        std,
        words,
        processor.to_json_string(),
        {"images": ["unknown"], "supervision": ["unknown"], "text": f"transformers {config.model_type}, {folder.name}"},
        builder=True,
    )


def change(processor: Any, options: Preparation) -> None:
    """Set the user's options in an image processor."""
    if options.size or options.crop:
        size = options.size or picture_size(processor)
        if getattr(processor, "do_center_crop", False) or options.crop:
            before = picture_size(processor) / min(dict(processor.size).values())
            processor.do_center_crop = True
            processor.crop_size = {"height": size, "width": size}
            processor.size = {"shortest_edge": round(size / (options.crop or before))}
        else:
            processor.size = {"height": size, "width": size}
    if options.interpolation:
        processor.resample = INTERPOLATIONS[options.interpolation]


def picture_size(processor: Any) -> int:
    """Return the edge of the square pictures that an image processor makes."""
    picture = processor(Image.new("RGB", (301, 257)), return_tensors="pt")["pixel_values"][0]
    if picture.ndim != 3 or picture.shape[1] != picture.shape[2]:
        raise UserError(
            f"{type(processor).__name__} makes pictures of shape {tuple(picture.shape)}: they must be square"
        )
    return int(picture.shape[1])
