"""Evaluation of a run: its last checkpoint through the protocol, beside the floors, into a report with figures."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from rich.console import Console

from unsup.core.array_files import Arrays, keep
from unsup.core.errors import UserError
from unsup.core.files import shown
from unsup.data.base import ImageData
from unsup.evaluation.baselines import Floor, about, feature_spaces, floors
from unsup.evaluation.codes import SPLITS
from unsup.evaluation.draw import draw
from unsup.evaluation.protocol import VERSION, Evaluation, evaluate
from unsup.evaluation.selfcheck import selfcheck
from unsup.evaluation.tensorboard import curves_of, write_dashboard
from unsup.metrics.intervals import paired_difference
from unsup.reports.catalogue import scores_of_start
from unsup.reports.report import as_record, read_report, summary_table, write_report
from unsup.reports.schema import Comparison, EncoderHashes, FloorName, Provenance, Report, RunFacts, Selfcheck, Start
from unsup.reports.score_schema import Scores
from unsup.runs import folder as runs
from unsup.runs.build import load_run, prepare
from unsup.runs.provenance import git_state

SCHEMA = 3  # of report.json: another layout or another `protocol.VERSION` is another schema
QUIET_SECONDS = 10  # between lines of progress where there is no terminal


def evaluate_run(
    run: Path,
    data: ImageData | None = None,
    moved: Mapping[str, str] = MappingProxyType({}),
) -> Report:
    """Judge a finished run and write its report; the same checkpoint and data give the same scores bit for bit.

    Args:
        run: the run folder.
        data: its data module, when it is loaded already.
        moved: where the data lie now, if not where the run found them: options of the data set (root, images).

    Raises:
        UserError: the run is not complete, or the data that it was trained on are not at hand.
    """
    config = runs.config_of(run)
    training, versions = runs.record_of(run, "training.json"), runs.record_of(run, "versions.json")
    torch.set_float32_matmul_precision("highest")
    if moved:
        config["data"]["init_args"] |= moved
        data = prepare(config)
    model, data = load_run(run, data)
    runs.check_images(run, data.fingerprint())
    if torch.cuda.is_available() and config["trainer"].get("accelerator") != "cpu":
        model = model.cuda()
    with progress() as say:
        say("checking the evaluator")
        checks = selfcheck()
        in_place = run.parts[-3:-1] == (config["dataset"], config["recipe"])
        folder = (run.parents[1] if in_place else run) / "floors"
        spaces = feature_spaces(data, folder, say) if hasattr(model, "sample") else []
        told = about(config["recipe"], say)
        evaluation = evaluate(model, data, layers=True, feature_spaces=spaces, say=told)
        beside = floors(model, evaluation.codes.shape[1], data, folder, spaces, say)
        now, curves = git_state(), curves_of(run)
        say("report and figures")
        figures, pictures = draw(run, model, data, evaluation)
        facts = {
            "model": config["recipe"],
            "data": config["dataset"],
            "seed": config["seed"],
            "code_dim": evaluation.codes.shape[1],
            "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            "augmentation": training.get("views", "none") != "none",
            "images": {split: data.size(split) for split in SPLITS},
            **training,
            "stages_seconds": runs.seconds_of(training, versions),
            "command": versions.pop("command"),
            "class_names": list(data.class_names),
        }
        made = {
            **versions,
            "config": applicable(config),
            **({} if now.items() <= versions.items() else {"evaluation": now}),
        }
        report = Report(
            schema=SCHEMA,
            protocol=VERSION,
            run=as_record(facts, RunFacts),
            provenance=as_record(made, Provenance),
            selfcheck=Selfcheck(passed=sum(passed for _, passed, _ in checks), total=len(checks)),
            frozen=EncoderHashes(before=evaluation.frozen[0], after=evaluation.frozen[1]),
            test_reads=evaluation.test_reads,
            scores=as_record(evaluation.scores, Scores),
            floors={name: as_record(floor.scores, Scores) for name, floor in beside.items()},
            comparisons={
                name: differences_from(evaluation, floor)
                for name, floor in beside.items()
                if name != "real" and floor.correct
            },
            start=started_from(run, versions),
            curves=curves,
            figures=figures,
        )
        keep(run / "heads.npz", evaluation.heads.arrays())
        keep(run / "correct.npz", correctness(evaluation, beside))
        write_report(run, report, pictures)
        say("dashboard")
        steps = [points[-1][0] for points in curves.values() if points]
        write_dashboard(run, config, data, evaluation, step=int(max(steps, default=0)))
    Console(width=None if sys.stdout.isatty() else 100).print(summary_table(report))
    print(f"report     {shown(run / 'report.html')}\ndashboard  make dashboard")
    return report


def started_from(run: Path, versions: Mapping[str, Any]) -> Start | None:
    """Return the scores of the run that this one was initialised from, on the same images.

    None where there is no such run, or its report is gone or not of these weights and this protocol.
    """
    origin = versions.get("init_from")
    if not origin:
        return None
    try:
        source = run.resolve().parents[2] / origin["run"]
        report, images = read_report(source / "report.json"), runs.record_of(source, "versions.json")["data_sha256"]
        wanted = (VERSION, origin["weights_sha256"], versions["data_sha256"])
    except (LookupError, TypeError, UserError):  # gone, moved or damaged: this run's own numbers do not need it
        return None
    if (report.protocol, report.frozen.after, images) != wanted:
        return None
    return Start(run=origin["run"], scores=scores_of_start(report.scores))


def applicable(value: Any) -> Any:
    """Without the options that are null: a report holds no nulls."""
    if isinstance(value, dict):
        return {key: applicable(item) for key, item in value.items() if item is not None}
    return value


def correctness(evaluation: Evaluation, floors: Mapping[FloorName, Floor]) -> Arrays:
    """{"linear_probe": (n_test,), …, "pca/linear_probe": …}: what comparisons of several runs need of each image."""
    of_floors = {f"{name}/{key}": values for name, floor in floors.items() for key, values in floor.correct.items()}
    return evaluation.correct | of_floors


def differences_from(evaluation: Evaluation, floor: Floor) -> Comparison:
    """Return paired differences, this model minus the floor, on the same test images."""
    names = [name for name in ("linear_probe", "few_label_10") if name in evaluation.correct and name in floor.correct]
    each = floor.scores.get("by_initialisation", {})
    differences: dict[str, Any] = {
        name: paired_difference(evaluation.correct[name], floor.correct[name], each.get(name, ())) for name in names
    }
    return as_record(differences, Comparison)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that says what is being computed: a moving line in a terminal, elsewhere a line every few seconds."""
    console = Console(stderr=True)
    if sys.stderr.isatty():  # not `console.is_terminal`: that believes an environment that asks for colours
        with console.status("evaluating") as status:
            yield lambda text: status.update(f"evaluating: {text}")
        return
    last = time.monotonic()

    def say(text: str) -> None:
        nonlocal last
        if time.monotonic() - last > QUIET_SECONDS:
            last = time.monotonic()
            print(f"evaluating: {text}", file=sys.stderr, flush=True)

    yield say
