"""The README's results tables: for each data set its models, their layers, what they generate, and the floors."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unsup.errors import UserError
from unsup.evaluation.report import Report
from unsup.evaluation.summary import Cells, Scores, accuracy, distance, error, floor_name, hardware, markdown_table

Columns = dict[str, tuple[tuple[str, ...], Callable[[float], str]]]  # column -> where it is in scores, how written
HEADLINE: Columns = {
    "linear probe": (("linear_probe", "accuracy"), accuracy),
    "few-label 10": (("few_label", "10", "mean"), accuracy),
    "kNN": (("knn", "accuracy"), accuracy),
    "k-means ACC": (("kmeans", "test", "acc"), accuracy),
    "own clusters ACC": (("clusterings", "own", "test", "acc"), accuracy),
    "reconstruction SSE": (("reconstruction", "sse_per_image"), error),
}
TWIN = {name: HEADLINE[name] for name in ("linear probe", "few-label 10")}  # of the untrained twin, too
GENERATION: Columns = {  # of `_costs`
    "Fréchet": (("generation", "frechet"), distance),
    "kernel": (("generation", "kernel"), distance),
    "precision": (("generation", "precision"), accuracy),
    "recall": (("generation", "recall"), accuracy),
    "FID": (("generation", "fid"), distance),
    "-ELBO": (("nats", "elbo"), error),
    "NLL": (("nats", "log_likelihood"), error),
}
EFFORT = ("seeds", "minutes")
MAKE = {"--data": "DATA", "--epochs": "EPOCHS", "--images": "IMAGES"}  # options of train -> variables of `make train`
PLACES = ("--seed", "--data_root", "--runs")  # they say which seed and where things lie, not what is trained


def results_table(reports: list[Report]) -> str:
    """Markdown: for each data set the models, best linear probe first, then the floors that they share in italics.

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
        if generation := _generation_table(here):
            parts.append(generation)
    return "\n".join(parts)


def _rows(reports: list[Report]) -> list[Cells]:
    """The rows of one data set."""
    models = sorted({report["run"]["model"] for report in reports})
    groups = {model: [report for report in reports if report["run"]["model"] == model] for model in models}
    order = sorted(models, key=lambda model: _rank([report["scores"] for report in groups[model]]))
    rows = [_model_row(model, groups[model]) for model in order]
    best = groups[order[0]][0]
    dims = {report["floors"]["pca"]["code_dim"]: report for report in reports if "pca" in report["floors"]}
    floors = [("pca", dims[dim]) for dim in sorted(dims, reverse=True)]
    floors += [("pixels", best)] if "pixels" in best["floors"] else []
    for key, report in floors:
        scores = report["floors"][key]
        rows.append({"model": f"*{floor_name(key, scores)}*"} | _cells([scores]))
    columns = [name for column in HEADLINE for name in (column, f"untrained: {column}")]
    return _in_order(rows, ("model", "dim", *columns, *EFFORT, "command"))


def _in_order(rows: list[Cells], columns: Sequence[str]) -> list[Cells]:
    """The rows with the columns that any of them has, in this order."""
    some = [column for column in columns if any(column in row for row in rows)]
    return [{column: row.get(column, "") for column in some} for row in rows]


def _layer_rows(reports: list[Report]) -> list[Cells]:
    """One row for each layer of each model that has any: means over seeds; untrained from the first seed's floors."""
    rows = []
    for model in sorted({report["run"]["model"] for report in reports}):
        own = [report for report in reports if report["run"]["model"] == model]
        for layer, first in own[0]["scores"].get("layers", {}).items():
            row = {"model": model, "layer": layer, "dim": f"{first['dim']:,}"}
            twin = own[0]["floors"].get("untrained", {}).get("layers", {}).get(layer, {})
            for column, (path, written) in TWIN.items():
                found = [_at(report["scores"]["layers"][layer], path) for report in own]
                values, beside = [value for value in found if value is not None], _at(twin, path)
                row[column] = written(float(np.mean(values))) if len(values) == len(own) else ""
                row[f"untrained: {column}"] = "" if beside is None else written(beside)
            rows.append(row)
    return rows


def _generation_table(reports: list[Report]) -> str:
    """Of the models that generate or have a likelihood, smallest Fréchet distance first; empty where there are none.

    Their untrained twins follow, then real images in the place of generated ones.
    """
    groups: dict[str, list[Report]] = {}
    for report in reports:
        if {"generation", "likelihood"} & report["scores"].keys():
            groups.setdefault(report["run"]["model"], []).append(report)
    if not groups:
        return ""
    costs = {model: [_costs(report["scores"]) for report in groups[model]] for model in groups}
    order = sorted(groups, key=lambda model: _average(costs[model], GENERATION["Fréchet"][0], missing=float("inf")))
    rows = [{"model": model} | _means(costs[model], GENERATION) | _effort(groups[model]) for model in order]
    floors = {f"{model}, untrained": groups[model][0]["floors"].get("untrained", {}) for model in order}
    real = [report["floors"]["real"] for model in order for report in groups[model] if "real" in report["floors"]]
    floors["real against real"] = real[0] if real else {}
    for name, scores in floors.items():
        if cells := _means([_costs(scores)], GENERATION):
            rows.append({"model": f"*{name}*"} | cells)
    table = markdown_table(_in_order(rows, ("model", *GENERATION, *EFFORT)))
    return f"{_generation_title([report['scores'] for model in order for report in groups[model]])}\n\n{table}\n"


def _generation_title(several: list[Scores]) -> str:
    """What was compared with what, and where."""
    judged = [scores["generation"] for scores in several if "generation" in scores]
    compared = sorted({f"{found['n']:,}, in {found['space']}" for found in judged})
    likely = [scores["likelihood"] for scores in several if "samples" in scores.get("likelihood", {})]
    draws = sorted({f"{found['samples']}" for found in likely})
    title = f"Generation, new images against as many test images: {'; '.join(compared)}" if compared else "Likelihood"
    return title + (f". NLL from {' or '.join(draws)} posterior samples:" if draws else ":")


def _costs(scores: Scores) -> Scores:
    """Generation as it is, and nats a test image: log-likelihoods with their sign changed."""
    nats = {name: -value for name, value in scores.get("likelihood", {}).items() if name in ("elbo", "log_likelihood")}
    return {"generation": scores.get("generation", {}), "nats": nats}


def _model_row(model: str, reports: list[Report]) -> Cells:
    commands = {make_command(report["run"]) for report in reports}
    if len(commands) > 1:
        raise UserError(f"the seeds of {model} were trained differently: {' / '.join(sorted(commands))}")
    row = {"model": model} | _cells([report["scores"] for report in reports])
    twin = _means([reports[0]["floors"].get("untrained", {})], TWIN)
    row |= {f"untrained: {column}": text for column, text in twin.items()}
    return row | _effort(reports) | {"command": f"`{commands.pop()}`"}


def _effort(reports: list[Report]) -> Cells:
    several = [report["run"] for report in reports]
    minutes = np.mean([run.get("stages_seconds", run["train_seconds"]) for run in several]) / 60
    return dict(zip(EFFORT, (str(len(reports)), f"{minutes:.1f}"), strict=True))


def _cells(several: list[Scores]) -> Cells:
    return {"dim": f"{several[0]['code_dim']:,}"} | _means(several, HEADLINE)


def _means(several: list[Scores], columns: Columns) -> Cells:
    """Means over seeds of the numbers that all of them have."""
    row = {}
    for column, (path, written) in columns.items():
        values = [value for scores in several if (value := _at(scores, path)) is not None]
        if len(values) == len(several):
            row[column] = written(float(np.mean(values)))
            if len(values) > 1:
                row[column] += f" ± {written(float(np.std(values, ddof=1)))}"
    return row


def _rank(several: list[Scores]) -> tuple[float, float]:
    """Sorts by mean linear probe, best first; without labels by reconstruction error."""
    probe = _average(several, HEADLINE["linear probe"][0], missing=-1.0)
    return -probe, _average(several, HEADLINE["reconstruction SSE"][0], missing=float("inf"))


def _average(several: list[Scores], path: tuple[str, ...], missing: float) -> float:
    """Mean of what there is."""
    values = [value for scores in several if (value := _at(scores, path)) is not None]
    return float(np.mean(values)) if values else missing


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
