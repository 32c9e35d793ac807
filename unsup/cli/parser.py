"""Argument parser built from the signatures of the command functions."""

import argparse
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, get_args, get_origin

from unsup.cli.model_help import model_help
from unsup.core.commands import suggest, uses_make
from unsup.core.errors import UsageError, choices, closest, nearest
from unsup.core.strict_yaml import parse_yaml
from unsup.core.version import __version__
from unsup.runs.lookup import config_names
from unsup.runs.option_names import near_option

Command = Callable[..., None]


class CommandLine(NamedTuple):
    """Dotted options, and the whole command line for the record.

    Attributes:
        options: dotted options as (key, value read as YAML).
        text: the whole command line, for the record.
    """

    options: list[tuple[str, Any]]
    text: str


class Parser(argparse.ArgumentParser):
    """An argparse parser with one-line errors."""

    def error(self, message: str) -> NoReturn:
        verb = self.prog.removeprefix("unsup").strip()
        page = f"make {verb} ARGS=--help" if verb and uses_make() else f"{self.prog} --help"
        raise UsageError(f"{message} (see: {page})")


def parse(argv: Sequence[str], commands: Mapping[str, Command]) -> tuple[Command, dict[str, Any]]:
    """Return the function of a command line and its arguments.

    Raises:
        UsageError: there is no such command, option or value.
    """
    options, words = split_options(argv)
    if not words or words[0] not in commands:
        answer_without_command(words, commands)
    verb, command = words[0], commands[words[0]]
    parser = parser_of(verb, command)
    if {"-h", "--help"} & set(words):
        parser.epilog = model_help(words[1:])
    takes_line = "line" in inspect.signature(command).parameters
    arguments, unknown = parser.parse_known_args(words[1:])
    if unknown:
        known = [text for action in parser._actions for text in action.option_strings]
        refuse_unknown(verb, unknown[0].partition("=")[0], known, takes_line, vars(arguments))
    if options and not takes_line:
        raise UsageError(f"{verb} takes no model, data or trainer options (--{options[0][0]})")
    line = {"line": CommandLine(options, f"unsup {shlex.join(argv)}")} if takes_line else {}
    return command, vars(arguments) | line


def refuse_unknown(verb: str, word: str, known: Sequence[str], dotted: bool, arguments: Mapping[str, Any]) -> NoReturn:
    """Raise `UsageError` for a word that a command does not take, with a suggestion.

    Commands that take dotted options suggest one with the same last part.
    """
    if not word.startswith("-"):
        hint = f" (did you mean --data {word}?)" if dotted and word in config_names("data") else ""
        if dotted and word in config_names("model"):
            several = [str(arguments["model"]), word]
            hint = f": {suggest('sweep', models=several, data=arguments.get('data'))} trains several models"
        raise UsageError(f"{verb}: unexpected argument {word!r}{hint}")
    name, plain = word.lstrip("-"), [text.lstrip("-") for text in known]
    models = arguments.get("model") or next(iter(arguments.get("models") or []), None)
    near = near_option(name, models, arguments.get("data")) if dotted else None
    if near is None or near.rpartition(".")[2] != name:  # not the very name
        near = nearest(name, plain) or near
    hint = f"did you mean '--{near}'?" if near else "" if dotted else f"known: {', '.join(sorted(known))}"
    raise UsageError(f"{verb} has no option {word}{f' ({hint})' if hint else ''}")


def parser_of(verb: str, command: Command) -> Parser:
    """Return a parser with an argument for each parameter, positional before `*`."""
    text, _, section = (inspect.getdoc(command) or "").partition("\n\nArgs:\n")
    texts = dict(re.findall(r"^    (\w+): (.*(?:\n     .*)*)", section.replace("%", "%%"), re.M))
    parser = Parser(
        f"unsup {verb}", description=text, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for parameter in inspect.signature(command).parameters.values():
        if parameter.annotation is not CommandLine:
            name = parameter.name if parameter.kind is not parameter.KEYWORD_ONLY else f"--{parameter.name}"
            parser.add_argument(name, **argument_options(parameter), help=texts.get(parameter.name))
    return parser


def argument_options(parameter: inspect.Parameter) -> dict[str, Any]:
    """Return the arguments of `add_argument` for a parameter.

    `bool` is a flag, `Sequence[T]` takes several words, and `tuple[T, ...]` is an option that can be repeated.
    """
    if parameter.annotation is bool:
        return {"action": "store_true"}
    by_name, required = parameter.kind is parameter.KEYWORD_ONLY, parameter.default is parameter.empty
    options: dict[str, Any] = {"required": required} if by_name else {"metavar": parameter.name.upper()}
    options |= {} if required else {"default": parameter.default}
    many = get_origin(parameter.annotation)
    if many is tuple:
        options |= {"action": "append", "default": []}
    elif many is Sequence:
        options["nargs"] = "+" if by_name or required else "*"
    elif not (by_name or required):
        options["nargs"] = "?"
    kind = get_args(parameter.annotation)[0] if many in (tuple, Sequence) else parameter.annotation
    return options | converter_options(parameter.name, kind, many is Sequence)


def converter_options(name: str, kind: Any, several: bool) -> dict[str, Any]:
    """Return how argparse converts a word to a value of a type."""
    kinds = (kind, *get_args(kind))  # including the members of a union
    words = [word for word in choices(kind) if word is not None]
    if int in kinds:
        return {"type": partial(integer_or_word, name, words, several)}
    if Path in kinds:
        return {"type": lambda text: Path(text).expanduser()}
    return {"choices": words} if words else {}


def integer_or_word(name: str, words: Sequence[str], several: bool, text: str) -> int | str:
    """Return an integer, or a word that is allowed instead."""
    if text in words:
        return text
    if not text.removeprefix("-").isdecimal():
        numbers = "integers separated by spaces" if several else "an integer"
        raise UsageError(f"--{name} {text}: give {numbers}{''.join(f', or {word}' for word in words)}")
    return int(text)


def answer_without_command(words: Sequence[str], commands: Mapping[str, Command]) -> NoReturn:
    """Print the list of commands or the version, and exit.

    Raises:
        UsageError: the command is missing or does not exist.
    """
    if words[:1] in (["-h"], ["--help"]):
        print("usage: unsup [-h] [--version] VERB …\n\nUnsupervised representation learning on images.\n\ncommands:")
        for verb, command in commands.items():
            print(f"  {verb:10} {(inspect.getdoc(command) or '').partition(chr(10))[0]}")
        print("\nunsup VERB --help lists the options of one of them")
    elif words[:1] == ["--version"]:
        print(f"unsup {__version__}")
    elif words:
        raise UsageError(f"invalid choice: {words[0]!r} ({closest(words[0], commands)}; see: unsup --help)")
    else:
        raise UsageError("the following arguments are required: VERB (see: unsup --help)")
    sys.exit()


def split_options(argv: Sequence[str]) -> tuple[list[tuple[str, Any]], list[str]]:
    """Split off dotted options, such as --model.lr 0.01, as (key, value read as YAML)."""
    options, rest = list[tuple[str, Any]](), list[str]()
    words = iter(argv)
    for word in words:
        key, equals, text = word.partition("=")
        if not (key.startswith("--") and "." in key):
            rest.append(word)
            continue
        if not equals:
            following = next(words, None)
            if following is None or following.startswith("--"):
                raise UsageError(f"{key} needs a value")
            text = following
        try:
            options.append((key[2:], parse_yaml(text)))
        except ValueError as e:
            raise UsageError(f"{key}: cannot read the value {text!r}: {e}") from e
    return options, rest
