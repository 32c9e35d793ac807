"""The commands that evaluate runs, and compare, record and reproduce results."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from unsup.cli.encoders import encoder_config
from unsup.cli.named import compare_on_names, evaluate_names
from unsup.cli.output import show_comparison, show_report
from unsup.cli.parser import CommandLine, parse
from unsup.cli.training import checked_config, data_set_of, new_locations, overrides, train
from unsup.core.commands import option, suggest
from unsup.core.errors import UsageError, UserError, printable
from unsup.core.files import short_path
from unsup.runs.lookup import results_folder
from unsup.runs.run import Run

OTHER = ("print_config", "runs")  # parameters of `train` that do not set an option


def evaluate(
    run: str | None = None,
    *,
    line: CommandLine,
    encoder: str | None = None,
    codes: str | None = None,
    data: str | None = None,
    images: str | None = None,
    data_root: str | None = None,
    labels: Path | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Repeat the evaluation of a run, or judge any encoder on any images.

    Encoders are named torchvision:NAME, timm:NAME, hf:FOLDER, file.py:build, package.module:build, x.onnx, x.pt2 or
    starter (EfficientNet-Lite0). Libraries may download their weights. Their options are:
      --encoder.size 96  --encoder.crop 0.875  --encoder.interpolation bicubic  --encoder.mean "[0.5, 0.5, 0.5]"
      --encoder.std "[0.5, 0.5, 0.5]"  --encoder.trained_on other  --encoder.supervision labels  --encoder.note TEXT

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        line: dotted options
        encoder: an encoder that was trained elsewhere, instead of a run
        codes: a file of codes, made anywhere: arrays train, train_labels, test, test_labels [val, val_labels, images]
        data: with an encoder or codes: a data set in configs/data
        images: your folder of images; of a run: if it has moved
        data_root: the folder of data sets (data); of a run: if it has moved
        labels: names of some images of a folder, in a CSV file with the columns file,name: judge a run on these alone
        runs: the folder of runs (runs)
    """
    if sum(given is not None for given in (run, encoder, codes)) != 1:
        others = f"{option('encoder', '<name>')} or {option('codes', '<file>')}"
        raise UsageError(f"evaluate takes one of three: a run, {others}")
    if codes and labels:
        raise UsageError(f"{option('labels')} needs pictures, which {option('codes')} has not")
    if run is None:
        config = encoder_config(encoder, codes, data, images, data_root, line)
        from unsup.evaluation.encoder_run import evaluate_encoder

        judged = evaluate_encoder(config, runs, line.text)
        show_report(judged)
        if labels:
            evaluate_names(judged, images, labels)
        return
    if data or line.options:
        raise UsageError(f"{'--data' if data else f'--{line.options[0][0]}'} goes with --encoder, not with a run")
    trained, locations = Run.find(run), new_locations(data_root, images)
    if labels:
        evaluate_names(trained, images, labels)
        return
    from unsup.evaluation.run import evaluate_run

    with trained.lock():
        trained.relocate(locations)
        evaluate_run(trained, trained.data())
    show_report(trained)


def audit(
    *,
    line: CommandLine,
    images: str | None = None,
    data: str | None = None,
    data_root: str | None = None,
    out: Path | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Look for copies, leaks, odd files, doubtful labels and shortcuts.

    Any option of the data set can be set by its dotted name: --data.size 64

    Args:
        line: dotted options
        images: your folder of images; short for --data folder --data.images
        data: a data set in configs/data
        data_root: the folder of data sets (data)
        out: the folder to write into (<runs>/<data>/audit)
        runs: the folder of runs (runs)
    """
    name = data_set_of(data, images)
    if name is None:
        raise UsageError(f"give {option('images', '<folder>')} or {option('data', '<data set>')}: which images?")
    options = overrides(line, images=images, data_root=data_root)
    if name == "folder":
        options = [("data.skip_unreadable", True), *options]
    config = checked_config("pixels", name, (), options)
    from unsup.evaluation.audit import audit as look
    from unsup.evaluation.audit_page import write_audit
    from unsup.runs.build import load_data

    loaded = load_data(config)
    findings = look(loaded, loaded.left_out())
    page = write_audit(out or runs / config["dataset"] / "audit", findings, images or name)
    for finding in findings.lines() or ["nothing that needs a look"]:
        print(printable(finding))
    print(f"audit  {printable(str(short_path(page)))}")


def compare(
    *,
    data: str | None = None,
    runs: Path = Path("runs"),
    sort: str | None = None,
    a: str | None = None,
    b: str | None = None,
    labels: Path | None = None,
) -> None:
    """Compare all reports of a data set, over seeds and with the baselines.

    Args:
        data: the data set (all that have reports)
        runs: the folder of runs (runs)
        sort: a column of the table (linear probe)
        a: a row of the table whose contrast with another one was planned
        b: that other row
        labels: names of some images of a folder, in a CSV file with the columns file,name: compare all runs on these
    """
    if labels:
        if sort or a or b:
            raise UsageError(f"{option('labels')} compares runs on named images: leave {option('sort')} and A, B out")
        compare_on_names(runs, data, labels)
        return
    from unsup.comparison.compare import compare_all

    contrast = (a, b) if a and b else None
    if (a or b) and not contrast:
        raise UsageError(f"a contrast has two rows: give {option('a', '<row>')} and {option('b', '<row>')}")
    comparisons, unusable = compare_all(runs, data, sort, contrast)
    for comparison in comparisons:
        show_comparison(comparison)
    if unusable:
        raise UserError("; ".join(map(str, unusable)))


def selfcheck() -> None:
    """Check the evaluator on planted codes whose scores are known."""
    from unsup.evaluation.selfcheck import selfcheck as check

    checks = check()
    for name, passed, measured in checks:
        print(f"{'ok  ' if passed else 'FAIL'}  {name}: {measured}")
    failed = sum(not passed for _, passed, _ in checks)
    if failed:
        raise UserError(f"the evaluator failed {failed} of {len(checks)} checks: do not trust its numbers here")
    print(f"evaluator checked: {len(checks)} of {len(checks)}")


def results(run: Sequence[Path] = (), *, check: bool = False) -> None:
    """Record reports in results/, and write tables and cards from them.

    Args:
        run: run folders whose reports are recorded
        check: only check whether everything is up to date (exit code 1 if not)
    """
    from unsup.comparison.recorded.store import record_report, update_cards, update_readme, update_results_page

    folder = results_folder()
    top = folder.parent
    for path in run:
        record_report(path, folder)
    changed = {path.name: update_readme(path, folder, check) for path in sorted(top.glob("README*.md"))}
    changed |= {"results/README.md": update_results_page(folder, check), "results/cards": update_cards(folder, check)}
    for name, was_old in changed.items():
        if was_old and check:
            raise UserError(f"{name} differs from the reports in results/: run {suggest('results')}")
        print(f"{name}: " + ("rewritten" if was_old else "up to date"))


def reproduce(
    card: str,
    *,
    seeds: Sequence[int | Literal["all"]] = (),
    data_root: str | None = None,
    images: str | None = None,
    runs: Path = Path("runs/reproduced"),
) -> None:
    """Train a recorded row again and check its scores (exit code 1 if they differ).

    Args:
        card: a card in results/cards, such as mnist-deep_ae
        seeds: seeds, or all (the first of the card)
        data_root: the folder of data sets (data)
        images: your copy of the folder of images, if the card is about one
        runs: the folder for the new runs (runs/reproduced)
    """
    from unsup.comparison.recorded.cards import check_card, check_table, read_card

    row = read_card(results_folder() / "cards", card)
    refuse_other_protocol(card, row.protocol, row.draft)
    words = shlex.split(row.command)[1:]
    if "--images" in words and not images:
        raise UsageError(f"{card} is about a folder of images: give yours, {option('images', '<folder>')} ({row.what})")
    new_locations(data_root, images)
    paths = {"--data_root": data_root, "--images": images, "--runs": runs}
    words += [word for name, path in paths.items() if path for word in (name, str(path))]
    numbers = [seed for seed in seeds if isinstance(seed, int)]
    chosen = row.seeds if "all" in seeds else numbers or row.seeds[:1]
    import torch

    from unsup.runs.build import load_data
    from unsup.training.stages import train_stages

    missed = []
    for seed in dict.fromkeys(chosen):
        _, arguments = parse([*words, "--seed", str(seed)], {"train": train})
        model, data, files, line = (arguments.pop(name) for name in ("model", "data", "config", "line"))
        options = overrides(line, **{name: value for name, value in arguments.items() if name not in OTHER})
        config = checked_config(model, data_set_of(data, images), files, options)
        config["threads"] = row.threads.get(seed, torch.get_num_threads())
        prepared = load_data(config)
        if prepared.fingerprint() != row.data["sha256"]:
            checksums = f"{prepared.fingerprint()[:12]}, not {row.data['sha256'][:12]}"
            raise UserError(f"these are not the images, labels and split of {card} ({row.what}): SHA-256 {checksums}")
        for run in train_stages(config, runs, line.text, [f"card {card}"], prepared):
            show_report(run)
        checks = check_card(row, run.report)
        print(f"\n{card}, seed {seed}: {run}\n{check_table(checks)}", flush=True)
        missed += [f"{check.metric} (seed {seed})" for check in checks if not check.holds]
    if missed:
        raise UserError(f"{card} does not hold: {', '.join(missed)}")
    print(f"{card} holds")


def refuse_other_protocol(card: str, version: int, draft: int) -> None:
    """Raise `UserError` if a card is of another protocol or draft than this code."""
    from unsup.evaluation.protocol import DRAFT, VERSION
    from unsup.reports.schema import protocol_name

    if (version, draft) != (VERSION, DRAFT):
        why = "its rows are recorded when the draft ends" if DRAFT else "record the row again"
        theirs, ours = protocol_name(version, draft), protocol_name(VERSION, DRAFT)
        raise UserError(f"{card} is of {theirs}, and this code measures by {ours}, whose numbers differ: {why}")
