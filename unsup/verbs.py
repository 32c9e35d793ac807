"""What each verb of the command line does. Nothing heavy is imported before the verb is called."""

import argparse
from typing import Any

from unsup.errors import UsageError, UserError


def train(args: argparse.Namespace) -> None:
    from unsup.config import compose, dump, pair, read, resolve

    options = [("seed", args.seed), ("init_from", args.init_from), ("matmul_precision", args.matmul_precision)]
    options = [(key, value) for key, value in options if value is not None] + given(args)
    data = named_data(args)
    data_in_files = any("class_path" in read(path).get("data", {}) for path in args.config)
    chosen_here = data is None and not data_in_files
    config = compose(args.model, "mnist" if chosen_here else data, args.config, options)

    resolved = resolve(config)
    if args.print_config:
        print(dump(resolved), end="")
        return
    from unsup.build import mnist_at_hand
    from unsup.train import train as start

    notes = []
    prepared = None
    if chosen_here:
        prepared, note = mnist_at_hand(resolved)
        notes.append(note)
        data = "mnist" if prepared else "digits"
        if not prepared:
            resolved = resolve(compose(args.model, data, args.config, options))
    notes += [f"with {path.name}" for path in pair(args.model, data)]
    start(resolved, args.runs, args.command, notes, prepared)


def sweep(args: argparse.Namespace) -> None:
    from unsup.plan import parse_grid, plan

    grid, options, data, note = parse_grid(args.grid), given(args), named_data(args), ""
    jobs = plan(args.models, data or "mnist", args.seeds, grid, options, args.runs)
    from unsup.build import mnist_at_hand
    from unsup.sweep import sweep as start

    if data is None:
        prepared, note = mnist_at_hand(jobs[0].config)
        if not prepared:
            jobs = plan(args.models, "digits", args.seeds, grid, options, args.runs)
    root = dict(options).get("data.root")
    start(jobs, args.runs, None if root is None else str(root), note)


def given(args: argparse.Namespace) -> list[tuple[str, Any]]:
    """Options of model, data and trainer, those with a short name first."""
    short = [("trainer.max_epochs", args.epochs), ("data.root", args.data_root), ("data.images", args.images)]
    return [(key, value) for key, value in short if value is not None] + args.options


def named_data(args: argparse.Namespace) -> str | None:
    """The data set that the user names; None where none is named."""
    if args.images and args.data not in (None, "folder"):
        raise UsageError(f"--images goes with --data folder, not with --data {args.data}")
    return "folder" if args.images else args.data


def resume(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.train import resume as go_on

    go_on(runs.find(args.folder), moved(args))


def evaluate(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.evaluate import evaluate_run

    run = runs.find(args.folder)
    with runs.locked(run):
        evaluate_run(run, moved=moved(args))


def moved(args: argparse.Namespace) -> dict[str, str]:
    """Options of the data set that say where it lies now."""
    places = {"root": args.data_root, "images": args.images}
    return {key: place for key, place in places.items() if place}


def classify(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.sorting import classify_into

    classify_into(runs.find(args.folder), args.images, args.out, args.labels, args.sort)


def encode(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.encode import write_codes
    from unsup.errors import printable
    from unsup.files import shown

    out, encoded = write_codes(runs.find(args.folder), args.images, args.out)
    rows, dimensions = encoded.columns["codes"].shape
    print(f"{rows:,} codes of {dimensions:,} dimensions: {printable(str(shown(out)))}")


def export(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.export import export_run
    from unsup.files import shown

    print(f"exported and checked: {shown(export_run(runs.find(args.folder), args.out, args.onnx))}")


def models(args: argparse.Namespace) -> None:
    from unsup.config import CONFIGS, names

    for name in names("model"):
        lines = (CONFIGS / "model" / f"{name}.yaml").read_text().splitlines()
        header = [line[1:].strip() for line in lines if line.startswith("#")]
        fields = dict(line.split(": ", 1) for line in header if line.startswith(("expect: ", "minutes: ")))
        print(f"{name:18} {header[0] if header else ''}")
        print(f"{'':18} {fields.get('expect', '?')}; minutes: {fields.get('minutes', '?')}")


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
    from unsup.config import CONFIGS
    from unsup.evaluation.results import add, update_readme

    top = CONFIGS.parent
    for run in args.add:
        add(run, top / "results")
    for readme in sorted(top.glob("README*.md")):
        changed = update_readme(readme, top / "results", check=args.check)
        if changed and args.check:
            raise UserError(f"the table in {readme.name} is not what results/ says: run make results")
        print(f"{readme.name}: table " + ("rewritten" if changed else "up to date"))


def compare(args: argparse.Namespace) -> None:
    from unsup.evaluation.compare import compare as start

    start(args.runs, args.data, args.sort)
