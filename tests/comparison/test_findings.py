"""The page of findings says what the recorded reports say."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "results" / "findings.md").read_text()
FIGURE = re.compile(r"(?<![\w.])\.\d{3}\b|\d[\d,]*(?= CPU-seconds)")
SOURCE = re.compile(r"<!-- ([\w-]+), (.+): ([^:]+) -->")  # data set, column, models
STATEMENT = re.compile(r"^\* `(.+)`$", re.M)


def cells(data: str) -> dict[str, dict[str, str]]:
    """Return {model: {column: cell}} of the main table of a data set, which is tested against the reports."""
    page = (TOP / "results" / "README.md").read_text()
    section = re.split(r"\n## |\nBy layer", page.split(f"\n## {data}\n")[1])[0]
    lines = [
        [cell.strip(" *") for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"
    ]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:] if len(line) == len(lines[0])}


def paragraphs() -> list[tuple[str, str]]:
    """Return the paragraphs with figures of rows, each with what follows it."""
    parts = PAGE.split("\n\n")
    return [(part, after) for part, after in zip(parts, [*parts[1:], ""], strict=True) if is_claim(part)]


def is_claim(part: str) -> bool:
    return bool(FIGURE.search(part)) and not STATEMENT.search(part)


@pytest.mark.parametrize(("text", "sources"), paragraphs())
def test_figures_are_those_of_the_tables(text: str, sources: str) -> None:
    recorded = [
        cells(data)[model][column].split(" ±")[0]
        for data, column, models in SOURCE.findall(sources)
        for model in models.split(", ")
    ]
    assert sorted(FIGURE.findall(text)) == sorted(recorded)


def test_statements_are_those_of_compare() -> None:
    comparisons = [path.read_text() for path in (TOP / "results").glob("*/compare.md")]
    statements = STATEMENT.findall(PAGE)
    assert statements
    assert not [one for one in statements if not any(f"* {one}" in text for text in comparisons)]
