"""The results tables: for each data set its models beside the floors, in short for the README and in full."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean

from unsup.comparison.recorded.commands import make_command
from unsup.comparison.recorded.means import (
    EFFORT,
    average,
    by_model,
    effort,
    means,
    values,
)
from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.reports.blocks import in_order
from unsup.reports.catalogue import Tables, find_score, scores_in
from unsup.reports.format import Cells, markdown_table
from unsup.reports.schema import BaselineKey, Report, baseline_name
from unsup.reports.score_schema import Scores

FULL = "results/README.md"
TWIN = "untrained: "
SETTING = ("model", "dim", "augmentation", "chosen")  # what a row is
VIEWS, LABELS, OWN_CLUSTERS = "†", "‡", "§"  # marks in the short table
LEGEND = (
    f"{VIEWS} trained on random views of the images · {LABELS} recipe chosen with the labels of validation images · "
    f"{OWN_CLUSTERS} the model's own clusters, elsewhere those of k-means"
)
UNBROKEN = "\N{NO-BREAK SPACE}"
HEADLINE = scores_in(Tables.RESULTS)
PROBES = tuple(score for score in HEADLINE if Tables.LAYER in score.tables)  # also of untrained networks and layers
GENERATION = scores_in(Tables.GENERATION | Tables.LIKELIHOOD)
SHARED = ("pca", "pixels")  # floors: a model of that name is the floor's row, not one more
BEST = {  # columns of the short table with a best model: its score, the first that there is
    "linear probe": ("linear probe",),
    "few-label 10": ("few-label 10",),
    "clusters ACC": ("own clusters ACC", "k-means ACC"),
    "SSE": ("reconstruction SSE",),
}
SHORT_COLUMNS = (
    "model",
    "dim",
    "linear probe",
    "untrained",
    "few-label 10",
    "clusters ACC",
    "SSE",
    "minutes",
)  # no scrolling


def short_tables(reports: Sequence[Report], about: Mapping[str, str]) -> str:
    """For the README: a table for each data set, best linear probe first, then the floors in italics; what generates.

    A model's row is the mean over its seeds, ± standard deviation (ddof 1) from two seeds on; the best model of each
    column is bold.

    Args:
        reports: the kept ones.
        about: {data set: what its images are}, in the order of the tables; others follow by name.

    Raises:
        UserError: the seeds of a model were trained with different commands, or reports are of different schemas or,
            under one name, of different images.
    """
    parts = []
    for data, here in _by_data(reports, about).items():
        rows = [_short(row) for row in _rows(here)]
        _embolden(rows, by_model(here))
        for row in rows:
            row["model"] += _marks(row)
        table = markdown_table(in_order(rows, SHORT_COLUMNS))
        link = f"[Seeds, deviations, more columns, layers]({FULL}#{data.lower()})."
        parts.append(f"{_heading(data, here, about, '###')} {_commands(data, here)} {link}\n\n{table}\n\n{LEGEND}\n")
        if generation := generation_table(here):
            parts.append(generation)
    return "\n".join(parts)


def full_tables(reports: Sequence[Report], about: Mapping[str, str]) -> str:
    """All columns and the command of each row, then every layer beside the same layer untrained; as `short_tables`."""
    parts = []
    for data, here in _by_data(reports, about).items():
        twins = [name for score in HEADLINE for name in (score.name, f"{TWIN}{score.name}")]
        table = markdown_table(in_order(_rows(here), (*SETTING, *twins, *EFFORT, "command")))
        parts.append(f"{_heading(data, here, about, '##')}\n\n{table}\n")
        if layers := _layer_rows(here):
            parts.append(f"By layer, beside the same layer untrained:\n\n{markdown_table(layers, texts=2)}\n")
    return "\n".join(parts)


def _by_data(reports: Sequence[Report], about: Mapping[str, str]) -> dict[str, list[Report]]:
    if len({report.schema for report in reports}) > 1:
        again = suggest("evaluate", run="…")
        raise UserError(f"results/ holds reports of different schemas: evaluate the older ones again, {again}")
    there = {report.run.data for report in reports}
    groups = {}
    for data in [*(name for name in about if name in there), *sorted(there - about.keys())]:
        here = groups[data] = [report for report in reports if report.run.data == data]
        if len({report.provenance.data_sha256 for report in here}) > 1:
            raise UserError(f"results/{data} holds reports of different images: keep those of one data set")
    return groups


def _heading(data: str, reports: Sequence[Report], about: Mapping[str, str], level: str) -> str:
    machines = sorted({report.provenance.hardware.description for report in reports})
    title = f"{level} {data}\n\n" + (f"{about[data]}. " if data in about else "")
    return f"{title}Scores on test images; minutes of training on {'; '.join(machines)}."


def _commands(data: str, reports: Sequence[Report]) -> str:
    """The command that most rows share, with … for the model, and those of the others."""
    commands = {model: make_command(own[0].run) for model, own in by_model(reports).items()}
    patterns = {model: text.replace(f"MODEL={model}", "MODEL=…", 1) for model, text in commands.items()}
    usual = Counter(patterns.values()).most_common(1)[0][0]
    others = [f"`{commands[model]}`" for model, pattern in patterns.items() if pattern != usual]
    also = f", but {', '.join(others)}" if others else ""
    return f"A row is `{usual}`{also}, and `{suggest('reproduce', via='make', card=f'{data}-…')}` checks it."


def _rows(reports: Sequence[Report]) -> list[Cells]:
    """The rows of one data set."""
    groups = by_model(reports)
    models = [model for model in groups if model not in SHARED]
    order = sorted(models, key=lambda model: _rank([report.scores for report in groups[model]]))
    rows = [_model_row(model, groups[model]) for model in order]
    for key, scores in _floors(reports):
        row = {"model": f"*{baseline_name(key, scores.code_dim)}*", "dim": f"{scores.code_dim:,}"} | means(
            [scores], HEADLINE
        )
        own = [report for report in groups.get(key, []) if report.scores.code_dim == scores.code_dim]
        rows.append(row | (effort(own) | {"command": _command(key, own)} if own else {}))
    return rows


def _floors(reports: Sequence[Report]) -> list[tuple[BaselineKey, Scores]]:
    """PCA at every dimension of a code, the largest first, and raw pixels."""
    everything = [report.baselines for report in reports]
    dims = {floors["pca"].code_dim or 0: floors["pca"] for floors in everything if "pca" in floors}
    pixels = [floors["pixels"] for floors in everything if "pixels" in floors]
    return [("pca", dims[dim]) for dim in sorted(dims, reverse=True)] + [("pixels", scores) for scores in pixels[:1]]


def _model_row(model: str, reports: Sequence[Report]) -> Cells:
    run, scores = reports[0].run, [report.scores for report in reports]
    row = {"model": model, "dim": f"{scores[0].code_dim:,}", "augmentation": str(run.views), "chosen": str(run.chosen)}
    twin = means([reports[0].baselines.get("untrained", Scores())], PROBES)
    row |= means(scores, HEADLINE) | {f"{TWIN}{column}": text for column, text in twin.items()}
    return row | effort(reports) | {"command": _command(model, reports)}


def _command(model: str, reports: Sequence[Report]) -> str:
    commands = {make_command(report.run) for report in reports}
    if len(commands) > 1:
        raise UserError(f"the seeds of {model} were trained differently: {' / '.join(sorted(commands))}")
    return f"`{commands.pop()}`"


def _short(row: Cells) -> Cells:
    """A row of the short table: the deviation of the linear probe alone; own clusters in the place of k-means'."""
    found = {"untrained": f"{TWIN}linear probe", "SSE": "reconstruction SSE", "clusters ACC": "k-means ACC"}
    short = row | {name: row[column] for name, column in found.items() if column in row}
    if "own clusters ACC" in row:
        short["clusters ACC"] = row["own clusters ACC"]
    short = {column: text if column == "linear probe" else text.partition(" ±")[0] for column, text in short.items()}
    if "linear probe" in short:
        short["linear probe"] = short["linear probe"].replace(" ", UNBROKEN)
    return short | (
        {"clusters ACC": f"{short['clusters ACC']}{UNBROKEN}{OWN_CLUSTERS}"} if "own clusters ACC" in row else {}
    )


def _marks(row: Cells) -> str:
    """What else went into a model than images: knowledge of their views, labels of validation images."""
    seen = VIEWS if row.get("augmentation", "none") != "none" else ""
    marks = seen + (LABELS if row.get("chosen") == "validation" else "")
    return UNBROKEN + marks if marks else ""


def _embolden(rows: Sequence[Cells], groups: Mapping[str, Sequence[Report]]) -> None:
    """In every column of BEST the best mean of a model becomes bold."""
    for column, names in BEST.items():
        found: dict[str, float] = {}
        for row in rows:
            if row["model"] in groups and column in row:
                scores = [report.scores for report in groups[row["model"]]]
                found[row["model"]] = fmean(
                    next(several for name in names if (several := values(scores, find_score(name))))
                )
        best = (min if column == "SSE" else max)(found.values(), default=None)
        for row in rows:
            if found.get(row["model"], float("nan")) == best:
                row[column] = f"**{row[column]}**"


def _layer_rows(reports: Sequence[Report]) -> list[Cells]:
    """One row for each layer of each model that has any: means over seeds; untrained from the first seed's floors."""
    rows = []
    for model, own in by_model(reports).items():
        for name, first in own[0].scores.layers.items():
            row = {"model": model, "layer": name, "dim": f"{first.dim:,}"}
            twin = own[0].baselines.get("untrained", Scores()).layers.get(name)
            for score in PROBES:
                found = values([report.scores.layers[name] for report in own], score)
                beside = score.value(twin) if twin else None
                row[score.name] = score.format(fmean(found)) if found else ""
                row[f"{TWIN}{score.name}"] = "" if beside is None else score.format(beside)
            rows.append(row)
    return rows


def _rank(several: Sequence[Scores]) -> tuple[float, float]:
    """Sorts by mean linear probe, best first; without labels by reconstruction error."""
    probe = average(several, find_score("linear probe"), missing=-1.0)
    return -probe, average(several, find_score("reconstruction SSE"), missing=float("inf"))


def generation_table(reports: Sequence[Report]) -> str:
    """Markdown, smallest Fréchet distance first; empty where no model generates or has a likelihood.

    Their untrained twins follow, then real images in the place of generated ones.
    """
    groups = by_model([report for report in reports if report.scores.generation or report.scores.likelihood])
    if not groups:
        return ""
    scores = {model: [report.scores for report in own] for model, own in groups.items()}
    frechet = find_score("Fréchet")
    order = sorted(groups, key=lambda model: average(scores[model], frechet, missing=float("inf")))
    rows = [{"model": model} | means(scores[model], GENERATION) | effort(groups[model]) for model in order]
    floors = {f"{model}, untrained": groups[model][0].baselines.get("untrained", Scores()) for model in order}
    real = [report.baselines["real"] for model in order for report in groups[model] if "real" in report.baselines]
    floors["real against real"] = real[0] if real else Scores()
    for name, floor in floors.items():
        if cells := means([floor], GENERATION):
            rows.append({"model": f"*{name}*"} | cells)
    table = markdown_table(in_order(rows, ("model", *(score.name for score in GENERATION), "seeds", "minutes")))
    return f"{_generation_title([one for model in order for one in scores[model]])}\n\n{table}\n"


def _generation_title(several: Sequence[Scores]) -> str:
    """What was compared with what, and where."""
    compared = sorted({f"{found.n:,}, in {found.space}" for scores in several if (found := scores.generation)})
    draws = sorted({f"{likely.samples}" for scores in several if (likely := scores.likelihood) and likely.samples})
    title = f"Generation, new images against as many test images: {'; '.join(compared)}" if compared else "Likelihood"
    return title + (f". NLL from {' or '.join(draws)} posterior samples:" if draws else ":")
