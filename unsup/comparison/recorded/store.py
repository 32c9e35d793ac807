"""Recorded reports, results/<data>/<model>/<seed>.json, and their tables."""

import copy
import re
from pathlib import Path, PurePath

import yaml

from unsup.comparison.groups import require_sound
from unsup.comparison.recorded.cards import make_cards
from unsup.comparison.recorded.commands import make_command, without_paths
from unsup.comparison.recorded.plan import missing_text, read_plan
from unsup.comparison.recorded.tables import full_tables, readme_tables
from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.core.files import replace_file
from unsup.reports.provenance_schema import GitState
from unsup.reports.report import read_report, to_json
from unsup.reports.schema import SCHEMA, Report

WRITER = suggest("results", via="make")
CHECK = suggest("reproduce", via="make", card="mnist-simclr")
TITLE = f"""# Results

Written by `{WRITER}` from the reports in this folder. `{CHECK}` checks a row.

* A row is a mean over training seeds ± their standard deviation. Models are sorted by linear probe. The baselines
  follow in italics: PCA at the models' dimensions, and raw pixels.
* *augmentation*: the random views that training saw (`digits` never flips, `natural` does).
* *chosen*: what chose the settings of the recipe. *validation*: labels of validation images (of `selflabel` also those
  of training images, and of test images for one alternative). *label-free*: a measure without labels. *published*: the
  paper, or set beforehand.
* An encoder that was trained elsewhere has the origin of its weights in brackets.
* *untrained*: the same network before training, mean of three initialisations.
* *few-label 10*: 10 labelled images per class. *kNN*: vote of the 20 nearest training codes.
* *k-means ACC*, *own clusters ACC*: share of test images in the cluster of their class, of k-means and of the model.
* *reconstruction SSE*: squared error summed over an image's pixels in [0, 1].
* *CPU-s*, *GPU-s*: seconds of training, all stages. *budget*: these, divided by the seconds that a fixed workload took
  on the same machine. *images seen*, *views seen*: in the last stage alone, repetitions counted.
* *Fréchet*, *kernel*: squared distances of generated from test images. *-ELBO*, *NLL*: nats per image.
"""
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def record_report(run: Path, results: Path) -> Path:
    """Copy the report of a run to results/<data>/<model>/<seed>.json, its new path.

    Raises:
        UserError: the report is of a draft or an old protocol, not complete or not to be trusted, or its code was in no
            commit.
    """
    source = run / "report.json"
    report = read_complete(source)
    if report.draft:
        raise UserError(
            f"{source} is of {report.protocol_name}: recording begins when the protocol is final (DRAFT = 0)"
        )
    if report.quick:
        raise UserError(f"{source} is of a quick evaluation: evaluate the run again to record it")
    if not report.run.of_last_weights:
        problem = f"{source} is of checkpoints/{report.run.checkpoint}, and recorded rows are of the last weights"
        raise UserError(f"{problem}: {suggest('evaluate', run=run)} first")
    if report.schema < SCHEMA:
        raise UserError(f"{source} is of {report.protocol_name}: evaluate the run again to record it")
    try:
        require_sound(report)
    except UserError as e:
        raise UserError(f"{source}: {e}; evaluate the run again") from e
    made = report.provenance
    if any(code.dirty for code in (made, made.evaluation or GitState(), *(made.resumed or ()))):
        raise UserError(f"{source}: the run was made with changes that no commit holds; commit them and train again")
    data, model, seed = report.run.data, report.run.model, report.run.seed
    if not all(re.fullmatch(r"\w[\w@.-]*", name) for name in (data, model, str(seed))):
        raise UserError(f"{source}: {data}, {model}, {seed} cannot be the name of a file")
    target = results / data / model / f"{seed}.json"
    try:
        text = to_json(without_local_paths(report))
    except (AttributeError, TypeError, ValueError) as e:  # of the configuration, whose options have no fixed types
        raise UserError(f"{source} is damaged ({e}): evaluate the run again") from e
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, text)
    return target


def without_local_paths(report: Report) -> Report:
    """Return the report without curves, fine-tuning and paths on this machine.

    The name of a folder of images stays, and that of a run which this one started from, below runs/.
    """
    recorded = copy.deepcopy(report)
    start = recorded.provenance.init_from.run if recorded.provenance.init_from else "another"
    recorded.run.command = without_paths(report.run.command, start)
    recorded.curves, recorded.finetuned, recorded.named = None, [], None  # a card checks frozen probes alone
    config = recorded.provenance.config
    options = config.get("data", {}).get("init_args", {})
    options.pop("root", None)
    config.get("trainer", {}).pop("logger", None)
    for place in options.keys() & {"images", "file", "path"}:
        options[place] = PurePath(options[place]).name
    if "/" in config.get("init_from", ""):
        config["init_from"] = f"runs/{start}"
    return recorded


def read_complete(path: Path) -> Report:
    """Read a report that has all that the tables need.

    Raises:
        UserError: it is damaged, or something is missing.
    """
    report = read_report(path)
    run, made = report.run, report.provenance
    needed = {
        "run.views": run.views,
        "run.chosen": run.chosen,
        **({} if run.encoder else {"run.stages_cpu_seconds": run.stages_cpu_seconds, "run.reference": run.reference}),
        "provenance.commit": made.commit,
        "provenance.dirty": made.dirty,
        "scores.code_dim": report.scores.code_dim,
        **{f"baselines.{key}.code_dim": scores.code_dim for key, scores in report.ordered_baselines.items()},
    }
    if missing := [key for key, value in needed.items() if value is None]:
        raise UserError(f"{path} has no {', '.join(missing)}: train or evaluate it again, in a git checkout")
    try:
        make_command(run)
    except ValueError as e:
        raise UserError(f"{path} is damaged (run.command: {e}): evaluate the run again") from e
    return report


def update_readme(readme: Path, results: Path, check: bool = False) -> bool:
    """Write tables between the README's markers and return whether it was outdated.

    Args:
        readme: the file.
        results: folder of the recorded reports.
        check: write nothing.

    Raises:
        UserError: a report is damaged, or a marker does not occur once.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{readme} must have the lines {BEGIN} and {END} once each, in this order")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    return _update(readme, f"{before}{BEGIN}\n{readme_tables(*_recorded(results))}{END}{after}", check)


def update_results_page(results: Path, check: bool = False) -> bool:
    """Write results/README.md, as `update_readme`."""
    reports, about = _recorded(results)
    parts = [TITLE, full_tables(reports, about), missing_text(read_plan(results / "plan.yaml"), reports)]
    return _update(results / "README.md", "\n".join(filter(None, parts)), check)


def update_cards(results: Path, check: bool = False) -> bool:
    """Write results/cards and remove cards without reports, as `update_readme`.

    Only rows that are trained have a card.
    """
    reports, about = _recorded(results)
    made = make_cards([report for report in reports if not report.run.encoder], about)
    cards = {results / "cards" / f"{name}.yaml": text for name, text in made.items()}
    stale = [path for path in (results / "cards").glob("*.yaml") if path not in cards]
    changed = [path for path, text in cards.items() if _update(path, text, check)]
    for path in stale if not check else ():
        path.unlink()
    return bool(stale or changed)


def _recorded(results: Path) -> tuple[list[Report], dict[str, str]]:
    """Return all reports, and the descriptions of images in results/about.yaml."""
    about = results / "about.yaml"
    texts = yaml.safe_load(about.read_text(encoding="utf-8")) if about.exists() else {}
    return [read_complete(path) for path in sorted(results.glob("*/*/*.json"))], texts


def _update(path: Path, new: str, check: bool) -> bool:
    changed = not path.exists() or path.read_text(encoding="utf-8") != new
    if changed and not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, new)
    return changed
