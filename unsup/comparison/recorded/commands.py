"""The commands of recorded reports, without what belongs to one machine."""

import shlex
from collections.abc import Iterator
from pathlib import PurePath

from unsup.core.commands import VARIABLES, suggest
from unsup.core.errors import UserError
from unsup.reports.schema import RunFacts

PATH_OPTIONS = ("--data_root", "--runs", "--logger", "--trainer.logger")  # of this machine alone
IMAGES = ("--images", "--data.images", "--data.file", "--data.path")


def make_command(run: RunFacts) -> str:
    """Return the recorded command as one of make, without the seed.

    It is `make train …`, or `make evaluate …` of an encoder that was trained elsewhere.

    Raises:
        UserError: the run was not started from the command line.
    """
    _, verb, *options = recorded_words(run)
    variables, rest = ({} if run.encoder else {"model": run.model}) | {"data": run.data}, []
    for name, value, written in _options(options):
        if name and name in VARIABLES.values():
            variables[name.removeprefix("--")] = value
        elif name:
            rest.append(written)
    if "images" in variables:
        del variables["data"]
    return suggest(verb, " ".join(rest), via="make", **variables)


def recorded_words(run: RunFacts) -> list[str]:
    """Return ["unsup", verb, …] for all seeds of a row.

    They are as recorded, without seed, paths, threads and how much was evaluated.

    Raises:
        UserError: as in `make_command`.
    """
    words, verb = shlex.split(run.command), "evaluate" if run.encoder else "train"
    if words[:2] != ["unsup", verb]:
        command = suggest(verb, via="unsup")
        raise UserError(f"{run.model} on {run.data}, seed {run.seed}: not made by `{command}`")
    dropped = ("--seed", "--threads", "--evaluate", *PATH_OPTIONS)
    options = [written for name, _, written in _options(words[2:]) if name not in dropped]
    return [*words[:2], *shlex.split(" ".join(options))]


def without_paths(command: str, start: str) -> str:
    """Return a recorded command that names no folder of the machine.

    Args:
        command: as it was typed.
        start: <data>/<recipe>/<run> of the run that it started from, if it named a run folder.
    """
    words = []
    for name, value, written in _options(shlex.split(command)):
        if name in IMAGES:
            words.append(shlex.join([name, PurePath(value).name]))
        elif name == "--init_from" and "/" in value:
            words.append(shlex.join([name, f"runs/{start}"]))
        elif name not in PATH_OPTIONS:
            words.append(written)
    return " ".join(words)


def _options(words: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (--name, value, both as written) of options, ("", word, word) of others."""
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
