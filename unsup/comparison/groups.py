"""Reports read from run folders, and sorted into groups that differ in nothing but their seed."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unsup.core.errors import UserError
from unsup.core.removed import without_removed
from unsup.reports.catalogue import SCORES, number
from unsup.reports.report import load_report
from unsup.reports.schema import BaselineKey, RunFacts
from unsup.reports.score_schema import Scores

Numbers = dict[str, float]  # by name of a score or of a source of chance

APART = ("seed", "threads", "data.root", "data.images")  # which seed, how and where it ran, not what is trained


class Version(NamedTuple):
    """What reports must have in common for their numbers to be comparable."""

    schema: int
    protocol: int
    data_sha256: str


@dataclass(frozen=True)
class ComparedRun:
    """What a comparison needs of one report."""

    folder: Path
    recipe: str
    seed: int
    version: Version
    options: dict[str, Any]  # resolved configuration by dotted_options name, without those of APART
    numbers: Numbers
    baselines: dict[BaselineKey, Numbers]  # in the order of tables
    initialisations: dict[str, list[float]]  # of the untrained twin, by probe


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, one for each seed."""

    name: str  # the recipe, and the options in which it differs from other groups of that recipe
    runs: Sequence[ComparedRun]

    def values(self, number: str) -> list[float]:
        """One for each run that has this number."""
        return [run.numbers[number] for run in self.runs if number in run.numbers]


def read_run(path: Path) -> ComparedRun:
    """Read the report of a run.

    Raises:
        UserError: it is damaged, incomplete or not to be trusted; the message is the reason.
    """
    try:
        report = load_report(path, curves=False)
    except OSError as e:
        raise UserError(f"cannot be read ({e.strerror})") from e
    scores, made, twin = report.scores, report.provenance, report.baselines.get("untrained")
    if scores.code_dim is None:
        raise UserError("incomplete: scores.code_dim is missing")
    options = dotted_options(made.config) | {"dim": scores.code_dim}
    check, frozen = report.selfcheck, report.frozen
    if check.passed != check.total:
        raise UserError(f"the evaluator failed its own check ({check.passed} of {check.total})")
    if frozen.before != frozen.after:
        raise UserError("the evaluation changed the encoder")
    if report.test_reads != 1:
        raise UserError(f"its test images were read {report.test_reads} times")
    return ComparedRun(
        folder=path.parent,
        recipe=report.run.model,
        seed=report.run.seed,
        version=Version(report.schema, report.protocol, made.data_sha256),
        options=options,
        numbers=score_values(scores, report.run),
        baselines={key: score_values(scores) for key, scores in report.ordered_baselines.items()},
        initialisations=twin.by_initialisation if twin else {},
    )


def score_values(scores: Scores, run: RunFacts | None = None) -> Numbers:
    """Return the scores of a model or a baseline, and their standard deviations by chance within a run."""
    values = {score.name: score.value(scores, run) for score in SCORES}
    for score in SCORES:
        values |= {source: number(path, scores) for source, path in score.deviations.items()}
    return {name: value for name, value in values.items() if value is not None}


def dotted_options(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Options as they are named on the command line, {"model": {"init_args": {"lr": .1}}} -> {"model.lr": .1}.

    Without those that only say which seed it is, and how and where it ran.
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix if key == "init_args" else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, dict):
            current = without_removed(str(config.get("class_path")), value) if key == "init_args" else value
            found |= dotted_options(current, name)
        elif name == "init_from" and isinstance(value, str):  # <data>/<recipe>: each seed starts from a run of its own
            here = f"{config.get('dataset')}/{value}"
            found[name] = "/".join(Path(value).parts[-3:-1]) if "/" in value else here
        elif name not in APART:
            found[name] = value
    return found


def group(runs: Sequence[ComparedRun]) -> tuple[dict[Version, list[Group]], list[str]]:
    """Groups by what makes their numbers comparable, newest schema first; and what is to be said about them.

    Of several runs of one configuration and seed the newest counts.
    """
    notes = []
    newest: dict[tuple[Version, str], dict[int, ComparedRun]] = {}
    for run in sorted(runs, key=_age):
        seeds = newest.setdefault((run.version, _key(run.recipe, run.options)), {})
        if run.seed in seeds:
            notes.append(f"{seeds[run.seed].folder} is left out: {run.folder} is newer, of the same options and seed")
        seeds[run.seed] = run
    tables: dict[Version, list[list[ComparedRun]]] = {}
    for (version, _), seeds in newest.items():
        tables.setdefault(version, []).append([seeds[seed] for seed in sorted(seeds)])
    order = sorted(tables, key=lambda version: (-version.schema, -version.protocol, -len(tables[version]), version))
    return {version: named_groups(tables[version]) for version in order}, notes


def named_groups(groups: Sequence[Sequence[ComparedRun]]) -> list[Group]:
    """Groups told apart by exactly the options in which those of one recipe differ.

    An option is called by its last word where that is clear, and not named where a group does not have it.
    """
    siblings: dict[str, list[Sequence[ComparedRun]]] = {}
    for runs in groups:
        siblings.setdefault(runs[0].recipe, []).append(runs)
    found = []
    for recipe, several in siblings.items():
        differing = _differing([runs[0].options for runs in several])
        words = Counter(key.rpartition(".")[2] for key in differing)
        called = {key: last if words[last := key.rpartition(".")[2]] == 1 else key for key in differing}
        for runs in several:
            own = runs[0].options
            options = [f"{word}={_written(own[key])}" for key, word in called.items() if own.get(key) is not None]
            found.append(Group(", ".join([recipe, *options]), runs))
    return sorted(found, key=lambda one: one.name)


def _differing(several: Sequence[dict[str, Any]]) -> list[str]:
    """The options that have more than one value; the code's dimension only where it follows from no other option."""
    keys = dict.fromkeys(key for options in several for key in options)
    found = [key for key in keys if len({_written(options.get(key)) for options in several}) > 1]
    without = [key for key in found if key != "dim"]
    told_apart = {tuple(_written(options.get(key)) for key in without) for options in several}
    return without if len(told_apart) == len(several) else found


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _key(recipe: str, options: dict[str, Any]) -> str:
    return json.dumps([recipe, options], sort_keys=True)


def _age(run: ComparedRun) -> tuple[int, float]:
    """Sorts run folders of one recipe and seed from old to new: by their number, <seed>-<number>, else by time."""
    number = re.fullmatch(r"\d+-(\d+)", run.folder.name)
    return int(number[1]) if number else 0, (run.folder / "report.json").stat().st_mtime
