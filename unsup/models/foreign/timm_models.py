"""Networks of timm without their classifiers."""

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torchvision.transforms import Normalize

from unsup.core.errors import UsageError, UserError, closest, similar
from unsup.models.foreign.loaded import Loaded, Preparation, normalisation_in_words

# Words in the tag of some weights -> supervision
SUPERVISION = {
    **dict.fromkeys(("clip", "openai", "laion", "siglip", "webli", "metaclip", "datacomp", "dfn"), "text"),
    **dict.fromkeys(("dino", "mae", "ijepa", "lvd142m", "lvd1689m", "gap", "fcmae", "simmim"), "none"),
}
TUNED = ("_ft_", "ft_in", "in1k", "in22k", "in12k", "in21k")  # fine-tuned or trained with the labels of ImageNet


def load(name: str, options: Preparation, pretrained: bool) -> Loaded:
    """Return a network with the weights of its tag, which timm may download.

    Raises:
        UsageError: timm has none of this name.
        UserError: it has no weights, or they cannot be downloaded.
    """
    timm: Any = import_module("timm")
    for library in ("timm", "huggingface_hub"):  # which report each attempt to download
        logging.getLogger(library).setLevel(logging.CRITICAL)
    architecture, tag = known_architecture(name)
    known = [other.partition(".")[2] for other in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in known:
        raise UsageError(f"timm has no weights {tag!r} of {architecture} ({closest(tag, known) if known else 'none'})")
    arguments: dict[str, Any] = {"num_classes": 0}
    cfg = timm.models.get_pretrained_cfg(name, allow_unregistered=False)
    if options.size and cfg and cfg.fixed_input_size:
        arguments["img_size"] = options.size
    network: Any = timm.create_model(name, pretrained=False, **arguments)
    if pretrained:
        network = pretrained_network(name, network.pretrained_cfg, arguments)
    given: dict[str, Any] = {"img_size": options.size, "crop_pct": options.crop, "interpolation": options.interpolation}
    given |= {"mean": options.mean, "std": options.std}
    config = timm.data.resolve_data_config(
        {key: value for key, value in given.items() if value is not None}, model=network
    )
    transform = timm.data.create_transform(**config)
    transform.transforms = [step for step in transform.transforms if not isinstance(step, Normalize)]
    words = f"{config['input_size'][1]} px of {config['crop_pct']:g} of the image, {config['interpolation']}"
    words += f", {config['crop_mode']} crop" if config["crop_mode"] != "center" else ""
    return Loaded(
        network,
        transform,
        tuple(config["input_size"]),
        config["mean"],
        config["std"],
        f"{words}; {normalisation_in_words(config['mean'], config['std'])}",
        repr(transform),
        origin(network.pretrained_cfg),
        builder=True,
    )


def known_architecture(name: str) -> tuple[str, str]:
    """Return the architecture and the tag in a name.

    Raises:
        UsageError: timm has no such network.
    """
    timm: Any = import_module("timm")
    architecture, tag = timm.models.split_model_name_tag(name)
    if not timm.models.is_model(architecture):
        raise UsageError(f"timm has no network {architecture!r} ({nearest(architecture, timm.list_models())})")
    return architecture, tag


def nearest(name: str, known: list[str]) -> str:
    """Return a hint that does not name a thousand networks."""
    return similar(name, known) or f"{len(known):,} are known, as timm.list_models() lists them"


def pretrained_network(name: str, cfg: dict[str, Any], arguments: dict[str, Any]) -> torch.nn.Module:
    """Return a network with its weights, from a file in torch's cache or by timm."""
    timm: Any = import_module("timm")
    full = f"{cfg['architecture']}.{cfg['tag']}" if cfg.get("tag") else cfg["architecture"]
    file = Path(torch.hub.get_dir(), "checkpoints", f"{full}.safetensors")
    overlay = {"pretrained_cfg_overlay": {"file": str(file)}} if file.is_file() else {}
    if not overlay and not any(cfg.get(key) for key in ("url", "hf_hub_id", "file")):
        raise UserError(f"timm has no weights of {name}: name a network of timm.list_pretrained()")
    try:
        return timm.create_model(name, pretrained=True, **arguments, **overlay)
    except Exception as e:  # of the network, the hub and the file: anything
        if overlay:
            raise UserError(f"timm:{name}: {file} cannot be loaded: {' '.join(str(e).split())[:200]}") from e
        source = f"model.safetensors of {cfg['hf_hub_id']}" if cfg.get("hf_hub_id") else Path(cfg["url"]).name
        reason = type(e).__name__
        raise UserError(
            f"timm:{name} needs {source}, which cannot be downloaded here ({reason}): save it as {file}"
        ) from e


def origin(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return what weights were trained on, as far as their tag says it."""
    tag = str(cfg.get("tag") or "")
    words = [word for key, word in SUPERVISION.items() if key in tag]
    words += ["labels"] if any(key in tag for key in TUNED) else []
    supervision = list(dict.fromkeys(words)) or ["unknown"]
    if len(supervision) > 1 and "none" in supervision:
        supervision.remove("none")
    return {"images": ["other"], "supervision": supervision, "text": f"timm, weights {tag or 'without a tag'}"}
