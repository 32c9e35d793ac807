"""The command line: verbs, options and help. Nothing heavy is imported."""

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from unsup.core.errors import UsageError, nearest
from unsup.core.files import place
from unsup.core.threads import Threads, checked
from unsup.core.version import __version__

OPTION_HELP = """\
options of a recipe are given by name and override every file:
  --model.lr 0.01  --data.batch_size 128  --trainer.max_epochs 3  --matmul_precision medium
"""


SWEEP_HELP = """\
options that hold for all runs are given as to train: --model.lr 0.01
a grid combines the values of several options; values are a YAML list without its brackets:
  --grid model.code_dim=10,30 "model.widths=[500,250],[100]"
The same command again goes on where the last one stopped.
"""


class Parser(argparse.ArgumentParser):
    """argparse, with one-line errors."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see: {self.prog} --help)")


def build_parser() -> Parser:
    """All verbs."""
    parser = Parser(prog="unsup", description="Unsupervised representation learning on images.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"unsup {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)

    def verb(name: str, text: str, epilog: str | None = None) -> Parser:
        sub = subparsers.add_parser(
            name,
            help=text,
            description=text,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        return sub

    train = verb("train", "train a model, evaluate its codes, write a report", OPTION_HELP)
    train.add_argument("model", nargs="?", help="a recipe in configs/model, such as deep_ae (list: unsup models)")
    train.add_argument(
        "--data", help="a data set in configs/data; without it MNIST, or digits where MNIST cannot be had"
    )
    train.add_argument("--seed", type=int, help="seed of the run (0)")
    train.add_argument("--init_from", help="start from the weights of this run folder, or of a run of this recipe")
    train.add_argument("--matmul_precision", help="highest, high or medium")
    train.add_argument("--compile", help="compile the losses: default, reduce-overhead (CUDA graphs), max-autotune")
    train.add_argument("--config", type=place, action="append", default=[], metavar="FILE", help="one more YAML layer")
    train.add_argument("--print_config", action="store_true", help="print the resolved configuration and stop")
    sweep = verb("sweep", "train every model with every seed, past what is finished already", SWEEP_HELP)
    sweep.add_argument("models", nargs="+", metavar="MODEL", help="recipes in configs/model")
    sweep.add_argument("--seeds", nargs="+", type=seed_of, default=[0, 1, 2], metavar="SEED", help="seeds (0 1 2)")
    sweep.add_argument("--data", help="a data set in configs/data; without it as `unsup train` chooses")
    sweep.add_argument("--grid", nargs="+", default=[], metavar="KEY=VALUES", help="values of options, all combined")
    for sub in (train, sweep):
        sub.add_argument("--epochs", type=int, help="short for --trainer.max_epochs")
        sub.add_argument("--data_root", help="folder that holds data sets (data)")
        sub.add_argument("--images", help="your own folder of images; short for --data folder --data.images")
        sub.add_argument(
            "--threads", type=threads_of, help="threads of PyTorch: a number, or auto, one an idle core (auto)"
        )
        sub.add_argument("--runs", type=place, default=Path("runs"), help="folder that holds runs (runs)")
    for sub in (
        verb("resume", "go on with an interrupted run from its last checkpoint, then evaluate it"),
        verb("evaluate", "repeat the evaluation of a finished run"),
    ):
        sub.add_argument("folder", metavar="RUN", help="a run folder, such as runs/mnist/deep_ae/0-001")
        sub.add_argument("--data_root", help="folder that holds data sets, if it has moved since")
        sub.add_argument("--images", help="your own folder of images, if it has moved since")
    add_uses(verb)
    verb("models", "list the recipes: what each is, expected score, minutes")
    verb("selfcheck", "check the evaluator on planted codes whose scores are known")
    results = verb("results", "keep reports in results/, write the tables and the cards from them")
    results.add_argument("add", nargs="*", type=place, metavar="RUN", help="run folders whose reports are to be kept")
    results.add_argument("--check", action="store_true", help="only say whether all is up to date (exit code 1)")
    reproduce = verb("reproduce", "train a recorded row anew and check its scores (exit code 1)")
    reproduce.add_argument("card", metavar="CARD", help="a card in results/cards, such as mnist-deep_ae")
    reproduce.add_argument(
        "--seeds", nargs="+", type=seed_or_all, default=[], metavar="SEED", help="seeds, or all (the first of the card)"
    )
    reproduce.add_argument("--data_root", help="folder that holds data sets (data)")
    reproduce.add_argument("--images", help="your copy of the folder of images, for cards of one")
    reproduce.add_argument(
        "--runs", type=place, default=Path("runs/reproduced"), help="folder for the new runs (runs/reproduced)"
    )
    compare = verb("compare", "all reports of a data set side by side, over seeds and beside the floors")
    compare.add_argument("--data", help="the data set; without it every one that has reports")
    compare.add_argument("--runs", type=place, default=Path("runs"), help="folder that holds runs (runs)")
    compare.add_argument("--sort", metavar="COLUMN", help="a column of the table (linear probe)")
    for sub in subparsers.choices.values():
        sub.set_defaults(known=[text for action in sub._actions for text in action.option_strings])
    return parser


def add_uses(verb: Callable[..., Parser]) -> None:
    """The verbs that use what a run has learned."""
    classify = verb("classify", "sort new images with a trained run: a table and a contact sheet")
    encode = verb("encode", "the codes of all images below a folder, as .npz or .parquet")
    export = verb("export", "the encoder of a run for use elsewhere, and its probe")
    zero_shot = verb("zero_shot", "name a run's clusters from a list of words, by an image-text encoder")
    for sub in (classify, encode, export, zero_shot):
        sub.add_argument("folder", metavar="RUN", help="a run folder, such as runs/mnist/deep_ae/0-001")
    for sub in (classify, encode):
        sub.add_argument("--images", type=place, required=True, help="a folder of images, in any arrangement")
    classify.add_argument("--out", type=place, help="the folder to make (RUN/classified/<name of IMAGES>-<number>)")
    classify.add_argument("--labels", type=place, help="names of some of the images: a CSV with the columns file,name")
    classify.add_argument("--sort", choices=("copy", "link"), help="also folders of copies or links, one a class")
    encode.add_argument("--out", type=place, help="the file to write (RUN/encoded/<name of IMAGES>.npz)")
    zero_shot.add_argument("--words", nargs="+", required=True, metavar="WORD", help="two or more")
    zero_shot.add_argument("--encoder", required=True, help="a folder of transformers' (CLIP, SigLIP), or module:name")
    zero_shot.add_argument("--data_root", help="folder that holds data sets, if it has moved since")
    zero_shot.add_argument("--images", help="your own folder of images, if it has moved since")
    export.add_argument("--out", type=place, help="the folder to make (RUN/export)")
    export.add_argument("--onnx", action="store_true", help="also as ONNX")


def seed_of(text: str) -> int:
    """A whole number; several are separated by blanks."""
    if not text.removeprefix("-").isdecimal():
        raise UsageError(f"--seeds {text}: write whole numbers, separated by blanks")
    return int(text)


def threads_of(text: str) -> Threads:
    return checked(int(text) if text.isdecimal() else text)


def seed_or_all(text: str) -> int | str:
    return text if text == "all" else seed_of(text)


def parse(argv: list[str]) -> argparse.Namespace:
    """A command line read and checked; `options` holds the dotted ones, `command` the line as it was typed.

    Raises:
        UsageError: it is wrong.
    """
    options, rest = split_options(argv)
    args, unknown = build_parser().parse_known_args(rest)
    if unknown:
        word = unknown[0].partition("=")[0]
        raise UsageError(f"{args.verb} has no option {word} ({nearest(word, args.known)})")
    if options and args.verb not in ("train", "sweep"):
        raise UsageError(f"--{options[0][0]} is an option of train, not of {args.verb}")
    args.options = options
    args.command = "unsup " + shlex.join(argv)
    return args


def split_options(argv: list[str]) -> tuple[list[tuple[str, Any]], list[str]]:
    """Dotted options (--model.lr 0.01, --model.lr=0.01) as (key, value read as YAML), and the other words."""
    options: list[tuple[str, Any]] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        key, equals, text = word.partition("=")
        if not (key.startswith("--") and "." in key):
            rest.append(word)
            continue
        if not equals:
            text = next(words, "--")
            if text.startswith("--"):
                raise UsageError(f"{key} needs a value")
        options.append((key[2:], parse_value(key, text)))
    return options, rest


def parse_value(key: str, text: str) -> Any:
    """A command-line value as YAML reads it: 3, 0.1, true, [500, 250]; anything else is text."""
    from unsup.core import strict_yaml as plain_yaml

    try:
        return plain_yaml.load(text)
    except plain_yaml.NotPlain as e:
        raise UsageError(f"{key}: cannot read the value {text!r}: {e}") from e
