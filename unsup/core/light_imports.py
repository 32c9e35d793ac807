"""Import of libraries without packages that they name and rarely use.

`import lightning` imports torchmetrics. Its metrics name torchvision, transformers and plots by matplotlib, and
Lightning itself names torch's compiler, as torchvision does: more than half of the time until a program can begin. Here
such names are stand-ins, which import their package when they are called or when something is looked up in them.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it imports random, in whose place the working directory may have a module of the user's
    from importlib.abc import Loader

COMPILER = ("torch._dynamo",)
PLOTS = "torchmetrics.utilities.plot"  # of metrics, by matplotlib
LEFT_OUT = {
    "lightning": ("torchvision", "transformers", PLOTS, *COMPILER),
    "torchvision": COMPILER,
    "torchvision.tv_tensors": COMPILER,  # of its transforms
}


class StandIn:
    """Name of a module that is not imported yet."""

    def __init__(self, package: str, module: str, name: str) -> None:
        self._package, self._module, self._name = package, module, name

    def _meant(self) -> Any:
        if is_stand_in(self._module):  # asked for while a library is being imported
            forget(self._package)
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self._meant()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python's own questions, as by typing.Union
            raise AttributeError(name)
        return getattr(self._meant(), name)

    def __instancecheck__(self, instance: object) -> bool:
        # there is no instance of a class that nobody has imported
        imported = self._module in sys.modules and not is_stand_in(self._module)
        return imported and isinstance(instance, self._meant())


class StandInModule(ModuleType):
    """Module of a package, whose names are stand-ins."""

    def __init__(self, package: str, name: str) -> None:
        super().__init__(name)
        self._package = package

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(self._package, self.__name__, name)


class StandInFinder:
    """Finder, for sys.meta_path, of stand-ins for packages that are not imported."""

    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = {package for package in packages if package not in sys.modules}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        for package in self.packages:
            if belongs(name, package):
                return ModuleSpec(name, self, origin=package, is_package=True)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandInModule(str(spec.origin), spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


def belongs(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def is_stand_in(module: str) -> bool:
    return isinstance(sys.modules.get(module), StandInModule)


def forget(package: str) -> None:
    """Let the next import of a package find the real one."""
    for finder in sys.meta_path:
        if isinstance(finder, StandInFinder):
            finder.packages.discard(package)
    for module in [name for name in sys.modules if belongs(name, package) and is_stand_in(name)]:
        del sys.modules[module]
        parent, _, name = module.rpartition(".")
        if parent in sys.modules:
            vars(sys.modules[parent]).pop(name, None)


class LightFinder:
    """Finder, for sys.meta_path, of libraries that are imported without some packages."""

    def __init__(self) -> None:
        self.libraries = {library for library in LEFT_OUT if library not in sys.modules}

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in self.libraries:
            return None
        self.libraries.remove(name)  # or it would be asked again
        spec = importlib.util.find_spec(name)
        self.libraries.add(name)
        if spec and spec.loader:
            spec.loader = LightLoader(spec.loader, LEFT_OUT[name])  # type: ignore[assignment]
        return spec


class LightLoader:
    """Loader of a library while stand-ins are found in place of some packages."""

    def __init__(self, loader: "Loader", packages: Sequence[str]) -> None:
        self.loader, self.packages = loader, packages

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def exec_module(self, module: ModuleType) -> None:
        import torch

        finder, disable = StandInFinder(self.packages), torch.compiler.disable
        sys.meta_path.insert(0, finder)
        torch.compiler.disable = disabled_later
        try:
            self.loader.exec_module(module)
        finally:
            torch.compiler.disable = disable
            sys.meta_path.remove(finder)
            for package in self.packages:
                forget(package)


def import_lightly() -> None:
    """Let the first import of Lightning and of torchvision leave packages out."""
    sys.meta_path.insert(0, LightFinder())


def disabled_later(
    function: Callable[..., Any] | None = None, recursive: bool = True, *, reason: str | None = None
) -> Any:
    """Decorate as torch.compiler.disable does, and import the compiler at a call.

    Optimizers of torch do the same.
    """
    from torch._compile import _disable_dynamo

    return _disable_dynamo(function, recursive)
