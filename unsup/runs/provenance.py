"""The versions, commit and hardware behind a result."""

import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from unsup.runs.lookup import checkout

EPOCHS = ("--epochs", "--trainer.max_epochs")  # one option
PACKAGES = ("unsup", "torch", "torchvision", "lightning", "torchmetrics", "scikit-learn", "numpy")


def provenance() -> dict[str, Any]:
    """Return versions, git commit, whether the tree differs from it, and hardware."""
    return {"versions": package_versions(), **git_state(), "hardware": hardware()}


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide results."""
    import importlib.metadata

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout without an install
            versions[package] = "not installed"
    return versions


def with_epochs(command: str, epochs: int) -> str:
    """Return a recorded `unsup train …` of another length, other texts as they are."""
    words = shlex.split(command)
    if words[:2] != ["unsup", "train"]:
        return command
    rest, others = iter(words), list[str]()
    for word in rest:
        name, equals, _ = word.partition("=")
        if name not in EPOCHS:
            others.append(word)
        elif not equals:
            next(rest, None)
    return shlex.join([*others, EPOCHS[0], str(epochs)])


def git_state() -> dict[str, Any]:
    """Return {commit, dirty} of the checkout of this code, empty without one.

    Dirty means that code, recipes or pinned versions differ from the commit.
    """
    if (top := checkout()) is None:  # a repository around an installed package is another project's
        return {}

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=top, capture_output=True, text=True, check=True).stdout.strip()

    try:
        decisive = [f":/{name}" for name in ("unsup", "configs", "pyproject.toml", "constraints.txt")]
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", *decisive))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def hardware() -> dict[str, Any]:
    """Return processor, cores, memory and accelerator."""
    import torch

    info: dict[str, Any] = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    if torch.cuda.is_available():
        info["accelerator"] = torch.cuda.get_device_name()
    return info


def processor() -> str:
    """Return the model name of the processor, or else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    match = re.search(r"^model name\s*:(.*)", cpuinfo.read_text(), re.M) if cpuinfo.exists() else None
    return match[1].strip() if match else platform.processor() or platform.machine()
