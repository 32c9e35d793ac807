"""The commands that compare, record and reproduce results."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from unsup.cli.named import compare_on_names
from unsup.cli.output import show_comparison, show_report
from unsup.cli.parser import parse
from unsup.cli.training import checked_config, data_set_of, new_locations, overrides, train
from unsup.core.commands import option, suggest
from unsup.core.errors import UsageError, UserError
from unsup.runs.lookup import results_folder

OTHER = ("print_config", "runs")  # parameters of `train` that do not set an option


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
        labels: compare all runs on some named images: a CSV file with the columns file,name[,asked]
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
