"""Reports read from run folders, in groups that differ only in their seed."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unsup.core.commands import NEUTRAL
from unsup.core.errors import UserError
from unsup.core.removed import without_removed
from unsup.reports.catalogue import SCORES, number
from unsup.reports.provenance_schema import Pretraining
from unsup.reports.report import load_report
from unsup.reports.schema import BaselineKey, Report, RunFacts
from unsup.reports.score_schema import Scores
from unsup.reports.sections_copies import copies_warning

Numbers = dict[str, float]  # by name of a score or of a source of chance
Interval = tuple[float, float]

IGNORED = (*NEUTRAL, "seed", "data.images", "data.file", "data.path")  # options that do not say what is trained


class Version(NamedTuple):
    """The properties that reports must share to be comparable."""

    schema: int
    protocol: int
    draft: int  # of the protocol
    data_sha256: str


@dataclass(frozen=True)
class ComparedRun:
    """The parts of a report that a comparison needs."""

    folder: Path
    recipe: str
    seed: int
    version: Version
    options: dict[str, Any]  # resolved configuration by dotted name, without IGNORED
    numbers: Numbers
    baselines: dict[BaselineKey, Numbers]  # in the order of tables
    intervals: dict[str, Interval]  # of the linear probe, over test images; by baseline, "" for the run
    initialisations: dict[str, list[float]]  # of the untrained network, by probe
    pretrained_on: Pretraining | None
    copies_warning: str  # empty if there is none
    draws: dict[str, dict[str, list[float]]]  # accuracies by draw of labels; by baseline, "" for the run, and column
    untrained: bool  # though its method trains


@dataclass(frozen=True)
class Group:
    """Runs of one configuration, one for each seed."""

    name: str  # the recipe, and the options in which it differs from other groups of that recipe
    runs: Sequence[ComparedRun]

    @property
    def learned(self) -> bool:
        """Whether seeds change it by training, unlike a baseline run as a model."""
        return self.runs[0].recipe not in ("pca", "pixels") and not self.untrained

    @property
    def untrained(self) -> bool:
        """Whether nothing was trained, though the method trains."""
        return self.runs[0].untrained

    def values(self, number: str) -> list[float]:
        """Return one value for each run that has this number."""
        return [run.numbers[number] for run in self.runs if number in run.numbers]


def read_run(path: Path) -> ComparedRun:
    """Read the report of a run.

    Raises:
        UserError: it is damaged, incomplete or not to be trusted.
    """
    try:
        report = load_report(path, curves=False)
    except OSError as e:
        raise UserError(f"cannot be read ({e.strerror})") from e
    if report.scores.code_dim is None:
        raise UserError("incomplete: scores.code_dim is missing")
    options = dotted_options(report.provenance.config) | {"dim": report.scores.code_dim}
    options |= {} if report.run.of_last_weights else {"checkpoint": Path(report.run.checkpoint).stem}
    require_sound(report)
    return ComparedRun(
        folder=path.parent,
        recipe=report.run.model,
        seed=report.run.seed,
        version=Version(report.schema, report.protocol, report.draft, report.provenance.data_sha256),
        options=options,
        numbers=score_values(report.scores, report.run),
        baselines={key: score_values(scores) for key, scores in report.ordered_baselines.items()},
        intervals=_intervals(
            {"": report.scores} | {str(key): scores for key, scores in report.ordered_baselines.items()}
        ),
        initialisations=report.baselines.get("untrained", Scores()).by_initialisation,
        pretrained_on=report.pretrained_on,
        copies_warning=copies_warning(report),
        draws={"": label_draws(report.scores)}
        | {key: label_draws(scores) for key, scores in report.ordered_baselines.items()},
        untrained=took_no_steps(report),
    )


def took_no_steps(report: Report) -> bool:
    """Return whether a run with weights to train has those that it was built with.

    PCA has no such weights. Others may come from another run, from elsewhere or from the method's own `fit`.
    """
    run, elsewhere = report.run, report.provenance.init_from or report.run.encoder
    fitted = report.pretrained_on is not None and "these training images" in report.pretrained_on.images
    return not (run.epochs or run.steps or elsewhere or fitted) and run.parameters > 0


def require_sound(report: Report) -> None:
    """Raise UserError if the evaluator found a fault with itself."""
    check = report.selfcheck
    if check and check.passed != check.total:
        raise UserError(f"the evaluator failed its own check ({check.passed} of {check.total})")
    if report.frozen.before != report.frozen.after:
        raise UserError("the evaluation changed the encoder")
    if report.test_reads != 1:
        raise UserError(f"its test images were read {report.test_reads} times")


def score_values(scores: Scores, run: RunFacts | None = None) -> Numbers:
    """Return all scores, and their standard deviations by chance within a run."""
    values = {score.name: score.value(scores, run) for score in SCORES}
    for score in SCORES:
        values |= {source: number(path, scores) for source, path in score.deviations.items()}
    return {name: value for name, value in values.items() if value is not None}


def _intervals(scores: Mapping[str, Scores]) -> dict[str, Interval]:
    probes = {key: own.linear_probe for key, own in scores.items()}
    return {
        key: (probe.low, probe.high)
        for key, probe in probes.items()
        if probe and probe.low is not None and probe.high is not None
    }


def label_draws(scores: Scores) -> dict[str, list[float]]:
    """Return the accuracies with each draw of few labels, by column."""
    return {f"few-label {n}": few.by_draw for n, few in scores.few_label.items() if few.by_draw}


def dotted_options(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return options by their name on the command line, without IGNORED.

    {"model": {"init_args": {"lr": .1}}} becomes {"model.lr": .1}.
    """
    options: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix if key == "init_args" else f"{prefix}.{key}".lstrip(".")
        if name in IGNORED:
            continue
        if isinstance(value, dict):
            current = without_removed(str(config.get("class_path")), value) if key == "init_args" else value
            options |= dotted_options(current, name)
        elif name == "init_from" and isinstance(value, str):  # <data>/<recipe>: each seed starts from another run
            source = value if ":" in value else f"{config.get('dataset')}/{value}"
            options[name] = "/".join(Path(value).parts[-3:-1]) if "/" in value else source
        elif name == "trainer.callbacks" and isinstance(value, list):
            options |= _callback_options(name, value)
        else:
            options[name] = value
    return options


def _callback_options(name: str, callbacks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the classes of callbacks, and their arguments as Class.argument."""
    options: dict[str, Any] = {}
    for callback in callbacks:
        title = str(callback["class_path"]).rpartition(".")[2]
        options[name] = f"{options[name]} + {title}" if name in options else title
        options |= {f"{title}.{key}": value for key, value in callback.get("init_args", {}).items()}
    return options


def group(runs: Sequence[ComparedRun]) -> tuple[dict[Version, list[Group]], list[str]]:
    """Return groups of comparable runs by version, and notes on them.

    The newest schema comes first. Of several runs of one configuration and seed the newest counts.
    """
    notes = []
    newest: dict[Version, dict[str, dict[int, ComparedRun]]] = {}
    for run in sorted(runs, key=_age):
        configurations = newest.setdefault(run.version, {})
        seeds = configurations.setdefault(json.dumps([run.recipe, run.options], sort_keys=True), {})
        if run.seed in seeds:
            notes.append(f"{seeds[run.seed].folder} is left out: {run.folder} is newer, of the same options and seed")
        seeds[run.seed] = run
    order = sorted(newest, key=lambda v: (-v.schema, -v.protocol, -v.draft, -len(newest[v]), v))
    return {
        version: _named_groups([[seeds[seed] for seed in sorted(seeds)] for seeds in newest[version].values()])
        for version in order
    }, notes


def _named_groups(groups: Sequence[Sequence[ComparedRun]]) -> list[Group]:
    """Return groups, named by exactly the options in which those of one recipe differ.

    An option is named by its last word if that is unique, and only in groups that have it.
    """
    recipes: dict[str, list[Sequence[ComparedRun]]] = {}
    for runs in groups:
        recipes.setdefault(runs[0].recipe, []).append(runs)
    named = []
    for recipe, siblings in recipes.items():
        differing = _differing([runs[0].options for runs in siblings])
        counts = Counter(key.rpartition(".")[2] for key in differing)
        words = {key: last if counts[last := key.rpartition(".")[2]] == 1 else key for key in differing}
        for runs in siblings:
            own = runs[0].options
            options = [f"{word}={_option_text(own[key])}" for key, word in words.items() if own.get(key) is not None]
            if runs[0].untrained:
                options = ["untrained", *(text for text in options if "max_epochs=" not in text)]
            named.append(Group(", ".join([recipe, *options]), runs))
    return sorted(named, key=lambda group: group.name)


def _differing(siblings: Sequence[dict[str, Any]]) -> list[str]:
    """Return options that differ, and "dim" only if it follows from no other.

    Arguments of a callback differ if those who have the callback have different ones.
    """
    keys = dict.fromkeys(key for options in siblings for key in options)
    having = {key: [one for one in siblings if key in one] if key[0].isupper() else siblings for key in keys}
    differing = [key for key in keys if len({_option_text(options.get(key)) for options in having[key]}) > 1]
    without_dim = [key for key in differing if key != "dim"]
    distinct = {tuple(_option_text(options.get(key)) for key in without_dim) for options in siblings}
    return without_dim if len(distinct) == len(siblings) else differing


def _option_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _age(run: ComparedRun) -> tuple[int, float]:
    """Sort runs of one recipe and seed by their number (<seed>-<number>) or time."""
    number = re.fullmatch(r"\d+-(\d+)", run.folder.name)
    return int(number[1]) if number else 0, (run.folder / "report.json").stat().st_mtime
