"""The page of findings says what the recorded reports say."""

import itertools
import json
import re
from pathlib import Path
from statistics import mean

import pytest
from documents import model_rows

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "results" / "findings.md").read_text()
FIGURE = re.compile(r"(?<![\w.])\.\d{3}\b|\d[\d,]*(?= CPU-seconds)")
SOURCE = re.compile(r"<!-- ([\w-]+), (.+): ([^:]+) -->")  # data set, column, models
STATEMENT = re.compile(r"^\* `(.+)`$", re.M)


def recorded_rows(data: str) -> dict[str, dict[str, str]]:
    """Return the main table of a data set, which is tested against the reports."""
    page = (TOP / "results" / "README.md").read_text()
    return model_rows(page.split(f"\n## {data}\n")[1].split("\n## ")[0])


def claims() -> list[tuple[str, str]]:
    """Return the paragraphs with figures of rows, each with what follows it."""
    parts = PAGE.split("\n\n")
    return [
        pair for pair in itertools.pairwise([*parts, ""]) if FIGURE.search(pair[0]) and not STATEMENT.search(pair[0])
    ]


@pytest.mark.parametrize(("text", "sources"), claims())
def test_figures_are_those_of_the_tables(text: str, sources: str) -> None:
    recorded = [
        recorded_rows(data)[model][column].split(" ±")[0]
        for data, column, models in SOURCE.findall(sources)
        for model in re.split(r", (?![^(]*\))", models)  # not within brackets
    ]
    assert sorted(FIGURE.findall(text)) == sorted(recorded)


def test_statements_are_those_of_compare() -> None:
    comparisons = [path.read_text() for path in (TOP / "results").glob("*/compare.md")]
    statements = STATEMENT.findall(PAGE)
    assert statements
    assert not [one for one in statements if not any(f"* {one}" in text for text in comparisons)]


def test_corrupted_photographs_are_those_of_the_reports() -> None:
    page = (TOP / "docs" / "results" / "transfer.md").read_text().split("## Corrupted photographs")[1]
    kinds = ("gaussian noise", "blur", "occlusion", "contrast", "shift", "missing pixels")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", page, re.M)
    assert len(rows) == 5
    for model, cells in rows:
        reports = sorted((TOP / "results" / "folder-cifar" / model).glob("*.json"))
        scores = [json.loads(path.read_text())["scores"]["robustness"] for path in reports]
        figures = [mean(one["clean"] for one in scores)]
        figures += [mean(one[kind][severity] for one in scores) for kind in kinds for severity in (0, 1)]
        assert re.findall(r"\.\d{3}", cells) == [f"{figure:.3f}"[1:] for figure in figures], model
