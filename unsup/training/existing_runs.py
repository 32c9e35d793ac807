"""The runs in a folder, and how far each of them is."""

from pathlib import Path
from typing import Literal

from unsup.core.errors import UsageError, UserError
from unsup.core.strict_yaml import plain
from unsup.reports.report import read_report
from unsup.runs import folder as runs
from unsup.runs.config import Config
from unsup.runs.init_from import from_recipe, source_of

State = Literal["finished", "in use", "trained", "begun", "new"]


class Found:
    """The runs in a folder, asked for those of one configuration.

    Args:
        root: holds <data>/<recipe>/<seed>-<nnn>.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, Config | None] = {}  # a run's configuration never changes

    def same(self, config: Config) -> list[Path]:
        """The runs of this configuration, the newest first.

        Where it starts from a recipe, that one's run had the configuration which that recipe has now, or is gone.
        """
        folder = self.root / config["dataset"] / config["recipe"]
        runs_here = [p for p in folder.glob(f"{config['seed']}-*") if self._essence_of(p) == essence(config)]
        if runs_here and from_recipe(config):
            sources = self.same(source_of(config)[0])
            begun = {run: self._start_of(run) for run in runs_here}
            runs_here = [run for run, start in begun.items() if start in sources or not start.exists()]
        return sorted(runs_here, reverse=True)

    def trained(self, config: Config, data_sha256: str) -> Path | None:
        """The newest run of this configuration on these images that is trained to its end."""
        done = [run for run in self.same(config) if (run / "training.json").exists()]
        return next((p for p in done if runs.record_of(p, "versions.json").get("data_sha256") == data_sha256), None)

    def look(self, config: Config) -> tuple[State, Path | None]:
        """How far the run of this configuration is: the furthest one, the newest where several are as far."""
        states = [(state_of(run), run) for run in self.same(config)]
        for state in ("finished", "in use", "trained", "begun"):
            for found, run in states:
                if found == state:
                    return found, run
        return "new", None

    def _essence_of(self, run: Path) -> Config | None:
        """None for a folder without a configuration, or with one that the code does not know any more."""
        if run not in self._known and (run / "config.yaml").is_file():
            try:
                self._known[run] = essence(runs.config_of(run))
            except UsageError:
                self._known[run] = None
        return self._known.get(run)

    def _start_of(self, run: Path) -> Path:
        """Where the run that this one started from lies, if it is in this folder of runs."""
        return self.root / runs.record_of(run, "versions.json").get("init_from", {}).get("run", "?")


def essence(config: Config) -> Config:
    """The configuration without the folder that holds the data."""
    arguments = {key: value for key, value in config["data"]["init_args"].items() if key != "root"}
    return dict(plain(config | {"data": config["data"] | {"init_args": arguments}}))


def state_of(run: Path) -> State:
    """How far a run is: evaluated, in the hands of a living process, trained, at a checkpoint, or nowhere.

    One that was evaluated under another protocol counts as trained: its report is written again.
    """
    if evaluated(run):
        return "finished"
    if runs.in_use(run):
        return "in use"
    if (run / "training.json").exists():
        return "trained"
    return "begun" if runs.checkpoints_of(run) else "new"


def evaluated(run: Path) -> bool:
    """Whether the run has a report of this protocol; one that is damaged is none, and is written again."""
    from unsup.evaluation.protocol import VERSION

    try:
        report = read_report(run / "report.json")
    except UserError:
        return False
    return report.protocol == VERSION
