"""The runs in a folder, and how far each of them is."""

from pathlib import Path
from typing import Literal

from unsup.core.errors import UsageError, UserError
from unsup.core.strict_yaml import as_plain
from unsup.runs.config import Config
from unsup.runs.init_from import source_config, source_recipe
from unsup.runs.run import Run

State = Literal["finished", "in use", "trained", "begun", "new"]


class RunIndex:
    """The runs in a folder, asked for those of one configuration.

    Args:
        root: holds <data>/<recipe>/<seed>-<nnn>.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, Config | None] = {}  # a run's configuration never changes

    def matching(self, config: Config) -> list[Run]:
        """The runs of this configuration, the newest first.

        Where it starts from a recipe, that one's run had the configuration which that recipe has now, or is gone.
        """
        folder = self.root / config["dataset"] / config["recipe"]
        matching = [Run(p) for p in folder.glob(f"{config['seed']}-*") if self._identity_of(p) == identity_of(config)]
        if matching and source_recipe(config):
            sources = [run.folder for run in self.matching(source_config(config)[0])]
            begun = [(run, self.root / run.versions.get("init_from", {}).get("run", "?")) for run in matching]
            matching = [run for run, start in begun if start in sources or not start.exists()]
        return sorted(matching, key=lambda run: run.folder, reverse=True)

    def newest_trained(self, config: Config, data_sha256: str) -> Run | None:
        """The newest run of this configuration on these images that is trained to its end."""
        done = [run for run in self.matching(config) if run.trained]
        return next((run for run in done if run.versions.get("data_sha256") == data_sha256), None)

    def progress(self, config: Config) -> tuple[State, Run | None]:
        """How far the run of this configuration is: the furthest one, the newest where several are as far."""
        states = [(progress_of(run), run) for run in self.matching(config)]
        for wanted in ("finished", "in use", "trained", "begun"):
            for state, run in states:
                if state == wanted:
                    return state, run
        return "new", None

    def _identity_of(self, folder: Path) -> Config | None:
        """None for a folder without a configuration, or with one that the code does not know any more."""
        if folder not in self._known and (folder / "config.yaml").is_file():
            try:
                self._known[folder] = identity_of(Run(folder).config)
            except UsageError:
                self._known[folder] = None
        return self._known.get(folder)


def identity_of(config: Config) -> Config:
    """The configuration without the folder that holds the data and the number of threads."""
    arguments = {key: value for key, value in config["data"]["init_args"].items() if key != "root"}
    kept = {key: value for key, value in config.items() if key != "threads"}
    return dict(as_plain(kept | {"data": config["data"] | {"init_args": arguments}}))


def progress_of(run: Run) -> State:
    """How far a run is: evaluated, in the hands of a living process, trained, at a checkpoint, or nowhere.

    One that was evaluated under another protocol counts as trained: its report is written again.
    """
    if has_current_report(run):
        return "finished"
    if run.in_use():
        return "in use"
    if run.trained:
        return "trained"
    return "begun" if run.checkpoints else "new"


def has_current_report(run: Run) -> bool:
    """Whether the run has a report of this protocol; one that is damaged is none, and is written again."""
    from unsup.evaluation.protocol import VERSION

    try:
        report = run.report
    except UserError:
        return False
    return report.protocol == VERSION
