"""What each verb of the command line does. Nothing heavy is imported before the verb is called."""

import argparse
from pathlib import Path
from typing import Any

from unsup.core.errors import UsageError, UserError


def train(args: argparse.Namespace) -> None:
    from unsup.core.strict_yaml import dump
    from unsup.runs.config import pair, read

    data = named_data(args)
    data_in_files = any("class_path" in read(path).get("data", {}) for path in args.config)
    chosen_here = data is None and not data_in_files
    resolved = configured(args, "mnist" if chosen_here else data)
    if args.print_config:
        print(dump(resolved), end="")
        return
    from unsup.cli.output import show_report
    from unsup.runs.build import mnist_at_hand
    from unsup.training.stages import train_stages

    notes = []
    prepared = None
    if chosen_here:
        prepared, note = mnist_at_hand(resolved)
        notes.append(note)
        data = "mnist" if prepared else "digits"
        if not prepared:
            resolved = configured(args, data)
    notes += [f"with {path.name}" for path in pair(args.model, data)]
    for run in train_stages(resolved, args.runs, args.command, notes, prepared):
        show_report(run)


def configured(args: argparse.Namespace, data: str | None) -> dict[str, Any]:
    """The resolved configuration of a training."""
    from unsup.runs.config import compose, resolve

    plain = [(key, getattr(args, key)) for key in ("seed", "init_from", "matmul_precision", "compile")]
    options = [(key, value) for key, value in plain if value is not None] + given(args)
    return resolve(compose(args.model, data, args.config, options))


def sweep(args: argparse.Namespace) -> None:
    from unsup.training.plan import parse_grid, plan

    grid, options, data, note = parse_grid(args.grid), given(args), named_data(args), ""
    jobs = plan(args.models, data or "mnist", args.seeds, grid, options, args.runs)
    from unsup.runs.build import mnist_at_hand
    from unsup.training.sweep import summary
    from unsup.training.sweep import sweep as start

    if data is None:
        prepared, note = mnist_at_hand(jobs[0].config)
        if not prepared:
            jobs = plan(args.models, "digits", args.seeds, grid, options, args.runs)
    root = dict(options).get("data.root")
    outcome = start(jobs, args.runs, None if root is None else str(root), note)
    print(f"\n{summary(jobs, outcome)}")
    elsewhere = "" if args.runs == Path("runs") else f" RUNS={args.runs}"
    for dataset in sorted({job.config["dataset"] for job in jobs}):
        print(f"next: make compare DATA={dataset}{elsewhere}", flush=True)
    if outcome.failed:
        raise UserError(f"{len(outcome.failed)} of {len(jobs)} runs failed")


def given(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """Options of model, data and trainer, those with a short name first, and the number of threads."""
    short = [
        ("trainer.max_epochs", args.epochs),
        ("data.root", args.data_root),
        ("data.images", args.images),
        ("threads", args.threads),
    ]
    return [(key, value) for key, value in short if value is not None] + args.options


def named_data(args: argparse.Namespace) -> str | None:
    """The data set that the user names; None where none is named."""
    if args.images and args.data not in (None, "folder"):
        raise UsageError(f"--images goes with --data folder, not with --data {args.data}")
    return "folder" if args.images else args.data


def resume(args: argparse.Namespace) -> None:
    from unsup.cli.output import show_report
    from unsup.runs.run import Run
    from unsup.training.distributed import is_main_process
    from unsup.training.train import resume as go_on

    run = Run.find(args.folder)
    go_on(run, moved(args))
    if is_main_process():
        show_report(run)


def evaluate(args: argparse.Namespace) -> None:
    from unsup.cli.output import show_report
    from unsup.evaluation.run import evaluate_run
    from unsup.runs.run import Run

    run = Run.find(args.folder)
    with run.lock():
        evaluate_run(run, run.data(moved(args)))
    show_report(run)


def moved(args: argparse.Namespace) -> dict[str, str]:
    """Options of the data set that say where it lies now."""
    places = {"root": args.data_root, "images": args.images}
    return {key: place for key, place in places.items() if place}


def classify(args: argparse.Namespace) -> None:
    from unsup.cli.output import screen
    from unsup.core.errors import printable
    from unsup.core.files import shown
    from unsup.inference.sort import SHEET, classify_into, summary, told_apart
    from unsup.runs.run import Run

    out, classified = classify_into(Run.find(args.folder), args.images, args.out, args.labels, args.sort)
    screen().print(summary(classified))
    if classified.named:
        print(told_apart(classified))
    print(f"sheet  {printable(str(shown(out / SHEET)))}")


def encode(args: argparse.Namespace) -> None:
    from unsup.core.errors import printable
    from unsup.core.files import shown
    from unsup.inference.encode_folder import write_codes
    from unsup.runs.run import Run

    out, encoded = write_codes(Run.find(args.folder), args.images, args.out)
    rows, dimensions = encoded.columns["codes"].shape
    print(f"{rows:,} codes of {dimensions:,} dimensions: {printable(str(shown(out)))}")


def export(args: argparse.Namespace) -> None:
    from unsup.core.files import shown
    from unsup.inference.export import export_run
    from unsup.runs.run import Run

    print(f"exported and checked: {shown(export_run(Run.find(args.folder), args.out, args.onnx))}")


def zero_shot(args: argparse.Namespace) -> None:
    from unsup.cli.output import screen
    from unsup.core.errors import printable
    from unsup.core.files import shown
    from unsup.inference.zero_shot import name_run, summary
    from unsup.runs.run import Run

    path, named = name_run(Run.find(args.folder), args.words, args.encoder, moved(args))
    screen().print(summary(named))
    print(f"names  {printable(str(shown(path)))}")


def models(args: argparse.Namespace) -> None:
    from unsup.runs.config import CONFIGS, names
    from unsup.runs.recipes import header, stated

    for name in names("model"):
        path = CONFIGS / "model" / f"{name}.yaml"
        print(f"{name:18} {next(iter(header(path)), '')}")
        print(f"{'':18} {stated(path, 'expect') or '?'}; minutes: {stated(path, 'minutes') or '?'}")


def selfcheck(args: argparse.Namespace) -> None:
    from unsup.evaluation.selfcheck import selfcheck as check

    checks = check()
    for name, passed, measured in checks:
        print(f"{'ok  ' if passed else 'FAIL'}  {name}: {measured}")
    failed = sum(not passed for _, passed, _ in checks)
    if failed:
        raise UserError(f"the evaluator failed {failed} of {len(checks)} checks: do not trust its numbers here")
    print(f"evaluator checked: {len(checks)} of {len(checks)}")


def results(args: argparse.Namespace) -> None:
    from unsup.comparison.recorded.store import add, update_cards, update_full, update_readme
    from unsup.runs.config import CONFIGS

    top = CONFIGS.parent
    folder = top / "results"
    for run in args.add:
        add(run, folder)
    changed = {path.name: update_readme(path, folder, args.check) for path in sorted(top.glob("README*.md"))}
    changed |= {"results/README.md": update_full(folder, args.check), "results/cards": update_cards(folder, args.check)}
    for name, was_old in changed.items():
        if was_old and args.check:
            raise UserError(f"{name} is not what the reports in results/ say: run make results")
        print(f"{name}: " + ("rewritten" if was_old else "up to date"))


def compare(args: argparse.Namespace) -> None:
    from unsup.cli.output import show_comparison
    from unsup.comparison.compare import compare as start

    comparisons, unusable = start(args.runs, args.data, args.sort)
    for comparison in comparisons:
        show_comparison(comparison)
    if unusable:
        raise UserError("; ".join(map(str, unusable)))
