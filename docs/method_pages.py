"""Pages of the manual, one for each recipe, from its class, its header, its variants and the recorded rows."""

import re
from pathlib import Path

import yaml

from unsup.comparison.recorded.means import by_model, mean_cost, means
from unsup.comparison.recorded.plan import missing_rows, read_plan
from unsup.comparison.recorded.store import read_complete
from unsup.comparison.recorded.tables import COSTS, HEADLINE, PROBES, UNTRAINED, protocol_note
from unsup.core.commands import suggest
from unsup.reports.blocks import in_order
from unsup.reports.format import Cells, markdown_table
from unsup.reports.schema import Report
from unsup.reports.score_schema import Scores
from unsup.runs.lookup import config_file, config_names
from unsup.runs.recipes import header, header_field

LABELS = {"expect": "Expected", "minutes": "Minutes", "chosen": "Settings chosen by"}
TABLE_ROW = re.compile(r"^\|(.*?)\|(.*?)\|(.*)$", re.M)
NAME = re.compile(r"\[`(\w+)`( `\w+`)*\]\([^)]*\)|`\w+`")


def with_links_to_methods(text: str) -> str:
    """Return the overview of the methods, where a recipe in the tables links its page."""
    recipes = config_names("model")

    def linked(row: "re.Match[str]") -> str:
        names = [name for name in re.findall(r"`(\w+)`", row[2]) if name in recipes]
        cell = " ".join(f"[`{name}`](methods/{name}.md)" for name in names)
        return f"|{row[1]}| {cell} |{row[3]}" if names else row[0]

    return TABLE_ROW.sub(linked, text)


def method_pages(top: Path) -> dict[str, str]:
    """Return the Markdown of each recipe's page, by its name; links are those of a file in docs/methods/."""
    recorded = [read_complete(path) for path in sorted((top / "results").glob("*/*/*.json"))]
    to_come = missing_rows(read_plan(top / "results" / "plan.yaml"), recorded)
    pages: dict[str, str] = {}
    documented: set[str] = set()
    for name in sorted(config_names("model"), key=lambda name: (class_of(name), name)):
        own = by_model(recorded).get(name, [])
        missing = {data: rows[name] for data, rows in to_come.items() if name in rows}
        pages[name] = "\n\n".join([*head(name), *rows(own, missing), *method(name, documented), *recipe(name)]) + "\n"
        documented.add(class_of(name))
    return dict(sorted(pages.items()))


def class_of(name: str) -> str:
    """Return the import path of a recipe's class."""
    return str(yaml.safe_load(config_file("model", name).read_text(encoding="utf-8"))["model"]["class_path"])


def head(name: str) -> list[str]:
    """Return the title and what the header of the recipe says."""
    path = config_file("model", name)
    fields = [f"* {label}: {text}" for field, label in LABELS.items() if (text := header_field(path, field))]
    return [
        f"# {name}",
        f"{header(path)[0]}.",
        "\n".join(fields),
        f"```sh\n{suggest('train', via='make', model=name)}\n```",
    ]


def rows(reports: list[Report], missing: dict[str, list[int]]) -> list[str]:
    """Return the recorded rows, one for each data set, and which are to come."""
    table: list[Cells] = []
    for data in dict.fromkeys(report.run.data for report in reports):
        own = [report for report in reports if report.run.data == data]
        costs = {score.name: score.format(cost) for score in COSTS if (cost := mean_cost(own, score)) is not None}
        untrained = means([own[0].baselines.get("untrained", Scores())], PROBES, UNTRAINED)
        card = f"[{data}](../../results/cards/{data}-{own[0].run.model}.yaml)"
        table.append(
            {"data": card, "seeds": str(len(own))} | means([one.scores for one in own], HEADLINE) | untrained | costs
        )
    parts = ["## Recorded rows"]
    if table:
        columns = ["data", "seeds", *(n for score in PROBES for n in (score.name, UNTRAINED + score.name))]
        columns += [score.name for score in (*HEADLINE, *COSTS)]
        note = f"{protocol_note(reports)} [The columns](../results/reading.md), [all models](../../results/README.md)."
        parts += [
            markdown_table(in_order(table, columns)),
            f"{note} A data set links the card that reproduces its row.",
        ]
    else:
        parts.append("No row of this recipe is recorded yet.")
    if missing:
        listed = "; ".join(f"{data}, seeds {' '.join(map(str, seeds))}" for data, seeds in missing.items())
        parts.append(f"To come: {listed}.")
    return parts


def method(name: str, documented: set[str]) -> list[str]:
    """Return the documentation of the class, indexed on the first page that has it."""
    path = class_of(name)
    index = "   :no-index:\n" if path in documented else ""
    module = path.rpartition(".")[0].replace(".", "/")
    code = f"The class is in [`{module}.py`](../../{module}.py)."
    return ["## The method", code, f"```{{eval-rst}}\n.. autoclass:: {path}\n{index}```"]


def recipe(name: str) -> list[str]:
    """Return the recipe and its variants as they are in configs/model/."""
    base = config_file("model", name)
    parts = ["## The recipe", f"```yaml\n{base.read_text(encoding='utf-8').strip()}\n```"]
    for path in sorted(base.parent.glob(f"{name}@*.yaml")):
        data = ", ".join(path.stem.partition("@")[2].split("+"))
        parts += [f"## On {data}", f"```yaml\n{path.read_text(encoding='utf-8').strip()}\n```"]
    return parts
