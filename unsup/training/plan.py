"""The plan of a sweep, every model at every point of a grid with every seed.

Seeds are the outermost loop, so that after the first one every model and every point has a report.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unsup.core.commands import SHORT_NAMES, SHORTCUTS, option
from unsup.core.errors import UsageError
from unsup.core.strict_yaml import parse_yaml
from unsup.runs.config import Config, compose, precheck, resolve
from unsup.runs.init_from import check_stages
from unsup.runs.option_names import near_option

Option = tuple[str, Any]  # dotted key, value
UNDOTTED = ("init_from", "matmul_precision", "compile", "evaluate")  # options of `train` that have no dot


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    model: str  # recipe
    seed: int
    point: tuple[Option, ...]  # of the grid
    words: tuple[str, ...]  # the command line behind `unsup`
    config: Config  # resolved

    @property
    def name(self) -> str:
        return " ".join([self.model, f"seed {self.seed}", *option_texts(self.point)])


def parse_grid(words: Sequence[str], model: str | None = None, data: str | None = None) -> dict[str, list[Any]]:
    """Return the values of each option in a grid.

    After the equals sign follows a YAML list without its brackets, as in "model.widths=[500,250],[100]".

    Args:
        words: one for each option.
        model: a recipe, whose options are suggested.
        data: a data set, whose options are suggested.

    Raises:
        UsageError: not KEY=VALUES, no option of `train`, or the same option twice.
    """
    grid: dict[str, list[Any]] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--grid {word}: write KEY=VALUE,VALUE such as model.code_dim=10,30, without spaces")
        if "." not in key and key not in UNDOTTED:
            raise UsageError(f"--grid {key}: a grid is made of dotted options; {_dotted_hint(key, model, data)}")
        try:
            values = parse_yaml(f"[{text}]")
        except ValueError as e:
            raise UsageError(f"--grid {key}: cannot read the values {text!r}: {e}") from e
        if not values:
            raise UsageError(f"--grid {key} has no values")
        if len({yaml_text(value) for value in values}) < len(values):
            raise UsageError(f"--grid {word}: the same value twice")
        if key in grid:
            raise UsageError(f"--grid has {key} twice: write all of its values in one list")
        grid[key] = values
    return grid


def _dotted_hint(key: str, model: str | None, data: str | None) -> str:
    if key in ("seed", "seeds"):
        return f"seeds are given with {option('seeds')}"
    if near := SHORTCUTS.get(key) or near_option(key, model, data):
        return f"did you mean {near}?"
    return "such are model.lr and data.batch_size"


def plan(
    models: Sequence[str],
    data: str | None,
    seeds: Sequence[int],
    grid: dict[str, list[Any]],
    options: Sequence[Option],
    runs_root: Path,
) -> list[Job]:
    """Return all runs in order, with their configurations resolved and checked.

    Raises:
        UsageError: an unknown recipe or option, or an invalid value; the message names the model.
    """
    both = {key for key, _ in options} & set(grid)
    if both:
        raise UsageError(f"{min(both)} is an option of all runs and in the grid: leave one out")
    points = [tuple(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    drafts = [
        (model, seed, point, compose(model, data, [], [("seed", seed), *options, *point]))
        for seed, model, point in itertools.product(seeds, models, points)
    ]
    for model, seed, point, config in drafts:
        if seed == seeds[0]:  # nothing that is checked depends on the seed
            with located_errors(model, point):
                precheck(config)
    from unsup.runs.build import build  # imports torch, which takes seconds: check names before

    jobs = []
    for model, seed, point, config in drafts:
        with located_errors(model, point):
            resolved = resolve(config)
            if seed == seeds[0]:
                check_stages(resolved)
                build(resolved)
        words = train_words(model, data, [("seed", seed), *options, *point], runs_root)
        jobs.append(Job(model, seed, point, tuple(words), resolved))
    return jobs


@contextmanager
def located_errors(model: str, point: Sequence[Option]) -> Iterator[None]:
    """Name the model and the point of the grid in a `UsageError`."""
    try:
        yield
    except UsageError as e:
        raise UsageError(f"{' '.join([model, *option_texts(point)])}: {e}") from e


def option_texts(point: Sequence[Option]) -> list[str]:
    """Return texts such as "model.widths=[500, 250]"."""
    return [f"{key}={yaml_text(value)}" for key, value in point]


def train_words(model: str, data: str | None, options: Iterable[Option], runs_root: str | Path) -> list[str]:
    """Return the words behind `unsup` that train a run."""
    words = ["train", model, *(("--data", data) if data else ())]
    for key, value in options:
        dotted = "." in key and key not in SHORT_NAMES
        words += [f"--{key}", yaml_text(value)] if dotted else [f"--{SHORT_NAMES.get(key, key)}", str(value)]
    return [*words, "--runs", str(runs_root)]


def yaml_text(value: Any) -> str:
    """Return a value as the command line reads it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.removesuffix("...\n").strip()
