"""The README and the manual are executed: commands as make would run them, code blocks as files."""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from documents import (
    CHINESE,
    INDEX,
    MANUAL,
    PAGES,
    README,
    TOP,
    anchors,
    arguments,
    blocks,
    commands,
    files,
    links,
    shell_commands,
    snippets,
)
from PIL import Image

import unsup
from unsup.cli.main import COMMANDS, main
from unsup.cli.parser import parse
from unsup.comparison.recorded.store import update_readme

EXTRAS = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def name_of(page: Path) -> str:
    return str(page.relative_to(TOP))


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the files of all code blocks and a folder of pictures."""
    for page in PAGES:
        for name, text in files(page).items():
            path = tmp_path / name
            assert not path.exists() or path.read_text() == text, f"{name} is shown twice, with different texts"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # `unsup` appends the working directory
    pictures = tmp_path / "path" / "to" / "pictures"
    pictures.mkdir(parents=True)
    for i in range(40):
        Image.new("RGB", (40, 36), (6 * i, 255 - 6 * i, 80)).save(pictures / f"{i}.png")
    yield tmp_path


def trainings(page: Path) -> list[list[str]]:
    """Return the arguments of the page's `train` commands, for one epoch and, if any data set will do, on digits."""
    found = []
    for command in shell_commands(page):
        words = arguments(command)
        if not words or words[0] != "train" or {"--print_config", "--help"} & set(words):
            continue
        if "--images" not in words and "stripes" not in words:
            words += ["--data", "digits"]
        if "--trainer.max_epochs" in words:
            at = words.index("--trainer.max_epochs")
            words[at : at + 2] = []
        found.append([*words, "--epochs", "1"])
    return found


def shape(words: list[str]) -> tuple[str, ...]:
    """Return what makes a training a different test: its recipe and the names of its options, and own data."""
    own = ["stripes"] if "stripes" in words else []
    return (words[1], *own, *sorted({word for word in words if word.startswith("--")} - {"--seed"}))


# ---- what is shown exists --------------------------------------------------------------------------------------------


def test_blocks_were_found() -> None:
    assert len(shell_commands(README)) >= 12 and len(MANUAL) >= 15
    assert {"my_ae.py", "configs/model/my_ae.yaml"} <= files(README).keys()
    shown = {name for page in PAGES for name in files(page)}
    assert {"stripes.py", "configs/data/stripes.yaml", "frozen_net.py", "configs/model/frozen_net.yaml"} <= shown
    assert commands(TOP / "docs" / "guide" / "long-runs.md").count("unsup train vae --trainer.num_nodes 2") == 1


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_understood(page: Path, workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(page):
        words = arguments(command)
        if words is None:
            check_other(shlex.split(command))
        elif "--help" not in words:
            parse(words, COMMANDS)
            if words[0] == "train" and len(words) > 1 and "code_dmi" not in command:
                assert main([*words, "--print_config"]) == 0, (command, capsys.readouterr().err)


def check_other(words: list[str]) -> None:
    """Check that a script has the options it is called with, and the package the extras it is installed with."""
    if words[0] == "python" and words[1] != "-m":
        text = (TOP / words[1]).read_text()
        assert all(word in text for word in words[2:] if word.startswith("--")), words
    for extra in re.findall(r"\[(\w+)\]", " ".join(words)) if words[0] == "pip" else ():
        assert extra in EXTRAS, words
    assert words[0] in ("make", "python", "pip"), words


# Commands and Python are executed; configurations are, where they are files of an example. The others are output, and
# commands that need more than one machine or a package of the reader's, which the text around them says.
KINDS = {"sh", "python", "yaml", "console", "text", "bibtex"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_kind_that_is_tested_or_is_no_command(page: Path) -> None:
    fences = re.findall(r"^ *```(.*)$", page.read_text(), re.M)
    assert len(fences) == 2 * len(blocks(page)) and {block.kind for block in blocks(page)} <= KINDS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = page.parent / path if path else page
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{path}#{anchor}"


def test_the_index_links_every_page() -> None:
    linked = {(INDEX.parent / path).resolve() for path, _ in links(INDEX)}
    assert {*MANUAL} - {INDEX} <= linked
    assert ("docs/README.md", "") in links(README) and ("docs/README.md", "") in links(CHINESE)


@pytest.mark.parametrize("page", [README, TOP / "docs" / "architecture.md"], ids=name_of)
def test_every_package_is_described(page: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", page.read_text(), re.M)
    assert sorted(rows) == sorted(folder.parent.name for folder in (TOP / "unsup").glob("*/__init__.py"))


def test_landing_pages_are_short() -> None:
    assert len(README.read_text().splitlines()) <= 220
    assert 60 <= len(CHINESE.read_text().splitlines()) <= 120
    assert all(picture.stat().st_size < 200_000 for picture in (TOP / "docs").glob("*.png"))


@pytest.mark.parametrize("page", [README, CHINESE], ids=name_of)
def test_results_are_up_to_date(page: Path) -> None:
    assert not update_readme(page, TOP / "results", check=True), "run make results"


@pytest.mark.slow
def test_commands_of_the_results_are_understood() -> None:
    shown = re.findall(r"`(make train [^`]*)`", (TOP / "results" / "README.md").read_text())
    assert shown
    for command in shown:
        words = arguments(command)
        assert words and main([*words, "--print_config"]) == 0, command


# ---- what is shown happens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["models", "selfcheck"])
def test_short_verbs_run(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb]) == 0
    assert capsys.readouterr().out


def test_mistakes_are_answered_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    examples = "\n".join(block.text for page in PAGES for block in blocks(page) if block.kind == "console")
    mistakes = re.findall(r"^\$ (make .*)\n(unsup: .*)$", examples, re.M)
    assert mistakes
    for command, answer in mistakes:
        words = arguments(command)
        assert words and main([*words, "--data", "digits"]) == 2
        assert capsys.readouterr().err.strip() == answer


@pytest.mark.slow
def test_trainings_of_the_readme_run(workshop: Path) -> None:
    wanted = {shape(words): words for words in trainings(README)}
    assert {"deep_ae", "selflabel", "my_ae"} <= {words[1] for words in wanted.values()}
    for i, words in enumerate(wanted.values()):
        extent = [] if i == 0 or "--evaluate" in words else ["--evaluate", "quick"]
        assert main([*words, *extent]) == 0, words
    reported = {path.parts[-3] for path in workshop.glob("runs/*/*/*/report.html")}
    assert {words[1] for words in wanted.values()} <= reported


@pytest.mark.slow
@pytest.mark.usefixtures("unjudged")
def test_trainings_of_the_manual_run(workshop: Path) -> None:
    """Those whose recipe or options the README has not."""
    known = {shape(words) for words in trainings(README)}
    wanted = {shape(words): words for page in MANUAL for words in trainings(page)}
    elsewhere = ("--data.stream", "--data.file", "--data.path", "--logger", "--init_from", "simclr_resnet18")
    for key, words in wanted.items():
        if key not in known and not any(word in words for word in elsewhere):
            assert main(words) == 0, words
    for made in ("stripes/ae", "digits/frozen_net", "digits/small_simclr"):
        assert list(workshop.glob(f"runs/{made}/*")), made
    assert "weight_norm" in (workshop / "lines.jsonl").read_text()


@pytest.mark.slow
def test_the_example_of_an_encoder_runs(workshop: Path) -> None:
    (command,) = shell_commands(TOP / "docs" / "extend" / "encoder.md")
    words = arguments(command)
    assert words and main([*words, "--evaluate", "quick"]) == 0
    assert list(workshop.glob("runs/digits/small_net.build/*/report.json"))


@pytest.mark.slow
def test_code_of_the_manual_runs(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = unsup.train
    monkeypatch.setattr(unsup, "train", lambda *args, **kwargs: train(*args, **kwargs, epochs=1))
    draw = np.random.default_rng(0)
    labels = np.arange(300) % 3
    codes = draw.normal(size=(300, 5)) + 4 * labels[:, None]
    names: dict[str, Any] = {
        "images": draw.integers(0, 256, (7, 1, 8, 8), dtype=np.uint8),
        "train_codes": codes[:200],
        "train_labels": labels[:200],
        "test_codes": codes[200:],
        "test_labels": labels[200:],
    }
    shown = [code for page in PAGES for code in snippets(page)]
    assert len(shown) >= 3
    for code in dict.fromkeys(shown):
        exec(compile(code, "<block>", "exec"), dict(names))
