"""A run: what its folder holds, and the model and the images that belong to it.

runs/<data>/<recipe>/<seed>-<nnn>/ holds everything that one training left behind: config.yaml (resolved; `--config`
reads it again), versions.json, checkpoints/, TensorBoard's event files, training.json (epochs, seconds, random views,
how the recipe was chosen; written when the training has reached its end), report.{json,md,html}, figures/, correct.npz
and heads.npz (what an evaluation keeps of each test image, and for new images); and what was made with it: classified/,
export/. Whoever trains or evaluates the run holds the lock on its file .lock.
"""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unsup.core.commands import option, suggest
from unsup.core.errors import UserError
from unsup.core.files import replace_file, write_json
from unsup.core.strict_yaml import dump_yaml
from unsup.runs.config import Config, compose, resolve
from unsup.runs.lock import in_use, locked
from unsup.runs.provenance import git_state, provenance
from unsup.runs.records import LAST, PREVIOUS, next_folder, read_record

if TYPE_CHECKING:
    from unsup.core.array_files import Arrays
    from unsup.data.base import ImageData
    from unsup.metrics.readout import Readout
    from unsup.models.base import Model
    from unsup.reports.html import PageImages
    from unsup.reports.schema import Report


class Run:
    """One run. Each of its files is read once, when it is first needed; the `write_` methods keep that up to date.

    Attributes:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    @classmethod
    def create(
        cls, root: Path, config: Config, command: str, data_sha256: str, further: dict[str, Any] | None = None
    ) -> "Run":
        """Make a new run folder, exclusively (two starts at once get two), with config.yaml and versions.json.

        A folder is a run once config.yaml is there: it comes last. `further` has the entries of versions.json that only
        some runs have: `init_from`, the `origin` of another run, and `threads`. UserError where the folder cannot be
        written.
        """
        parent = root / config["dataset"] / config["recipe"]
        record = provenance() | {"command": command, "data_sha256": data_sha256, **(further or {})}
        try:
            folder = next_folder(parent, str(config["seed"]))
            (folder / "checkpoints").mkdir()
            write_json(folder / "versions.json", record)
            replace_file(folder / "config.yaml", dump_yaml(config))
        except OSError as e:
            remedy = f"{option('runs', '<folder>')} puts it elsewhere"
            raise UserError(f"cannot write the run folder {e.filename}: {e.strerror}; {remedy}") from e
        run = cls(folder)
        run.config, run.versions = config, record
        return run

    @classmethod
    def find(cls, text: str) -> "Run":
        """Return the run whose folder the user names. UserError where there is none, with the newest one."""
        folder = Path(os.path.realpath(Path(text).expanduser()))
        if (folder / "config.yaml").is_file():
            return cls(folder)
        around = sorted(Path("runs").glob("*/*/*/config.yaml"), key=lambda p: p.stat().st_mtime)
        hint = f"newest: {around[-1].parent}" if around else f"none in runs/ yet: {suggest('train', model='deep_ae')}"
        raise UserError(f"no run folder {text!r} ({hint})")

    # ---- what the folder holds --------------------------------------------------------------------------------------

    @cached_property
    def config(self) -> Config:
        """The resolved configuration that the run was started with, or with the places that `data` was given."""
        return resolve(compose(None, None, [self.folder / "config.yaml"]))

    @cached_property
    def versions(self) -> dict[str, Any]:
        """Where the run comes from. UserError where versions.json is missing or damaged."""
        return read_record(self.folder / "versions.json")

    @cached_property
    def training(self) -> dict[str, Any]:
        """The record of a finished training. UserError where training.json is missing or damaged."""
        return read_record(self.folder / "training.json")

    @cached_property
    def report(self) -> "Report":
        """The report of its evaluation. UserError where report.json is missing or damaged."""
        from unsup.reports.report import read_report

        return read_report(self.folder / "report.json")

    @cached_property
    def readout(self) -> "Readout":
        """What its evaluation left behind for new images. UserError where heads.npz is missing or damaged."""
        from unsup.core.array_files import load_arrays
        from unsup.metrics.readout import Readout

        if not self.has_readout:
            again = suggest("evaluate", run=self)
            raise UserError(f"{self} has no heads.npz, which an evaluation leaves behind: {again}")
        return load_arrays(self.folder / "heads.npz", Readout.of)

    @property
    def class_names(self) -> list[str]:
        """The classes that the probe in `readout` distinguishes, in label order; none for unlabelled images."""
        return self.report.run.class_names

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that reports judge, which is the last one. UserError where the run has none."""
        path = self.folder / "checkpoints" / LAST
        if not path.is_file():
            raise UserError(f"{self} has no checkpoints/{LAST}: its training did not get that far, or it was deleted")
        return path

    @property
    def checkpoints(self) -> list[Path]:
        """What a training can be continued from, the newest first: the last and the previous checkpoint, if any."""
        return [path for name in (LAST, PREVIOUS) if (path := self.folder / "checkpoints" / name).is_file()]

    @property
    def root(self) -> Path | None:
        """The folder of runs that it is in; None where the run folder was moved out of one."""
        in_place = self.folder.parts[-3:-1] == (self.config["dataset"], self.config["recipe"])
        return self.folder.parents[2] if in_place else None

    @property
    def trained(self) -> bool:
        """Whether the training has reached its end."""
        return (self.folder / "training.json").exists()

    @property
    def evaluated(self) -> bool:
        """Whether there is a report."""
        return (self.folder / "report.json").exists()

    @property
    def has_readout(self) -> bool:
        """Whether an evaluation has left something behind for new images."""
        return (self.folder / "heads.npz").exists()

    @property
    def seconds(self) -> float:
        """Seconds of training, with those of the runs that this one started from."""
        before: float = self.versions.get("init_from", {}).get("stages_seconds", 0)
        return before + float(self.training["train_seconds"])

    def origin(self, weights_sha256: str) -> dict[str, Any]:
        """Return what another run records that starts from this one: name, weights, seconds of training, views."""
        name = f"{self.config['dataset']}/{self.config['recipe']}/{self.folder.name}"  # no folder of a machine
        views = self.training.get("views", "none")
        return {"run": name, "weights_sha256": weights_sha256, "stages_seconds": self.seconds, "views": views}

    # ---- what is built from it --------------------------------------------------------------------------------------

    def model(self) -> "Model":
        """Return the model with its last weights, in eval mode; the images need not be available.

        The random state of the process stays as it is.

        Raises:
            UserError: no checkpoint, a damaged one, or one of another model.
        """
        from unsup.runs.build import rebuild
        from unsup.runs.checkpoints import load_checkpoint

        path = self.checkpoint
        return rebuild(self.config["model"]["class_path"], load_checkpoint(path), self.config["seed"], path)

    def data(self, moved: Mapping[str, str] = MappingProxyType({})) -> "ImageData":
        """Return the images that the run was started with, ready.

        Args:
            moved: options of the data set that say where the images are now (root, images); `config` has them then.

        Raises:
            UserError: they are not available, or they are others: their split would mix training and test images.
        """
        from unsup.runs.build import prepare

        section = self.config["data"]
        self.config["data"] = section | {"init_args": section["init_args"] | moved}
        data = prepare(self.config)
        if self.versions["data_sha256"] != data.fingerprint():
            raise UserError(
                f"the images are not those that {self} was trained on: their split would mix training and test"
            )
        return data

    # ---- what changes it --------------------------------------------------------------------------------------------

    def lock(self) -> AbstractContextManager[None]:
        """Keep every other process from training or evaluating this run. UserError where another one has the lock."""
        return locked(self.folder)

    def in_use(self) -> bool:
        """Return whether a living process trains or evaluates this run."""
        return in_use(self.folder)

    def write_training(self, record: dict[str, Any]) -> None:
        """Record that the training has reached its end."""
        write_json(self.folder / "training.json", record)
        self.training = record

    def write_resumption(self) -> None:
        """Add to versions.json by which code the run is continued."""
        self.versions = self.versions | {"resumed": [*self.versions.get("resumed", []), git_state()]}
        write_json(self.folder / "versions.json", self.versions)

    def write_report(
        self, report: "Report", readout: "Readout", correct: "Arrays", pictures: "PageImages | None" = None
    ) -> None:
        """Write what an evaluation leaves behind, the report last; its figures are in the folder already.

        `correct` is the correctness of each test image; `pictures` are test images for report.html. UserError where
        a value has no place in a report.
        """
        from unsup.core.array_files import save_arrays
        from unsup.reports.report import write_report

        save_arrays(self.folder / "heads.npz", readout.arrays())
        save_arrays(self.folder / "correct.npz", correct)
        write_report(self.folder, report, pictures)
        self.report, self.readout = report, readout
