"""What a sweep has to do: every model at every point of a grid with every seed, and how far each of these runs is.

Seeds are the outermost loop: after the first of them every model and every point has a report.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from unsup.core import strict_yaml as plain_yaml
from unsup.core.errors import UsageError, UserError
from unsup.core.strict_yaml import plain
from unsup.reports.report import read_report
from unsup.runs import folder as runs
from unsup.runs.config import Config, compose, resolve
from unsup.runs.init_from import from_recipe, source_of

Option = tuple[str, Any]  # dotted key, value
State = Literal["finished", "in use", "trained", "begun", "new"]
UNDOTTED = ("init_from", "matmul_precision", "compile")  # options of `train` that have no dot
SHORT = {"trainer.max_epochs": "epochs", "data.root": "data_root", "data.images": "images"}  # as commands are recorded
COMPLETE = {"run", "scores", "floors"}  # what a report has at least


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Attributes:
        model: the recipe.
        seed: of the run.
        point: the grid's options.
        words: the command line behind `unsup`.
        config: what that resolves to.
    """

    model: str
    seed: int
    point: tuple[Option, ...]
    words: tuple[str, ...]
    config: Config

    @property
    def name(self) -> str:
        return " ".join([self.model, f"seed {self.seed}", *written(self.point)])


def parse_grid(words: Sequence[str]) -> dict[str, list[Any]]:
    """["model.code_dim=10,30", "model.widths=[500,250],[100]"] -> the values of each option.

    What follows = is a YAML list without its brackets: commas inside brackets or quotes do not separate.

    Raises:
        UsageError: not KEY=VALUES, no option of `train`, one option twice.
    """
    grid: dict[str, list[Any]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--grid {word}: write KEY=VALUE,VALUE such as model.code_dim=10,30, without blanks")
        if "." not in key and key not in UNDOTTED:
            hint = "seeds are given with --seeds" if key == "seed" else "such are model.lr and data.batch_size"
            raise UsageError(f"--grid {key}: a grid is made of dotted options; {hint}")
        try:
            values = plain_yaml.load(f"[{text}]")
        except plain_yaml.NotPlain as e:
            raise UsageError(f"--grid {key}: cannot read the values {text!r}: {e}") from e
        if not values:
            raise UsageError(f"--grid {key} has no values")
        if len({as_yaml(value) for value in values}) < len(values):
            raise UsageError(f"--grid {word}: a value is there twice")
        if key in grid:
            raise UsageError(f"--grid names {key} twice: write all of its values in one list")
        grid[key] = values
    return grid


def plan(
    models: Sequence[str],
    data: str,
    seeds: Sequence[int],
    grid: dict[str, list[Any]],
    options: Sequence[Option],
    runs_root: Path,
) -> list[Job]:
    """All runs, in order, their configurations resolved and checked.

    Args:
        models: recipes.
        data: the data set.
        seeds: of the runs.
        grid: values of each option that varies.
        options: of all runs.
        runs_root: where the run folders are made.

    Raises:
        UsageError: an unknown recipe or option, a value that is not possible; the message names the model.
    """
    taken = {key for key, _ in options} & set(grid)
    if taken:
        raise UsageError(f"{min(taken)} is given to all runs and varied in the grid: leave one of the two")
    points = [tuple(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    composed = [
        (model, seed, point, compose(model, data, [], [("seed", seed), *options, *point]))
        for seed, model, point in itertools.product(seeds, models, points)
    ]
    from unsup.runs.build import check  # and so torch: a mistyped name is found before

    jobs = []
    for model, seed, point, config in composed:
        try:
            resolved = resolve(config)
            if seed == seeds[0]:
                check(resolved)
        except UsageError as e:
            raise UsageError(f"{' '.join([model, *written(point)])}: {e}") from e
        words = ["train", model, "--data", data, "--seed", str(seed)]
        for key, value in (*options, *point):
            words += command_line(key, value)
        jobs.append(Job(model, seed, point, (*words, "--runs", str(runs_root)), resolved))
    return jobs


def written(point: Sequence[Option]) -> list[str]:
    """["model.code_dim=10", "model.widths=[500, 250]"]."""
    return [f"{key}={as_yaml(value)}" for key, value in point]


def command_line(key: str, value: Any) -> list[str]:
    """An option as words of the command line of `unsup train`."""
    if key in SHORT or key in UNDOTTED:
        return [f"--{SHORT.get(key, key)}", str(value)]
    return [f"--{key}", as_yaml(value)]


def as_yaml(value: Any) -> str:
    """A value as the command line reads it back."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").strip()


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
    return report.keys() >= COMPLETE and report.get("protocol") == VERSION
