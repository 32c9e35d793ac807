"""What each verb of the command line does. Nothing heavy is imported before the verb is called."""

import argparse

from unsup.errors import UsageError, UserError


def train(args: argparse.Namespace) -> None:
    from unsup.config import compose, dump, pair, read, resolve

    options = [
        ("seed", args.seed),
        ("init_from", args.init_from),
        ("matmul_precision", args.matmul_precision),
        ("trainer.max_epochs", args.epochs),
        ("data.root", args.data_root),
        ("data.images", args.images),
    ]
    options = [(key, value) for key, value in options if value is not None] + args.options
    if args.images and args.data not in (None, "folder"):
        raise UsageError(f"--images goes with --data folder, not with --data {args.data}")
    data = "folder" if args.images else args.data
    data_in_files = any("class_path" in read(path).get("data", {}) for path in args.config)
    chosen_here = data is None and not data_in_files
    config = compose(args.model, "mnist" if chosen_here else data, args.config, options)

    resolved = resolve(config)
    if args.print_config:
        print(dump(resolved), end="")
        return
    from unsup.build import prepare
    from unsup.train import train as start

    notes = []
    prepared = None
    if chosen_here:
        data = "mnist"
        try:
            prepared = prepare(resolved)
            notes.append("no DATA named: MNIST is at hand")
        except UserError as e:
            data = "digits"
            resolved = resolve(compose(args.model, data, args.config, options))
            notes.append(f"no DATA named, and {e}")
    notes += [f"with {path.name}" for path in pair(args.model, data)]
    start(resolved, args.runs, args.command, notes, prepared)


def evaluate(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.evaluate import evaluate_run

    places = {"root": args.data_root, "images": args.images}
    evaluate_run(runs.find(args.folder), moved={key: place for key, place in places.items() if place})


def classify(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.sorting import classify_into

    classify_into(runs.find(args.folder), args.images, args.out, args.labels, args.sort)


def encode(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.encode import write_codes

    codes = write_codes(runs.find(args.folder), args.images, args.out).columns["codes"]
    print(f"{len(codes):,} codes of {codes.shape[1]:,} dimensions: {args.out}")


def export(args: argparse.Namespace) -> None:
    from unsup import runs
    from unsup.export import export_run

    print(f"exported and checked: {export_run(runs.find(args.folder), args.out, args.onnx)}")


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
