"""Encoders that a function of the user's own, or of any package, makes."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from unsup.core.errors import UserError
from unsup.core.own_modules import import_from_here
from unsup.models.base import Model
from unsup.models.foreign.loaded import Loaded, Preparation, standard


class Function(nn.Module):
    """A function from pictures to codes as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Encode(nn.Module):
    """The `encode` of a method of unsup as a module."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.encode(x)


def load(name: str, options: Preparation, pretrained: bool) -> Loaded:
    """Return what `file.py:build` or `package.module:build` makes, or is.

    `build` is called without arguments, or with `pretrained=` if it takes that; it may be the class of a module, or a
    module. The working directory is searched after all installed modules.

    Raises:
        UserError: there is no such function, it fails, or it returns something else.
    """
    place, _, attribute = name.rpartition(":")
    module = module_at(place, name)
    if not hasattr(module, attribute):
        known = sorted(word for word, value in vars(module).items() if callable(value) and not word.startswith("_"))
        raise UserError(f"{name}: {place} has no {attribute} (it has {', '.join(known[:10]) or 'no functions'})")
    build = getattr(module, attribute)
    choice = not isinstance(build, nn.Module) and "pretrained" in parameters_of(build)
    try:
        made = build if isinstance(build, nn.Module) else build(pretrained=pretrained) if choice else build()
    except Exception as e:  # of anyone's code
        raise UserError(f"{name} fails: {type(e).__name__}: {e}") from e
    return standard(as_module(made, name), options, builder=choice)


def module_at(place: str, name: str) -> Any:
    """Import a file or a module."""
    import_from_here()
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        path = Path(place).expanduser().resolve()
        spec = importlib.util.spec_from_file_location(f"unsup_encoder_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except Exception as e:  # of anyone's code
        raise UserError(f"{name}: {place} cannot be imported: {type(e).__name__}: {e}") from e


def parameters_of(build: Any) -> list[str]:
    """Return the names of the parameters of a callable, none if it does not tell them."""
    try:
        return list(inspect.signature(build).parameters)
    except (TypeError, ValueError):
        return []


def as_module(made: Any, name: str) -> nn.Module:
    """Return a module from pictures to codes.

    Raises:
        UserError: it is neither a module nor a function.
    """
    if isinstance(made, Model):
        return Encode(made)
    if isinstance(made, nn.Module):
        return made
    if callable(made):
        return Function(made)
    raise UserError(f"{name} returns {type(made).__name__}: it must return a torch.nn.Module")
