"""The commands of kept reports: as a reader types them, and without what belongs to one machine."""

import shlex
from collections.abc import Iterator
from pathlib import PurePath

from unsup.core.commands import VARIABLES, suggest
from unsup.core.errors import UserError
from unsup.reports.schema import RunFacts

PATH_OPTIONS = ("--data_root", "--runs")  # where things lie


def make_command(run: RunFacts) -> str:
    """What a reader types to train this recipe: the recorded `unsup train …` as `make train`, whatever the seed.

    Raises:
        UserError: the run was not started from the command line.
    """
    named, rest = {"data": run.data}, []
    for name, value, written in _options(train_words(run)[2:]):
        if name and name in VARIABLES.values():
            named[name.removeprefix("--")] = value
        elif name:
            rest.append(written)
    if "images" in named:
        del named["data"]
    return suggest("train", " ".join(rest), via="make", model=run.model, **named)


def train_words(run: RunFacts) -> list[str]:
    """["unsup", "train", …] as recorded, the same for all seeds of a model.

    The seed, places and the number of threads are left out.

    Raises:
        UserError: as in `make_command`.
    """
    words = shlex.split(run.command)
    if words[:2] != ["unsup", "train"]:
        command = suggest("train", via="unsup")
        raise UserError(f"{run.model} on {run.data}, seed {run.seed}: not trained by `{command}`")
    kept = [written for name, _, written in _options(words[2:]) if name not in ("--seed", "--threads", *PATH_OPTIONS)]
    return [*words[:2], *shlex.split(" ".join(kept))]


def without_paths(command: str, start: str) -> str:
    """A recorded command that names no folder of the machine.

    Args:
        command: as it was typed.
        start: <data>/<recipe>/<run> of the run that it started from, if it named a run folder.
    """
    kept = []
    for name, value, written in _options(shlex.split(command)):
        if name == "--images":
            kept.append(shlex.join([name, PurePath(value).name]))
        elif name == "--init_from" and "/" in value:
            kept.append(shlex.join([name, f"runs/{start}"]))
        elif name not in PATH_OPTIONS:
            kept.append(written)
    return " ".join(kept)


def _options(words: list[str]) -> Iterator[tuple[str, str, str]]:
    """(--name, value, both as written) of every option; ("", word, word) of the other words."""
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            yield "", word, shlex.quote(word)
        elif equals:
            yield name, value, shlex.quote(word)
        else:
            value = next(rest, "")
            yield name, value, shlex.join([name, value])
