"""The README is executed: shell blocks as make would run them (on digits, one epoch), code blocks as files."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from unsup.cli.main import main
from unsup.comparison.recorded.store import update_readme

TOP = Path(__file__).parents[1]
README = (TOP / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)
COMMANDS = [line.split("  #")[0].strip() for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
RESULTS = (TOP / "results" / "README.md").read_text()


def made(command: str) -> list[str]:
    """The words that make would run for this command, with this interpreter as the ready environment."""
    words = [*shlex.split(command), f"PY={sys.executable}"]
    clean = {"PATH": os.environ["PATH"]}  # nothing of an outer make
    done = subprocess.run([words[0], "-n", *words[1:]], cwd=TOP, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout.replace("\\\n", " "))


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, where the files of the README's code blocks are in place."""
    for kind, text in BLOCKS:
        name = re.match(r"# (\S+\.(?:py|yaml))\n", text)
        if kind in ("python", "yaml") and name:
            path = tmp_path / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # `unsup` appends this folder
    pictures = tmp_path / "path" / "to" / "pictures"
    pictures.mkdir(parents=True)
    for i in range(40):
        Image.new("RGB", (40, 36), (6 * i, 255 - 6 * i, 80)).save(pictures / f"{i}.png")
    yield tmp_path


def test_blocks_were_found() -> None:
    assert len(COMMANDS) >= 12 and all(command.startswith("make ") for command in COMMANDS)
    assert sum(kind == "python" for kind, _ in BLOCKS) == 3


@pytest.mark.slow
def test_every_training_command_runs(workshop: Path) -> None:
    trained = 0
    for command in COMMANDS:
        words = made(command)
        if words[3:4] != ["train"]:
            continue
        assert words[:3] == [sys.executable, "-m", "unsup"]
        shorter = ["--epochs", "1"]
        if "--images" not in words and "stripes" not in words:
            shorter += ["--data", "digits"]
        if "bf16-mixed" in words:
            assert "--model.mask" in words
        assert main([*words[3:], *shorter]) == 0, command
        trained += 1
    assert trained >= 6
    assert len(list(workshop.glob("runs/*/*/*/report.md"))) == trained
    assert (workshop / "runs" / "stripes" / "my_ae").exists()
    run = next(workshop.glob("runs/digits/deep_ae/0-001"))  # the one that the README evaluates again
    evaluate = next(made(c) for c in COMMANDS if c.startswith("make evaluate"))
    assert evaluate[3:] == ["evaluate", str(run.relative_to(workshop))]


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("make train")])
def test_other_commands_are_targets(command: str) -> None:
    assert made(command)


@pytest.mark.parametrize("verb", ["models", "selfcheck"])
def test_short_verbs_run(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"make {verb}" in README
    assert main([verb]) == 0
    assert capsys.readouterr().out


def test_the_mistake_is_answered_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    command, answer = re.findall(r"^\$ (make .*)\n(unsup: .*)$", README, re.M)[0]
    assert main([*made(command)[3:], "--data", "digits"]) == 2
    assert capsys.readouterr().err.strip() == answer


def test_results_table_is_up_to_date_and_its_commands_parse() -> None:
    readmes = sorted(TOP.glob("README*.md"))
    assert len(readmes) == 2
    for readme in readmes:
        assert not update_readme(readme, TOP / "results", check=True), f"{readme.name}: run make results"
    commands = re.findall(r"`(make train [^`]*)`", RESULTS)
    assert commands
    for command in commands:
        words = made(command)
        assert main([*words[3:], "--print_config"]) == 0, command


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_every_file_that_a_readme_shows_exists(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (TOP / name).read_text()):
        assert target.startswith("http") or (TOP / target).exists(), target


def test_the_chinese_readme_shows_commands_that_there_are() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (TOP / "README.zh.md").read_text(), re.M | re.S)
    commands = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    assert len(commands) > 5
    for command in commands:
        words = made(command)
        if words[3:4] == ["train"]:
            assert main([*words[3:], "--print_config"]) == 0, command
