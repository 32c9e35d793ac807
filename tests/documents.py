"""The pages that people read, with the commands, code blocks and links in them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

TOP = Path(__file__).parents[1]
README, CHINESE, INDEX = TOP / "README.md", TOP / "README.zh.md", TOP / "docs" / "README.md"
MANUAL = sorted((TOP / "docs").rglob("*.md"))
PAGES = [README, CHINESE, *MANUAL, *TOP.glob("CONTRIBUTING.md")]
PROGRAMS = ("make", "unsup", "python", "pip")


class Block(NamedTuple):
    """A fenced block: the word after its fence, and its text."""

    kind: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.M | re.S)]


def shell_commands(page: Path) -> list[str]:
    """Return the lines of shell blocks without their comments."""
    lines = [line for block in blocks(page) if block.kind == "sh" for line in block.text.splitlines()]
    return [command for line in lines if (command := re.sub(r"(^|\s+)#.*", "", line))]


def commands(page: Path) -> list[str]:
    """Return all commands: of shell blocks, in running text, and those of `torchrun` and `srun`."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    inline = re.findall(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`", prose)
    examples = [block.text for block in blocks(page) if block.kind in ("text", "console")]
    shown = re.findall(r"^(?:\$ (?=make|unsup)|.*-m (?=unsup ))(.*?)(?:  +#.*| *)$", "\n".join(examples), re.M)
    return [*shell_commands(page), *(c for c in inline if "…" not in c or c.startswith("python")), *shown]


def arguments(command: str) -> list[str] | None:
    """Return the words of a command after `unsup`; None if it starts another program.

    Of `make` they are those that it would run, with this interpreter as the environment.
    """
    words = shlex.split(command)
    if words[0] == "make":
        clean = {"PATH": os.environ["PATH"]}  # no variables of an outer make
        ready = [words[0], "-n", *words[1:], f"PY={sys.executable}"]
        done = subprocess.run(ready, cwd=TOP, env=clean, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        words = shlex.split(done.stdout.replace("\\\n", " "))
        return words[3:] if words[:3] == [sys.executable, "-m", "unsup"] else None
    return words[1:] if words[0] == "unsup" else None


def files(page: Path) -> dict[str, str]:
    """Return the code blocks that are files, by the name that ends the paragraph above."""
    return dict(re.findall(r"`([\w/@]+\.(?:py|yaml))`:\n\n```\w+\n(.*?)^```", page.read_text(), re.M | re.S))


def snippets(page: Path) -> list[str]:
    """Return the blocks of Python that are not files."""
    known = files(page).values()
    return [block.text for block in blocks(page) if block.kind == "python" and block.text not in known]


def links(page: Path) -> list[tuple[str, str]]:
    """Return (path, anchor) of the links to files and headings, as they are written."""
    found = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", page.read_text())
    return [(path, anchor) for path, anchor in found if not path.startswith("http")]


def anchors(page: Path) -> set[str]:
    """Return the anchors that a forge makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def model_rows(table: str) -> dict[str, dict[str, str]]:
    """Return {model: {column: cell}} of the main table of a data set."""
    models = table.partition("By layer")[0].partition("Generation, ")[0].splitlines()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in models if line[:1] == "|"]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}
