"""The parser: parameters of a function become words and options; words become its arguments."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from unsup.cli.main import COMMANDS, main
from unsup.cli.parser import Command, CommandLine, parse
from unsup.core.errors import UsageError

TOP = Path(__file__).parents[2]


def example(
    first: str,
    second: str | None = None,
    *,
    line: CommandLine,
    number: int | None = None,
    threads: int | Literal["auto"] = "auto",
    several: Sequence[int] = (0, 1),
    places: tuple[Path, ...] = (),
    how: Literal["copy", "link"] | None = None,
    name: str,
    flag: bool = False,
) -> None:
    """Do something to 100% of it.

    More about it.

    Args:
        first: what comes first
        number: a number that needs
            two lines
    """


def many(words: Sequence[str], *, out: Path = Path("runs")) -> None:
    """Take words."""


COMMANDS_HERE: dict[str, Command] = {"example": example, "many": many}


def arguments(*words: str) -> dict[str, Any]:
    return parse(words, COMMANDS_HERE)[1]


def test_words_become_arguments() -> None:
    typed = ["example", "a", "--name", "n", "--model.lr", "0.5", "--flag"]
    values = arguments(*typed)
    assert values.pop("line") == CommandLine([("model.lr", 0.5)], "unsup example a --name n --model.lr 0.5 --flag")
    assert values == {
        "first": "a",
        "second": None,
        "number": None,
        "threads": "auto",
        "several": (0, 1),
        "places": [],
        "how": None,
        "name": "n",
        "flag": True,
    }
    assert parse(typed, COMMANDS_HERE)[0] is example
    more = ["--number", "3", "--threads", "2", "--several", "4", "5", "--places", "x", "--places", "~", "--how", "link"]
    values = arguments("example", "a", "b", "--name=n", *more)
    assert (values["second"], values["number"], values["threads"], values["how"]) == ("b", 3, 2, "link")
    assert values["several"] == [4, 5] and values["places"] == [Path("x"), Path.home()] and values["flag"] is False
    assert arguments("many", "a", "b", "--out", "o") == {"words": ["a", "b"], "out": Path("o")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["example", "--name", "n"], "the following arguments are required: FIRST (see: unsup example --help)"),
        (["example", "a"], "required: --name"),
        (["example", "a", "--name", "n", "--nmber", "3"], "example has no option --nmber (did you mean '--number'?)"),
        (["example", "a", "--name", "n", "--num", "3"], "example has no option --num (did you mean '--number'?)"),
        (["example", "a", "b", "c", "--name", "n"], "example: unexpected argument 'c'"),
        (["example", "a", "--name", "n", "--number", "x"], "--number x: give an integer"),
        (["example", "a", "--name", "n", "--threads", "x"], "--threads x: give an integer, or auto"),
        (
            ["example", "a", "--name", "n", "--several", "0", "x"],
            "--several x: give integers sep",
        ),
        (["example", "a", "--name", "n", "--how", "move"], "--how: invalid choice: 'move'"),
        (["many"], "required: WORDS"),
        (["many", "a", "--model.lr", "3"], "many takes no model, data or trainer options (--model.lr)"),
        (["exampel"], "invalid choice: 'exampel' (did you mean 'example'?; see: unsup --help)"),
        (["--nope", "many"], "invalid choice: '--nope'"),
        ([], "required: VERB"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(words, COMMANDS_HERE)
    assert message in str(refused.value)


def test_help_is_the_docstring(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["example", "--help"], COMMANDS_HERE)
    text = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0 and "usage: unsup example [-h]" in text
    assert "Do something to 100% of it. More about it." in text and "Args:" not in text
    assert "FIRST what comes first" in text and "--number NUMBER a number that needs two lines" in text
    assert "--line" not in text


def test_the_list_of_commands_and_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["-h"], ["--version"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
        text = capsys.readouterr().out
        expected = ["unsup 0."] if words == ["--version"] else [f"\n  {verb} " for verb in COMMANDS]
        assert all(part in text for part in expected)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_option_has_a_line_of_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    text = capsys.readouterr().out
    described, _, listed = text.partition("\noptions:\n")
    assert len(described.splitlines()) > 2
    lines = listed.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("  --"):  # a long name has its help on the next line
            assert len(line.split("  ")) > 2 or lines[at + 1].startswith(" " * 20), line


def test_an_interpreter_without_the_packages_is_one_line() -> None:
    command = [sys.executable, "-S", "-m", "unsup", "models"]  # -S: no site-packages
    done = subprocess.run(command, cwd=TOP, env={"UNSUP_VIA": "make"}, capture_output=True, text=True)
    assert done.returncode == 1 and not done.stdout
    assert re.fullmatch(r"unsup: (\S+) has no module \w+: \1 -m pip install -e \S+, or leave PY= out\n", done.stderr)
