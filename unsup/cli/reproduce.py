"""Train a recorded row again and check its scores."""

import argparse
import shlex

from unsup.cli.commands import configured, named_data
from unsup.cli.parser import parse
from unsup.core.errors import UsageError, UserError


def reproduce(args: argparse.Namespace) -> None:
    from unsup.cli.output import show_report
    from unsup.comparison.recorded.cards import check_card, check_table, read_card
    from unsup.runs.config import CONFIGS

    card = read_card(CONFIGS.parent / "results" / "cards", args.card)
    words = shlex.split(card.command)[1:]
    if "--images" in words and not args.images:
        raise UsageError(f"{args.card} is of a folder of images: name yours, IMAGES=<folder> ({card.what})")
    places = {"--data_root": args.data_root, "--images": args.images, "--runs": args.runs}
    words += [word for option, place in places.items() if place for word in (option, str(place))]
    seeds = card.seeds if "all" in args.seeds else args.seeds or card.seeds[:1]
    import torch

    from unsup.evaluation.protocol import VERSION
    from unsup.runs.build import prepare
    from unsup.training.stages import train_stages

    if card.protocol != VERSION:
        raise UserError(
            f"{args.card} is of protocol {card.protocol}, this code's is {VERSION}: it has to be recorded anew"
        )
    missed = []
    for seed in dict.fromkeys(seeds):
        typed = parse([*words, "--seed", str(seed)])
        config = configured(typed, named_data(typed))
        config["threads"] = card.threads.get(seed, torch.get_num_threads())
        data = prepare(config)
        if data.fingerprint() != card.data["sha256"]:
            raise UserError(
                f"these are not the images of {args.card}: SHA-256 {data.fingerprint()[:12]} over images, labels and "
                f"split, the card has {card.data['sha256'][:12]} ({card.what})"
            )
        for run in train_stages(config, args.runs, typed.command, [f"card {args.card}"], data):
            show_report(run)
        checks = check_card(card, run.report)
        print(f"\n{args.card}, seed {seed}: {run}\n{check_table(checks)}", flush=True)
        missed += [f"{one.metric} (seed {seed})" for one in checks if not one.holds]
    if missed:
        raise UserError(f"{args.card} does not hold: {', '.join(missed)}")
    print(f"{args.card} holds")
