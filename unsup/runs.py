"""Run folders: runs/<data>/<recipe>/<seed>-<nnn>/ holds everything that one training left behind.

config.yaml (resolved; `--config` reads it again), versions.json, checkpoints/, TensorBoard's event files,
training.json (epochs, seconds), report.{json,md}, figures/, heads.npz (what an evaluation keeps for new images); and
what was made with it: classified/, export/.
"""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unsup.config import Config, compose, dump, resolve
from unsup.errors import UserError
from unsup.files import replace

if TYPE_CHECKING:
    from unsup.evaluation.heads import Heads

PACKAGES = ("unsup", "torch", "torchvision", "lightning", "torchmetrics", "scikit-learn", "numpy")


def create(root: Path, config: Config, command: str, data_sha256: str) -> Path:
    """A new run folder, made exclusively (two starts at once get two folders), with config.yaml and versions.json.

    Raises:
        UserError: the folder cannot be written.
    """
    parent = root / config["dataset"] / config["recipe"]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        taken = [re.fullmatch(rf"{config['seed']}-(\d+)", p.name) for p in parent.iterdir()]
        number = max((int(match[1]) for match in taken if match), default=0) + 1
        while True:
            run = parent / f"{config['seed']}-{number:03d}"
            try:
                run.mkdir()
                break
            except FileExistsError:  # another start took it this instant
                number += 1
        (run / "checkpoints").mkdir()
        (run / "config.yaml").write_text(dump(config))
        write_json(run / "versions.json", provenance() | {"command": command, "data_sha256": data_sha256})
    except OSError as e:
        raise UserError(
            f"cannot write the run folder {e.filename}: {e.strerror}; RUNS=<folder> puts it elsewhere"
        ) from e
    return run


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Atomically: a reader sees the old file or the whole new one."""
    replace(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def find(text: str) -> Path:
    """The run folder that the user names.

    Raises:
        UserError: there is none, with the newest ones that there are.
    """
    run = Path(text).expanduser().resolve()
    if (run / "config.yaml").is_file():
        return run
    around = sorted(Path("runs").glob("*/*/*/config.yaml"), key=lambda p: p.stat().st_mtime)
    hint = f"newest: {around[-1].parent}" if around else "none in runs/ yet: make train MODEL=deep_ae"
    raise UserError(f"no run folder {text!r} ({hint})")


def config_of(run: Path) -> Config:
    """The resolved configuration that a run was started with."""
    return resolve(compose(None, None, [run / "config.yaml"]))


def checkpoint_of(run: Path) -> Path:
    """The checkpoint that reports judge: the last one.

    Raises:
        UserError: the run has none.
    """
    path = run / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise UserError(f"{run} has no checkpoints/last.ckpt: the training did not reach the end of its first epoch")
    return path


def record_of(run: Path, name: str) -> dict[str, Any]:
    """versions.json or training.json of a run.

    Raises:
        UserError: missing or damaged.
    """
    try:
        return dict(json.loads((run / name).read_text()))
    except (OSError, ValueError) as e:
        raise UserError(f"{run / name} is missing or damaged: train this run again") from e


def heads_of(run: Path) -> "Heads":
    """What the evaluation of a run left behind for new images.

    Raises:
        UserError: the run is not evaluated, or the file is damaged.
    """
    from unsup.evaluation.heads import Heads
    from unsup.kept import load

    path = run / "heads.npz"
    if not path.is_file():
        raise UserError(f"{run} has no heads.npz, which an evaluation leaves behind: make evaluate RUN={run}")
    return load(path, Heads.of)


def class_names_of(run: Path) -> list[str]:
    """The classes that the probe in `heads_of` tells apart, in label order; none for unlabelled images."""
    from unsup.evaluation.report import read_report

    return list(read_report(run / "report.json").get("run", {}).get("class_names", []))


def provenance() -> dict[str, Any]:
    """Versions, git commit, whether the tree differs from it, and the hardware."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout without an install
            versions[package] = "not installed"
    return {"versions": versions, **git_state(), "hardware": hardware()}


def git_state() -> dict[str, Any]:
    """{commit, dirty} of the checkout that the code runs from; empty where there is no git.

    Dirty means that what decides a result is in no commit: code, recipes or pinned versions.
    """

    def git(*words: str) -> str:
        here = Path(__file__).parent
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        decisive = [f":/{name}" for name in ("unsup", "configs", "pyproject.toml", "constraints.txt")]
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", *decisive))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def hardware() -> dict[str, Any]:
    """Processor, cores, memory and accelerator."""
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
    """The processor's model name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
