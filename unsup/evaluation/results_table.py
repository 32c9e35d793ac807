"""The README's results tables: for each data set its models, their layers, and the floors."""

import shlex
from collections.abc import Callable
from typing import Any

import numpy as np

from unsup.errors import UserError
from unsup.evaluation.report import Report
from unsup.evaluation.summary import Cells, Scores, accuracy, error, floor_name, hardware, markdown_table

HEADLINE: dict[str, tuple[tuple[str, ...], Callable[[float], str]]] = {  # column -> where it is in scores, how written
    "linear probe": (("linear_probe", "accuracy"), accuracy),
    "few-label 10": (("few_label", "10", "mean"), accuracy),
    "kNN": (("knn", "accuracy"), accuracy),
    "k-means ACC": (("kmeans", "test", "acc"), accuracy),
    "reconstruction SSE": (("reconstruction", "sse_per_image"), error),
}
MAKE = {"--data": "DATA", "--epochs": "EPOCHS", "--images": "IMAGES"}  # options of train -> variables of `make train`
PLACES = ("--seed", "--data_root", "--runs")  # they say which seed and where things lie, not what is trained


def results_table(reports: list[Report]) -> str:
    """Markdown: for each data set the models, best linear probe first, then their floors in italics.

    A model's row is the mean over its seeds, ± standard deviation (ddof 1) from two seeds on.

    Raises:
        UserError: the seeds of a model were trained with different commands, or reports are of different schemas or,
            under one name, of different images.
    """
    if len({report["schema"] for report in reports}) > 1:
        raise UserError("results/ holds reports of different schemas: make evaluate the older ones again")
    parts = []
    for data in sorted({report["run"]["data"] for report in reports}):
        here = [report for report in reports if report["run"]["data"] == data]
        if len({report["provenance"]["data_sha256"] for report in here}) > 1:
            raise UserError(f"results/{data} holds reports of different images: keep those of one data set")
        machines = sorted({hardware(report) for report in here})
        title = f"**{data}**, test images; minutes of training on {'; '.join(machines)}"
        parts.append(f"{title}\n\n{markdown_table(_rows(here))}\n")
        if layers := _layer_rows(here):
            parts.append(f"By layer, beside the same layer untrained:\n\n{markdown_table(layers, texts=2)}\n")
    return "\n".join(parts)


def _rows(reports: list[Report]) -> list[Cells]:
    """The rows of one data set."""
    models = sorted({report["run"]["model"] for report in reports})
    groups = {model: [report for report in reports if report["run"]["model"] == model] for model in models}
    order = sorted(models, key=lambda model: _rank([report["scores"] for report in groups[model]]))
    rows = [_model_row(model, groups[model]) for model in order]
    best = groups[order[0]][0]
    floors = [("untrained", best)] if "untrained" in best["floors"] else []
    dims = {report["floors"]["pca"]["code_dim"]: report for report in reports if "pca" in report["floors"]}
    floors += [("pca", dims[dim]) for dim in sorted(dims, reverse=True)]
    floors += [("pixels", best)] if "pixels" in best["floors"] else []
    for key, report in floors:
        scores = report["floors"][key]
        name = f"{order[0]}, untrained" if key == "untrained" else floor_name(key, scores)
        rows.append({"model": f"*{name}*"} | _cells([scores]))
    columns = [c for c in ("model", "dim", *HEADLINE, "seeds", "minutes", "command") if any(c in row for row in rows)]
    return [{column: row.get(column, "") for column in columns} for row in rows]


def _layer_rows(reports: list[Report]) -> list[Cells]:
    """One row for each layer of each model that has any: means over seeds; untrained from the first seed's floors."""
    columns = {name: HEADLINE[name] for name in ("linear probe", "few-label 10")}
    rows = []
    for model in sorted({report["run"]["model"] for report in reports}):
        own = [report for report in reports if report["run"]["model"] == model]
        for layer, first in own[0]["scores"].get("layers", {}).items():
            row = {"model": model, "layer": layer, "dim": f"{first['dim']:,}"}
            twin = own[0]["floors"].get("untrained", {}).get("layers", {}).get(layer, {})
            for column, (path, written) in columns.items():
                found = [_at(report["scores"]["layers"][layer], path) for report in own]
                values, beside = [value for value in found if value is not None], _at(twin, path)
                row[column] = written(float(np.mean(values))) if len(values) == len(own) else ""
                row[f"untrained: {column}"] = "" if beside is None else written(beside)
            rows.append(row)
    return rows


def _model_row(model: str, reports: list[Report]) -> Cells:
    commands = {make_command(report["run"]) for report in reports}
    if len(commands) > 1:
        raise UserError(f"the seeds of {model} were trained differently: {' / '.join(sorted(commands))}")
    minutes = np.mean([report["run"]["train_seconds"] for report in reports]) / 60
    row = {"model": model} | _cells([report["scores"] for report in reports])
    return row | {"seeds": str(len(reports)), "minutes": f"{minutes:.1f}", "command": f"`{commands.pop()}`"}


def _cells(several: list[Scores]) -> Cells:
    """Means over seeds of the numbers that all of them have."""
    row = {"dim": f"{several[0]['code_dim']:,}"}
    for column, (path, written) in HEADLINE.items():
        values = [value for scores in several if (value := _at(scores, path)) is not None]
        if len(values) == len(several):
            row[column] = written(float(np.mean(values)))
            if len(values) > 1:
                row[column] += f" ± {written(float(np.std(values, ddof=1)))}"
    return row


def _rank(several: list[Scores]) -> tuple[float, float]:
    """Sorts by mean linear probe, best first; without labels by reconstruction error."""
    probe = [value for scores in several if (value := _at(scores, HEADLINE["linear probe"][0])) is not None]
    sse = [value for scores in several if (value := _at(scores, HEADLINE["reconstruction SSE"][0])) is not None]
    return -float(np.mean(probe)) if probe else 1.0, float(np.mean(sse)) if sse else float("inf")


def _at(scores: Any, path: tuple[str, ...]) -> float | None:
    for key in path:
        scores = scores.get(key, {})
    return None if scores == {} else float(scores)


def make_command(run: dict[str, Any]) -> str:
    """What a reader types to train this recipe: the recorded `unsup train …` as `make train`, whatever the seed.

    Raises:
        UserError: the run was not started from the command line.
    """
    words = shlex.split(run.get("command", ""))
    if words[:2] != ["unsup", "train"]:
        raise UserError(f"{run['model']} on {run['data']}, seed {run['seed']}: not trained by `unsup train`")
    variables, rest = {"DATA": run["data"]}, []
    options = iter(words[2:])
    for word in options:
        name, equals, value = word.partition("=")
        if name in MAKE or name in PLACES:
            value = value if equals else next(options, "")
            if name in MAKE:
                variables[MAKE[name]] = value
        elif name.startswith("--"):
            rest.append(word if equals else shlex.join([word, next(options, "")]))
    if "IMAGES" in variables:
        del variables["DATA"]
    command = shlex.join(["make", "train", f"MODEL={run['model']}", *(f"{k}={v}" for k, v in variables.items())])
    return f'{command} ARGS="{" ".join(rest)}"' if rest else command
