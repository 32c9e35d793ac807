"""Reports read from run folders, and sorted into groups that differ in nothing but their seed."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from unsup.comparison.columns import Numbers, Report, initialisations, numbers
from unsup.core.errors import UserError

FLOORS = ("untrained", "pca", "pixels")
APART = ("seed", "threads", "data.root", "data.images")  # which seed, how and where it ran, not what is trained
NEEDED: dict[tuple[str, ...], type] = {  # a path after the one that it goes through
    ("schema",): int,
    ("run",): dict,
    ("run", "model"): str,
    ("run", "seed"): int,
    ("provenance",): dict,
    ("provenance", "config"): dict,
    ("provenance", "data_sha256"): str,
    ("scores",): dict,
    ("scores", "code_dim"): int,
}
MISSING = object()
OPTIONAL: dict[tuple[str, ...], type] = {("protocol",): int, ("floors",): dict, ("selfcheck",): dict, ("frozen",): dict}


class Version(NamedTuple):
    """What reports must have in common for their numbers to be comparable."""

    schema: int
    protocol: int
    data_sha256: str


@dataclass(frozen=True)
class Run:
    """What a comparison needs of one report."""

    folder: Path
    recipe: str
    seed: int
    version: Version
    options: dict[str, Any]  # resolved configuration by dotted name, without those of APART
    numbers: Numbers
    floors: dict[str, Numbers]  # of FLOORS, those that there are
    initialisations: dict[str, list[float]]  # of the untrained twin, by probe


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, one for each seed."""

    name: str  # the recipe, and the options in which it differs from other groups of that recipe
    runs: Sequence[Run]

    def values(self, number: str) -> list[float]:
        """One for each run that has this number."""
        return [run.numbers[number] for run in self.runs if number in run.numbers]


def read(path: Path) -> Run:
    """The report of a run.

    Raises:
        UserError: it is damaged, incomplete or not to be trusted; the message is the reason.
    """
    report = _content(path)
    scores, provenance, floors = report["scores"], report["provenance"], report.get("floors", {})
    try:
        found = numbers(report)
        beside = {name: numbers({"scores": floors[name]}) for name in FLOORS if name in floors}
        each = initialisations(floors.get("untrained", {}))
        options = flat(provenance["config"]) | {"dim": scores["code_dim"]}
        _key("", options)
    except (ValueError, RecursionError) as e:  # the latter: lists inside lists without end
        raise UserError(f"damaged: {e}") from e
    check, frozen = report.get("selfcheck", {}), report.get("frozen", {})
    if check.get("passed") != check.get("total"):
        raise UserError(f"the evaluator failed its own check ({check.get('passed')} of {check.get('total')})")
    if frozen.get("before") != frozen.get("after"):
        raise UserError("the evaluation changed the encoder")
    if report.get("test_reads", 1) != 1:
        raise UserError(f"its test images were read {report['test_reads']} times")
    return Run(
        folder=path.parent,
        recipe=report["run"]["model"],
        seed=report["run"]["seed"],
        version=Version(report["schema"], report.get("protocol", 1), provenance["data_sha256"]),
        options=options,
        numbers=found,
        floors=beside,
        initialisations=each,
    )


def _content(path: Path) -> Report:
    def refuse(word: str) -> NoReturn:
        raise ValueError(f"it holds {word}")

    try:
        report = json.loads(_without_curves(path.read_bytes()), parse_constant=refuse)
    except OSError as e:
        raise UserError(f"cannot be read ({e.strerror})") from e
    except (ValueError, RecursionError) as e:
        raise UserError(f"damaged or half-written ({e})") from e
    if not isinstance(report, dict):
        raise UserError("not a report")
    for keys, kind in (NEEDED | OPTIONAL).items():
        found: Any = report
        for key in keys:
            found = found.get(key, MISSING)
        if not isinstance(found, kind) and (keys in NEEDED or found is not MISSING):
            raise UserError(f"incomplete: {'.'.join(keys)} is {'missing' if found is MISSING else repr(found)}")
    return report


def _without_curves(text: bytes) -> bytes:
    """A report as it is written, its learning curves emptied: they are most of its length, and not needed here."""
    opening = b'\n "curves": {'
    start = text.find(opening + b"\n")
    end = text.find(b"\n }", start + len(opening))
    return text if -1 in (start, end) else text[: start + len(opening)] + text[end:]


def flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Options as they are named on the command line, {"model": {"init_args": {"lr": .1}}} -> {"model.lr": .1}.

    Without those that only say which seed it is, and how and where it ran.
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix if key == "init_args" else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, dict):
            found |= flat(value, name)
        elif name == "init_from" and isinstance(value, str):  # <data>/<recipe>: each seed starts from a run of its own
            here = f"{config.get('dataset')}/{value}"
            found[name] = "/".join(Path(value).parts[-3:-1]) if "/" in value else here
        elif name not in APART:
            found[name] = value
    return found


def group(runs: Sequence[Run]) -> tuple[dict[Version, list[Group]], list[str]]:
    """Groups by what makes their numbers comparable, newest schema first; and what is to be said about them.

    Of several runs of one configuration and seed the newest counts.
    """
    notes = []
    newest: dict[tuple[Version, str], dict[int, Run]] = {}
    for run in sorted(runs, key=_age):
        seeds = newest.setdefault((run.version, _key(run.recipe, run.options)), {})
        if run.seed in seeds:
            notes.append(f"{seeds[run.seed].folder} is left out: {run.folder} is newer, of the same options and seed")
        seeds[run.seed] = run
    tables: dict[Version, list[list[Run]]] = {}
    for (version, _), seeds in newest.items():
        tables.setdefault(version, []).append([seeds[seed] for seed in sorted(seeds)])
    order = sorted(tables, key=lambda version: (-version.schema, -version.protocol, -len(tables[version]), version))
    return {version: named(tables[version]) for version in order}, notes


def named(groups: Sequence[Sequence[Run]]) -> list[Group]:
    """Groups told apart by exactly the options in which those of one recipe differ.

    An option is called by its last word where that is clear, and not named where a group does not have it.
    """
    siblings: dict[str, list[Sequence[Run]]] = {}
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


def _age(run: Run) -> tuple[int, float]:
    """Sorts run folders of one recipe and seed from old to new: by their number, <seed>-<number>, else by time."""
    number = re.fullmatch(r"\d+-(\d+)", run.folder.name)
    return int(number[1]) if number else 0, (run.folder / "report.json").stat().st_mtime
