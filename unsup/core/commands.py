"""Suggested commands, in the form that the user typed, `make …` or `unsup …`."""

import os
import re
import shlex
from pathlib import Path

# Variables of the Makefile and the options of `unsup` that they stand for; "" is an argument without a name.
OPTIONS = (
    *("seeds", "data", "seed", "grid", "epochs", "words", "images", "data_root", "out", "labels", "sort"),
    *("a", "b", "onnx", "runs", "evaluate", "logger", "encoder", "codes", "text_encoder", "share", "scratch"),
    *("checkpoint", "picture"),
)
VARIABLES = dict.fromkeys(("MODEL", "MODELS", "RUN", "CARD"), "") | {name.upper(): f"--{name}" for name in OPTIONS}
# Options of `train` that stand for a key of the configuration
SHORTCUTS = {"epochs": "trainer.max_epochs", "data_root": "data.root", "images": "data.images"}
SHORT_NAMES = {key: name for name, key in SHORTCUTS.items()}  # key -> option
# Keys of the configuration that do not change what is trained
NEUTRAL = ("threads", "evaluate", "data.root", "trainer.logger")


def suggest(verb: str, further: str = "", via: str | None = None, **words: object) -> str:
    """Return a command that the user can type.

    Args:
        verb: the command.
        further: more of the command line, as `unsup` reads it.
        via: "make" or "unsup"; without it the one that the user typed.
        words: values of parameters by name, such as `run`; None leaves one out, and a list is several words.
    """
    lists = {name: value if isinstance(value, list) else [str(value)] for name, value in words.items() if value}
    values = {name: " ".join(value) for name, value in lists.items()}
    if uses_make(via):
        variables = [quoted(f"{name.upper()}={value}") for name, value in values.items()]
        return " ".join(filter(None, ["make", verb, *variables, further and f'ARGS="{further}"']))
    if verb == "dashboard":
        return f"tensorboard --logdir {quoted(values.get('runs', 'runs'))}"
    options = [f"{VARIABLES[name.upper()]} {' '.join(map(quoted, value))}".lstrip() for name, value in lists.items()]
    return " ".join(filter(None, ["unsup", verb, *options, further]))


def option(name: str, value: str = "") -> str:
    """Return an option as the user types it, such as `RUNS=x` or `--runs x`."""
    if not uses_make():
        return f"--{name} {value}".rstrip()
    if name.upper() not in VARIABLES:
        return f'ARGS="--{name} {value}"'
    return f"{name.upper()}={value}" if value else name.upper()


def key_option(key: str, value: str = "") -> str:
    """Return the option of a key of the configuration as the user types it.

    data.images is `IMAGES=x` or `--images x`, and data.file is `--data.file x`.
    """
    if key in SHORT_NAMES:
        return option(SHORT_NAMES[key], value)
    return f'ARGS="--{key} {value}"' if uses_make() else f"--{key} {value}".rstrip()


def install(extra: str = "", python: str = "") -> str:
    """Return the command that installs the packages of an extra, or all needed ones.

    Without a Python it is for the one of the shell.
    """
    pip, top = f"{quoted(python)} -m pip" if python else "pip", Path(__file__).parents[2]
    source = "unsup" if not (top / "pyproject.toml").is_file() else "." if top == Path.cwd() else str(top)
    wanted = f"'{source}[{extra}]'" if extra else quoted(source)
    return f"{pip} install {wanted if source == 'unsup' else f'-e {wanted}'}"


def in_typed_form(message: str) -> str:
    """Name options in a message as the user types them, `SORT=x` under make."""
    if not uses_make():
        return message
    variables = {text: f"{name}=" for name, text in VARIABLES.items() if text}
    option_and_value = r"(--\w+)\b(?!\.)( (?=[^\s:(]+: ))?"
    return re.sub(option_and_value, lambda m: variables.get(m[1], m[0]), message)


def uses_make(via: str | None = None) -> bool:
    """Return whether the user types `make`, which the Makefile tells its programs."""
    return (via or os.environ.get("UNSUP_VIA")) == "make"


def quoted(word: str) -> str:
    """Return a word quoted for a shell, where … stands for what the user fills in."""
    return word if re.fullmatch(r"[\w@%+=:,./…-]+", word) else shlex.quote(word)
