"""Evaluation of a run and its baselines, into a report with figures."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import torch

from unsup.core.commands import suggest
from unsup.core.devices import fastest_device
from unsup.core.errors import UserError
from unsup.core.splits import SPLITS
from unsup.data.base import ImageData
from unsup.evaluation.baseline_differences import compare_with_baselines
from unsup.evaluation.baselines import BaselineResult, cache_key, compute_baselines, feature_spaces
from unsup.evaluation.cached_selfcheck import cached_selfcheck
from unsup.evaluation.copy_search import find_copies
from unsup.evaluation.draw import draw_figures
from unsup.evaluation.findings import find_faults
from unsup.evaluation.foreign_encoding import PictureSource
from unsup.evaluation.image_facts import image_facts
from unsup.evaluation.progress import about, say
from unsup.evaluation.protocol import DRAFT, VERSION, Evaluation, judge_model
from unsup.evaluation.stored import has_images
from unsup.evaluation.tensorboard import Curves, curves_of, write_dashboard
from unsup.models.base import Model
from unsup.models.foreign import code_cache
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.reports.catalogue import start_scores
from unsup.reports.named import Named
from unsup.reports.provenance_schema import Pretraining, Provenance
from unsup.reports.report import as_record
from unsup.reports.schema import SCHEMA, EncoderHashes, ReferenceKey, Report, RunFacts, Selfcheck, Start, correct_key
from unsup.reports.score_schema import Scores
from unsup.runs.finetuned import finetuned_results
from unsup.runs.origin import pretrained_on, stages_cost
from unsup.runs.provenance import git_state
from unsup.runs.records import LAST
from unsup.runs.run import Run
from unsup.runs.shared import shared_folder
from unsup.runs.threads import use_threads

QUICK = "quick: linear probe, few labels, kNN and k-means, and the cached baselines"


class Judgement(NamedTuple):
    """A run put through the protocol."""

    model: Model  # on the device where it was judged
    checkpoint: str  # the name of the file that its weights come from
    evaluation: Evaluation
    baselines: dict[ReferenceKey, BaselineResult]
    pretraining: Pretraining
    checks: list[tuple[str, bool, str]] | None  # of the evaluator: name, passed, measured; None: a quick evaluation
    findings: list[str] | None  # of an audit of one's own images


def evaluate_run(run: Run, data: ImageData, quick: bool = False, checkpoint: Path | None = None) -> Report:
    """Judge a finished run, which the caller has locked, and write its report.

    The same checkpoint and data give the same scores bit for bit. A quick evaluation has the first of them, and the
    cached baselines; it draws no figures and does not check the evaluator. The weights are those of `checkpoint`, by
    default the last ones, and whatever uses the run has them from then on.

    Raises:
        UserError: the run is not complete.
    """
    if not run.trained:
        raise UserError(f"{run} is not trained to its end: {suggest('resume', run=run)} continues it")
    with use_threads(run.versions.get("threads")):
        checkpoint = checkpoint or run.last_checkpoint
        return _write_evaluation(run, data, _judge(run, data, quick, checkpoint))


def _judge(run: Run, data: ImageData, quick: bool, checkpoint: Path) -> Judgement:
    """Put a checkpoint and the baselines of its images through the protocol."""
    torch.set_float32_matmul_precision("highest")
    model = run.model(checkpoint)
    if run.config["trainer"].get("accelerator") != "cpu":
        model = model.to(fastest_device())
    pretraining = pretrained_on(run, model)
    folder = shared_folder(run) / "baselines"
    source = PictureSource(shared_folder(run) / code_cache.FOLDER)
    pictured = has_images(data)
    if quick:
        say(QUICK)
    checks = None if quick else cached_selfcheck(folder)
    spaces = feature_spaces(data, folder) if hasattr(model, "sample") and not quick else []
    copies = find_copies(data, folder, cache_key(data)) if pictured and not quick else None
    with about(run.config["recipe"]):
        evaluation = judge_model(
            model,
            data,
            layers=not quick,
            extent="quick" if quick else "full",
            robustness=not quick,
            feature_spaces=spaces,
            copies=copies,
            source=source,
        )
    dim = evaluation.codes.shape[1]
    baselines = compute_baselines(model, dim, data, folder, spaces, source, at_hand=quick) if pictured else {}
    findings = None if quick else find_faults(data, folder, cache_key(data))
    return Judgement(model, checkpoint.name, evaluation, baselines, pretraining, checks, findings)


def _write_evaluation(run: Run, data: ImageData, judged: Judgement) -> Report:
    """Write everything that an evaluation leaves in the run folder."""
    curves, figures, pictures = curves_of(run.folder), dict[str, str](), None
    if judged.checks is not None:
        say("report and figures")
        figures, drawn = draw_figures(run.folder, judged.model, data, judged.evaluation)
        pictures = drawn if has_images(data) else None
        if pictures is None:
            figures = {path: title for path, title in figures.items() if "neighbours" not in path}
    report = _build_report(run, data, judged, curves, figures)
    correct = judged.evaluation.correct | {
        correct_key(probe, name): values
        for name, baseline in judged.baselines.items()
        for probe, values in baseline.correct.items()
    }
    run.write_report(report, judged.evaluation.readout, correct, pictures)
    if judged.checks is None:
        return report
    say("dashboard")
    steps = [points[-1][0] for points in curves.values() if points]
    last = int(max(steps, default=0))
    write_dashboard(run.folder, run.config, data, judged.evaluation, step=last, command=run.versions["command"])
    return report


def _build_report(run: Run, data: ImageData, judged: Judgement, curves: Curves, figures: Mapping[str, str]) -> Report:
    """Return the content of report.json."""
    evaluation, now, model, checks = judged.evaluation, git_state(), judged.model, judged.checks
    foreign = isinstance(model, ForeignEncoder)
    versions = {key: value for key, value in run.versions.items() if key != "command"}
    facts: dict[str, Any] = {
        "model": run.config["recipe"],
        "data": run.config["dataset"],
        "seed": run.config["seed"],
        "code_dim": evaluation.codes.shape[1],
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad or foreign),
        "augmentation": run.training.get("views", "none") != "none",
        "images": {split: data.size(split) for split in SPLITS},
        **(image_facts(data) if has_images(data) else {}),
        **run.training,
        **stages_cost(run),
        "checkpoint": judged.checkpoint,
        **({} if judged.checkpoint == LAST else {"averaged_by": None}),  # it is known of the last weights
        "encoder": model.name if isinstance(model, ForeignEncoder) else None,
        "pictures": model.preparation if isinstance(model, ForeignEncoder) else None,
        "bibtex": data.bibtex or None,
        "method_bibtex": model.bibtex or None,
        "command": run.versions["command"],
        "class_names": list(data.class_names),
    }
    made = {
        **versions,
        "config": _without_nulls(run.config),
        "date": date.today().isoformat(),
        **({} if now.items() <= versions.items() else {"evaluation": now}),
    }
    return Report(
        schema=SCHEMA,
        protocol=VERSION,
        draft=DRAFT,
        run=as_record(facts, RunFacts),
        provenance=as_record(made, Provenance),
        quick=judged.checks is None,
        selfcheck=Selfcheck(passed=sum(passed for _, passed, _ in checks), total=len(checks)) if checks else None,
        frozen=EncoderHashes(before=evaluation.weight_hashes[0], after=evaluation.weight_hashes[1]),
        test_reads=evaluation.test_reads,
        scores=as_record(evaluation.scores, Scores),
        baselines={name: as_record(baseline.scores, Scores) for name, baseline in judged.baselines.items()},
        comparisons=compare_with_baselines(evaluation, judged.baselines),
        start=started_from(run, versions),
        finetuned=finetuned_results(run.folder),
        named=scores_on_names(run, evaluation.weight_hashes[1]),
        findings=judged.findings,
        curves=curves,
        figures=dict(figures),
        pretrained_on=judged.pretraining,
    )


def scores_on_names(run: Run, weights: str) -> Named | None:
    """Return the present scores on named images, if they are of these weights."""
    if not run.evaluated:
        return None
    try:
        present = run.report
    except UserError:  # it is damaged, and about to be replaced
        return None
    return present.named if present.frozen.after == weights else None


def started_from(run: Run, versions: Mapping[str, Any]) -> Start | None:
    """Return the scores of the run that this one was initialised from.

    None unless that run's report exists and has the same images, weights, protocol and draft.
    """
    origin = versions.get("init_from")
    if not origin:
        return None
    try:
        root = run.folder.resolve().parents[2]  # folders are <root>/<data>/<recipe>/<seed>-<number>
        source = Run(root / origin["run"])
        report, images = source.report, source.versions["data_sha256"]
        wanted = (VERSION, DRAFT, origin["weights_sha256"], versions["data_sha256"])
    except (LookupError, TypeError, UserError):  # missing or damaged: this run's own numbers do not need it
        return None
    if (report.protocol, report.draft, report.frozen.after, images) != wanted:
        return None
    return Start(run=origin["run"], scores=start_scores(report.scores))


def _without_nulls(value: Any) -> Any:
    """Return options without nulls, which a report does not hold."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list | tuple) else value
