"""What a sweep has to do: every model at every point of a grid with every seed, and how far each of these runs is.

Seeds are the outermost loop: after the first of them every model and every point has a report.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unsup.core.commands import SHORTCUTS
from unsup.core.errors import UsageError
from unsup.core.strict_yaml import parse_yaml
from unsup.runs.config import Config, compose, precheck, resolve
from unsup.runs.init_from import check_stages

Option = tuple[str, Any]  # dotted key, value
UNDOTTED = ("init_from", "matmul_precision", "compile")  # options of `train` that have no dot
SHORT_NAMES = {key: name for name, key in SHORTCUTS.items()}  # as commands are recorded


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
        return " ".join([self.model, f"seed {self.seed}", *option_texts(self.point)])


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
            values = parse_yaml(f"[{text}]")
        except ValueError as e:
            raise UsageError(f"--grid {key}: cannot read the values {text!r}: {e}") from e
        if not values:
            raise UsageError(f"--grid {key} has no values")
        if len({yaml_text(value) for value in values}) < len(values):
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
    for model, seed, point, config in composed:
        if seed == seeds[0]:
            with located_mistakes(model, point):
                precheck(config)
    from unsup.runs.build import build  # and so torch: a mistyped name is found before

    jobs = []
    for model, seed, point, config in composed:
        with located_mistakes(model, point):
            resolved = resolve(config)
            if seed == seeds[0]:
                check_stages(resolved)
                build(resolved)
        words = train_words(model, data, [("seed", seed), *options, *point], runs_root)
        jobs.append(Job(model, seed, point, tuple(words), resolved))
    return jobs


@contextmanager
def located_mistakes(model: str, point: Sequence[Option]) -> Iterator[None]:
    """Say of a mistake which model and which point of the grid it is in."""
    try:
        yield
    except UsageError as e:
        raise UsageError(f"{' '.join([model, *option_texts(point)])}: {e}") from e


def option_texts(point: Sequence[Option]) -> list[str]:
    """["model.code_dim=10", "model.widths=[500, 250]"]."""
    return [f"{key}={yaml_text(value)}" for key, value in point]


def train_words(model: str, data: str | None, options: Iterable[Option], runs_root: str | Path) -> list[str]:
    """Return the words behind `unsup` that train a run."""
    words = ["train", model, *(("--data", data) if data else ())]
    for key, value in options:
        dotted = "." in key and key not in SHORT_NAMES
        words += [f"--{key}", yaml_text(value)] if dotted else [f"--{SHORT_NAMES.get(key, key)}", str(value)]
    return [*words, "--runs", str(runs_root)]


def yaml_text(value: Any) -> str:
    """A value as the command line reads it back."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").strip()
