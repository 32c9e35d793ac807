"""A run, with the content of its folder and its model and images.

runs/<data>/<recipe>/<seed>-<nnn>/ holds the result of one training:

* config.yaml (resolved; `--config` can read it), versions.json, checkpoints/
* training.json (epochs, seconds, random views, how the recipe was chosen), written at the end of the training
* report.{json,md,html}, figures/, correct.npz (the correctness of each test image), heads.npz (the fitted readout for
  new images)
* TensorBoard's files: events, hparams.yaml, and the map of codes in projector_config.pbtxt and 00000/
* what was made with the run: classified/, similar/, encoded/, export/, zero_shot.csv
* sweep.log, the output of the command that a sweep gave
* .lock, which the process that trains or evaluates the run locks

Next to the recipes, runs/<data>/baselines/ caches the baselines of the data set.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unsup.core.commands import option, suggest
from unsup.core.errors import UsageError, UserError
from unsup.core.files import replace_file, short_path, write_json
from unsup.core.strict_yaml import dump_yaml
from unsup.runs.config import Config, compose, resolve
from unsup.runs.lock import in_use, locked
from unsup.runs.named_run import run_folder
from unsup.runs.provenance import git_state, provenance, with_epochs
from unsup.runs.records import LAST, PREVIOUS, next_folder, read_record

if TYPE_CHECKING:
    from unsup.core.array_files import Arrays
    from unsup.data.base import ImageData
    from unsup.metrics.readout import Readout
    from unsup.models.base import Model
    from unsup.reports.html import PageImages
    from unsup.reports.schema import Report


class Run:
    """One run, whose files are read once, when they are first needed.

    Attributes:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(short_path(self.folder))

    @classmethod
    def create(
        cls, root: Path, config: Config, command: str, data_sha256: str, extra_versions: dict[str, Any] | None = None
    ) -> "Run":
        """Make a new run folder with config.yaml and versions.json.

        Several processes at once get different folders. config.yaml is written last, and makes the folder a run.
        `extra_versions` are entries of versions.json that not all runs have. UserError if the folder cannot be written.
        """
        parent = root / config["dataset"] / config["recipe"]
        record = provenance() | {"command": command, "data_sha256": data_sha256, **(extra_versions or {})}
        try:
            folder = next_folder(parent, str(config["seed"]))
            (folder / "checkpoints").mkdir()
            write_json(folder / "versions.json", record)
            replace_file(folder / "config.yaml", dump_yaml(config))
        except OSError as e:
            remedy = f"choose another folder with {option('runs', '<folder>')}"
            raise UserError(f"cannot write the run folder {e.filename}: {e.strerror}; {remedy}") from e
        run = cls(folder)
        run.config, run.versions = config, record
        return run

    @classmethod
    def find(cls, text: str) -> "Run":
        """Return the run whose folder the user names. UserError if there is none."""
        return cls(run_folder(text))

    @cached_property
    def config(self) -> Config:
        """The resolved configuration, with the locations given to `relocate`."""
        return resolve(compose(None, None, [self.folder / "config.yaml"]))

    @cached_property
    def versions(self) -> dict[str, Any]:
        """The content of versions.json. UserError if it is missing or damaged."""
        return read_record(self.folder / "versions.json")

    @cached_property
    def training(self) -> dict[str, Any]:
        """The content of training.json. UserError if it is missing or damaged."""
        return read_record(self.folder / "training.json")

    @cached_property
    def report(self) -> "Report":
        """The report of its evaluation. UserError if report.json is missing or damaged."""
        from unsup.reports.report import read_report

        return read_report(self.folder / "report.json")

    @cached_property
    def readout(self) -> "Readout":
        """The fitted readout for new images. UserError if heads.npz is missing or damaged."""
        from unsup.core.array_files import load_arrays
        from unsup.metrics.readout import Readout

        if not self.has_readout:
            raise UserError(f"{self} has no heads.npz, which an evaluation writes: {suggest('evaluate', run=self)}")
        return load_arrays(self.folder / "heads.npz", Readout.of)

    @property
    def class_names(self) -> list[str]:
        """The classes of the probe, in label order, empty for unlabelled images."""
        return self.report.run.class_names

    @property
    def last_checkpoint(self) -> Path:
        """The path of the last checkpoint."""
        return self.folder / "checkpoints" / LAST

    @property
    def judged_checkpoint(self) -> Path:
        """The path of the judged checkpoint, without a report the last one."""
        judged = read_record(self.folder / "report.json")["run"].get("checkpoint", LAST) if self.evaluated else LAST
        return self.last_checkpoint.with_name(judged)

    def named_checkpoint(self, name: str | None) -> Path:
        """Return the path of a checkpoint, the last one for None.

        UsageError if there is none of this name.
        """
        existing = {path.name: path for path in sorted(self.last_checkpoint.parent.glob("*.ckpt"))}
        if name is None:
            return self.last_checkpoint
        if match := existing.get(Path(name).name) or existing.get(f"{Path(name).name}.ckpt"):
            return match
        raise UsageError(f"{self} has no checkpoint {name} (known: {', '.join(existing)})")

    @property
    def checkpoints(self) -> list[Path]:
        """The last and the previous checkpoint, if they exist."""
        paths = (self.last_checkpoint, self.last_checkpoint.with_name(PREVIOUS))
        return [path for path in paths if path.is_file()]

    @property
    def root(self) -> Path | None:
        """The folder of runs that it is in, None if it was moved out of one."""
        in_place = self.folder.parts[-3:-1] == (self.config["dataset"], self.config["recipe"])
        return self.folder.parents[2] if in_place else None

    @property
    def trained(self) -> bool:
        """Whether the training is finished."""
        return (self.folder / "training.json").exists()

    @property
    def evaluated(self) -> bool:
        """Whether there is a report."""
        return (self.folder / "report.json").exists()

    @property
    def has_readout(self) -> bool:
        """Whether there is a fitted readout for new images."""
        return (self.folder / "heads.npz").exists()

    def model(self, checkpoint: Path | None = None) -> "Model":
        """Return the model with the judged weights, or others, in eval mode.

        The images need not be available. The random state of the process is not changed.

        Raises:
            UserError: the checkpoint is missing, damaged, or of another model.
        """
        from unsup.runs.build import rebuild
        from unsup.runs.checkpoints import DamagedCheckpoint, load_checkpoint

        path = checkpoint or self.judged_checkpoint
        if not path.is_file():
            name = f"checkpoints/{path.name}"
            raise UserError(f"{self} has no {name}: its training did not get that far, or it was deleted")
        try:
            content = load_checkpoint(path)
        except DamagedCheckpoint as e:
            if len(self.checkpoints) == 1 or path.name != LAST:
                raise
            raise UserError(f"{e}; {suggest('resume', run=self)} continues from the previous one") from e
        return rebuild(self.config["model"]["class_path"], content, self.config["seed"], path)

    def relocate(self, locations: Mapping[str, str]) -> None:
        """Set the options `root` and `images` (or `file`) of the data set in `config`."""
        if locations:
            section = self.config["data"]
            self.config["data"] = section | {"init_args": section["init_args"] | locations}

    def data(self) -> "ImageData":
        """Return the data module of the run, with its images read.

        Raises:
            UserError: the images are not available, or differ from those that the run was trained on.
        """
        from unsup.runs.build import load_data

        data = load_data(self.config)
        if self.versions["data_sha256"] != data.fingerprint():
            problem = f"the images are not those that {self} was trained on"
            raise UserError(f"{problem}: their split would mix training and test images")
        return data

    def lock(self) -> AbstractContextManager[None]:
        """Lock the run for training or evaluation. UserError if it is in use."""
        return locked(self.folder)

    def in_use(self) -> bool:
        """Return whether a living process trains or evaluates this run."""
        return in_use(self.folder)

    def write_training(self, record: dict[str, Any]) -> None:
        """Record that the training is finished."""
        write_json(self.folder / "training.json", record)
        self.training = record

    def write_resumption(self, epochs: int | None = None) -> None:
        """Record the commit of the code that continues the run, and a new length."""
        how: dict[str, Any] = git_state()
        if epochs is not None:
            how["epochs"] = epochs
            self.versions = self.versions | {"command": with_epochs(self.versions["command"], epochs)}
        self.versions = self.versions | {"resumed": [*self.versions.get("resumed", []), how]}
        write_json(self.folder / "versions.json", self.versions)

    def write_report(
        self, report: "Report", readout: "Readout", correct: "Arrays", pictures: "PageImages | None" = None
    ) -> None:
        """Write the results of an evaluation except its figures, the report last.

        `correct` has the correctness (n,), in [0, 1], of the test images by score. `pictures` are test images for
        report.html. UserError if a report cannot hold a value.
        """
        from unsup.core.array_files import save_arrays
        from unsup.reports.report import write_report

        save_arrays(self.folder / "heads.npz", readout.arrays())
        save_arrays(self.folder / "correct.npz", correct)
        write_report(self.folder, report, pictures)
        self.report, self.readout = report, readout
