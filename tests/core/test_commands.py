"""Suggested commands: both forms, and one table for the Makefile, the messages and the signatures of the commands."""

import ast
import inspect
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import get_origin

import pytest

from unsup.cli.main import COMMANDS, main
from unsup.core import commands
from unsup.core.commands import VARIABLES, install, option, suggest

TOP = Path(__file__).parents[2]
MAKEFILE = (TOP / "Makefile").read_text().replace("\\\n", " ")
TAKES = {verb: names.split() for verb, names in re.findall(r"^(\w+): TAKES :=([A-Z_ ]*)##", MAKEFILE, re.M)}


def listed(name: str) -> list[str]:
    """The words of a list in the Makefile."""
    return re.findall(rf"^{name} := (.*)$", MAKEFILE, re.M)[0].split()


@pytest.mark.parametrize(
    ("by_make", "by_program", "verb", "words"),
    [
        ("make resume RUN=runs/x/0-001", "unsup resume runs/x/0-001", "resume", {"run": "runs/x/0-001"}),
        ("make resume 'RUN=my runs/x'", "unsup resume 'my runs/x'", "resume", {"run": Path("my runs/x")}),
        ("make compare DATA=digits", "unsup compare --data digits", "compare", {"data": "digits", "runs": None}),
        ("make evaluate RUN=…", "unsup evaluate …", "evaluate", {"run": "…"}),
        ("make results", "unsup results", "results", {}),
        ("make dashboard", "tensorboard --logdir runs", "dashboard", {}),
        ("make dashboard 'RUNS=my runs'", "tensorboard --logdir 'my runs'", "dashboard", {"runs": "my runs"}),
        ('make train MODEL=a ARGS="--x.y 1"', "unsup train a --x.y 1", "train", {"model": "a", "further": "--x.y 1"}),
    ],
)
def test_a_command_is_suggested_in_the_form_that_is_typed(
    monkeypatch: pytest.MonkeyPatch, by_make: str, by_program: str, verb: str, words: dict[str, str]
) -> None:
    monkeypatch.delenv("UNSUP_VIA", raising=False)
    assert suggest(verb, **words) == by_program and suggest(verb, via="make", **words) == by_make
    monkeypatch.setenv("UNSUP_VIA", "make")
    assert suggest(verb, **words) == by_make and suggest(verb, via="unsup", **words) == by_program


def test_an_option_is_named_in_the_form_that_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNSUP_VIA", raising=False)
    assert option("out") == "--out" and option("runs", "<folder>") == "--runs <folder>"
    monkeypatch.setenv("UNSUP_VIA", "make")
    assert option("out") == "OUT" and option("runs", "<folder>") == "RUNS=<folder>"
    assert option("seeds", "0") == "SEEDS=0" and option("init_from", "ae") == 'ARGS="--init_from ae"'


def test_a_missing_option_is_named_with_a_space_before_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNSUP_VIA", "make")
    assert main(["start"]) == 2
    assert "required: IMAGES= (see: make start ARGS=--help)" in capsys.readouterr().err


def test_messages_follow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for via, command, name in (("make", "make train MODEL=deep_ae", "IMAGES"), ("", "unsup train deep_ae", "--images")):
        monkeypatch.setenv("UNSUP_VIA", via)
        assert main(["resume", "x"]) == 1
        assert capsys.readouterr().err == f"unsup: no run folder 'x' (none in runs/ yet: {command})\n"
        assert main(["train", "ae", "--images", "no/such"]) == 1
        assert f"no/such is not a folder: {name} names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "by_make", "by_program"),
    [
        (["sweep", "ae", "--grid", "x"], "GRID=x: write KEY=VALUE", "--grid x: write KEY=VALUE"),
        (
            ["classify", "r", "--images", "i", "--sort", "x"],
            "argument SORT=: invalid choice",
            "argument --sort: invalid",
        ),
        (["train", "ae", "--seed"], "argument SEED=: expected one", "argument --seed: expected one"),
        (["train", "ae", "--epochs", "x"], "EPOCHS=x: give an integer", "--epochs x: give an integer"),
        (["train", "ae", "--model.lr"], "--model.lr needs a value", "--model.lr needs a value"),
        (["train", "ae", "--threads", "x"], "--threads x: give an integer", "--threads x: give an integer"),
    ],
)
def test_usage_errors_name_the_variables_of_make(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], by_make: str, by_program: str
) -> None:
    for via, message in (("make", by_make), ("", by_program)):
        monkeypatch.setenv("UNSUP_VIA", via)
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(f"unsup: {message}")


def test_the_makefile_has_the_same_table() -> None:
    assert [pair.split("=") for pair in listed("OPTIONS")] == [[name, text] for name, text in VARIABLES.items() if text]
    assert listed("VERBS") and set(listed("VERBS")) == set(TAKES) == set(COMMANDS)


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_verb_takes_the_variables_that_its_command_has_parameters_for(verb: str) -> None:
    parameters = inspect.signature(COMMANDS[verb]).parameters
    own = re.findall(rf"^{verb}: LISTS := (.*)$", MAKEFILE, re.M)
    lists = {"LISTS": [*listed("LISTS"), *own], "FLAGS": listed("FLAGS")}
    for name in TAKES[verb]:
        parameter = parameters[name.lower()]
        assert (parameter.kind is parameter.KEYWORD_ONLY) == bool(VARIABLES[name]), name
        assert (get_origin(parameter.annotation) is Sequence) == (name in lists["LISTS"]), name
        assert (parameter.annotation is bool) == (name in lists["FLAGS"]), name
    required = {name for name, p in parameters.items() if p.default is p.empty and name != "line"}
    assert required <= {name.lower() for name in TAKES[verb]}
    common = {name for name in parameters if name.upper() in VARIABLES}
    assert common == {name.lower() for name in TAKES[verb]}


def test_no_message_writes_a_command_by_hand() -> None:
    command = re.compile(rf"\b(make|unsup) ({'|'.join((*COMMANDS, 'dashboard', 'notebooks'))})\b")
    for path in sorted((TOP / "unsup").rglob("*.py")):
        tree = ast.parse(path.read_text())
        documented = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
        docstrings = {id(node.body[0].value) for node in documented if node.body and isinstance(node.body[0], ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                assert not command.search(node.value), f"{path}:{node.lineno}: use unsup.core.commands.suggest"


def test_words_with_blanks_are_one_word() -> None:
    for via in ("make", "unsup"):
        words = shlex.split(suggest("encode", via=via, run="a b", images="c 'd'"))
        assert any("a b" in word for word in words) and any("c 'd'" in word for word in words)


def test_extras_are_installed_from_where_the_code_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(TOP)
    assert install("onnx") == "pip install -e '.[onnx]'"
    monkeypatch.chdir(tmp_path)
    assert install("onnx") == f"pip install -e '{TOP}[onnx]'"
    monkeypatch.setattr(commands, "__file__", str(tmp_path / "site-packages" / "unsup" / "core" / "commands.py"))
    assert install("onnx") == "pip install 'unsup[onnx]'"
