"""The runs in a folder, and the progress of each."""

from pathlib import Path
from typing import Literal

from unsup.core.commands import NEUTRAL
from unsup.core.errors import UsageError, UserError
from unsup.core.strict_yaml import as_plain
from unsup.runs.config import Config
from unsup.runs.init_from import source_config, source_recipe
from unsup.runs.run import Run
from unsup.runs.settings import EvaluationExtent

State = Literal["finished", "in use", "trained", "begun", "new"]


class RunIndex:
    """Index of the runs in a folder by configuration.

    Args:
        root: holds <data>/<recipe>/<seed>-<nnn>.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, Config | None] = {}  # only `unsup resume --epochs` changes it

    def matching(self, config: Config) -> list[Run]:
        """Return the runs of a configuration, the newest first.

        If it starts from another recipe, that run must match the recipe's current configuration, or be gone.
        """
        folder = self.root / config["dataset"] / config["recipe"]
        matching = [Run(p) for p in folder.glob(f"{config['seed']}-*") if self._identity_of(p) == identity_of(config)]
        if matching and source_recipe(config):
            sources = [run.folder for run in self.matching(source_config(config)[0])]
            begun = [(run, self.root / run.versions.get("init_from", {}).get("run", "?")) for run in matching]
            matching = [run for run, start in begun if start in sources or not start.exists()]
        return sorted(matching, key=lambda run: run.folder, reverse=True)

    def newest_trained(self, config: Config, data_sha256: str) -> Run | None:
        """Return the newest finished training of a configuration on these images."""
        trained = [run for run in self.matching(config) if run.trained]
        return next((run for run in trained if run.versions.get("data_sha256") == data_sha256), None)

    def progress(self, config: Config) -> tuple[State, Run | None]:
        """Return the most advanced run of a configuration, the newest of equals."""
        states = [(progress_of(run, config["evaluate"]), run) for run in self.matching(config)]
        for wanted in ("finished", "in use", "trained", "begun"):
            for state, run in states:
                if state == wanted:
                    return state, run
        return "new", None

    def _identity_of(self, folder: Path) -> Config | None:
        """Return the identity of a run, or None if the code cannot read its configuration."""
        if folder not in self._known and (folder / "config.yaml").is_file():
            try:
                self._known[folder] = identity_of(Run(folder).config)
            except UsageError:
                self._known[folder] = None
        return self._known.get(folder)


def identity_of(config: Config) -> Config:
    """Return a configuration without what does not change the training.

    That is the folder of the data, the number of threads, the extent of the evaluation and the loggers.
    """
    arguments = {key: value for key, value in config["data"]["init_args"].items() if f"data.{key}" not in NEUTRAL}
    others = {key: value for key, value in config.items() if key not in NEUTRAL}
    trainer = {key: value for key, value in config["trainer"].items() if f"trainer.{key}" not in NEUTRAL}
    return dict(as_plain(others | {"data": config["data"] | {"init_args": arguments}, "trainer": trainer}))


def progress_of(run: Run, evaluate: EvaluationExtent = "full") -> State:
    """Return the progress of a run, "trained" under another protocol or draft.

    A run that need not be evaluated is finished once it is trained, and one with a quick report only if `evaluate` asks
    for no more.
    """
    if has_current_report(run) and (evaluate != "full" or not run.report.quick):
        return "finished"
    if evaluate == "no" and run.trained and not run.in_use():
        return "finished"
    if run.in_use():
        return "in use"
    if run.trained:
        return "trained"
    return "begun" if run.checkpoints else "new"


def has_current_report(run: Run) -> bool:
    """Return whether a run has a valid report of the current protocol and draft."""
    from unsup.evaluation.protocol import DRAFT, VERSION

    try:
        report = run.report
    except UserError:
        return False
    return (report.protocol, report.draft) == (VERSION, DRAFT)
