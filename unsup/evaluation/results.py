"""The reports kept in results/<data>/<model>/<seed>.json, and the README's tables made from them."""

import copy
import json
import re
import shlex
from pathlib import Path

from unsup.errors import UserError
from unsup.evaluation.report import Report, read_report
from unsup.evaluation.results_table import results_table
from unsup.files import replace

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
PLACES = ("--data_root", "--runs")
NEEDED = {
    "schema": (),
    "run": ("model", "data", "seed", "train_seconds", "command"),
    "provenance": ("commit", "dirty", "data_sha256", "hardware", "versions"),
    "selfcheck": ("passed", "total"),
    "frozen": ("before", "after"),
    "test_reads": (),
    "scores": ("code_dim",),
    "floors": (),
}


def add(run: Path, results: Path) -> Path:
    """Keep the report of a run as results/<data>/<model>/<seed>.json; returns that path.

    Raises:
        UserError: the report is not complete or not to be trusted, or its code was in no commit.
    """
    source = run / "report.json"
    report = read_complete(source)
    if report["selfcheck"]["passed"] != report["selfcheck"]["total"]:
        raise UserError(f"{source}: the evaluator failed its own check; find out why with make selfcheck")
    if report["frozen"]["before"] != report["frozen"]["after"] or report["test_reads"] != 1:
        raise UserError(f"{source}: the encoder changed or the test images were read again; evaluate the run again")
    made = report["provenance"]
    if any(code.get("dirty") for code in (made, made.get("evaluation", {}), *made.get("resumed", []))):
        raise UserError(f"{source}: the run was made with changes that no commit holds; commit them and train again")
    who = report["run"]
    if not all(re.fullmatch(r"\w[\w@.-]*", str(who[key])) for key in ("data", "model", "seed")):
        raise UserError(f"{source}: {who['data']}, {who['model']}, {who['seed']} cannot be the name of a file")
    results_table([report])
    target = results / who["data"] / who["model"] / f"{who['seed']}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, json.dumps(without_places(report), indent=1, ensure_ascii=False) + "\n")
    return target


def without_places(report: Report) -> Report:
    """The report without the folders of the machine that it was made on, and without its curves: for others to read."""
    kept, words = copy.deepcopy(report), []
    config, start = kept["provenance"].get("config", {}), kept["provenance"].get("init_from", {}).get("run", "another")
    options = iter(shlex.split(report["run"]["command"]))
    for word in options:
        name, equals, value = word.partition("=")
        if name in (*PLACES, "--init_from"):
            value = value if equals else next(options, "")
            if name == "--init_from":
                words += [name, f"runs/{start}" if "/" in value else value]
        else:
            words.append(word)
    kept["run"]["command"] = shlex.join(words)
    kept.pop("curves", None)
    config.get("data", {}).get("init_args", {}).pop("root", None)
    if "/" in config.get("init_from", ""):
        config["init_from"] = f"runs/{start}"
    return kept


def read_complete(path: Path) -> Report:
    """A report that has all that the table needs.

    Raises:
        UserError: it is damaged, or something is missing; the message names both.
    """
    report = read_report(path)
    missing = [key for key in NEEDED if key not in report]
    missing += [f"{key}.{inner}" for key in report.keys() & NEEDED for inner in NEEDED[key] if inner not in report[key]]
    if missing:
        raise UserError(f"{path} has no {', '.join(sorted(missing))}: evaluate the run again, in a git checkout")
    return report


def update_readme(readme: Path, reports_folder: Path, check: bool = False) -> bool:
    """Write the table of all kept reports between the README's two markers; returns whether it was out of date.

    Args:
        check: only tell, write nothing.

    Raises:
        UserError: a report is damaged, or the markers are not there once each.
    """
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"{readme} must have the lines {BEGIN} and {END} once each, in this order")
    table = results_table([read_complete(path) for path in sorted(reports_folder.glob("*/*/*.json"))])
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    new = f"{before}{BEGIN}\n{table}{END}{after}"
    if new != text and not check:
        replace(readme, new)
    return new != text
