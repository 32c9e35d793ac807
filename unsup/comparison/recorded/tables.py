"""Tables of the recorded reports, short for the README and complete for results/."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from unsup.comparison.recorded.commands import make_command
from unsup.comparison.recorded.means import by_model, mean_cost, means, seed_values
from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.reports.blocks import in_order
from unsup.reports.catalogue import Tables, find_score, scores_in
from unsup.reports.format import Cells, accuracy, markdown_table
from unsup.reports.schema import BaselineKey, Report, baseline_name
from unsup.reports.score_schema import Scores

IN_README = 2  # data sets, the first ones
FAMILIAR = ("simclr", "closed_form", "gan", "deep_ae", "vae", "ae")
README_COLUMNS = ("model", "dim", "linear probe", "untrained", "few-label 10", "k-means ACC", "seeds", "budget")
README_NOTE = (
    "The best model by linear probe, well-known ones, and the baselines in italics: means over seeds, in brackets the "
    "95 % interval over test images. *dim*: entries of a code. *untrained*: the linear probe of the same network "
    "before training. *few-label 10*: the probe with 10 labels per class. *k-means ACC*: clusters matched to classes. "
    "*budget*: seconds of training divided by those of a fixed workload on the same machine. "
    "[All models, scores, layers, seeds and commands](results/README.md)."
)
# in this order; a model of the name "pca" or "pixels" is the baseline's row, and no recipe has one of the other names
BASELINE_ROWS: tuple[BaselineKey, ...] = ("pca", "pca_chosen", "pixels", "statistics", "texture")
UNTRAINED = "untrained: "
HEADLINE = scores_in(Tables.RESULTS)
COSTS = tuple(find_score(name) for name in ("CPU-s", "GPU-s", "budget", "images seen", "views seen"))
PROBES = tuple(score for score in HEADLINE if Tables.LAYER in score.tables)  # also of untrained networks and layers
COST_COLUMNS = tuple(score.name for score in COSTS)
PROBE_COLUMNS = tuple(name for score in PROBES for name in (score.name, UNTRAINED + score.name))
GENERATED = scores_in(Tables.GENERATION | Tables.LIKELIHOOD)


class RecordedRow(NamedTuple):
    """A model or a baseline of one data set."""

    name: str  # a recipe, or the key of a baseline
    scores: Sequence[Scores]  # one for each seed
    reports: Sequence[Report]  # none for a baseline that was not recorded as a model

    @property
    def is_baseline(self) -> bool:
        return self.name in BASELINE_ROWS

    @property
    def pretrained(self) -> bool:
        """Whether it is an encoder that was trained elsewhere."""
        return bool(self.reports and self.reports[0].run.encoder)

    @property
    def untrained(self) -> Scores:
        return Scores() if self.is_baseline else self.reports[0].baselines.get("untrained", Scores())


def readme_tables(reports: Sequence[Report], about: Mapping[str, str]) -> str:
    """Return a table of at most nine rows for each of the first two data sets.

    Args:
        reports: the recorded ones.
        about: {data set: what its images are}, in the order of the tables; others follow by name.

    Raises:
        UserError: reports are of different schemas or, under one name, of different images.
    """
    parts = []
    for data, recorded in list(_by_data(reports, about).items())[:IN_README]:
        rows = [_readme_cells(row) for row in sorted(_telling(_recorded_rows(recorded)), key=_rank)]
        parts.append(f"{_heading('###', data, recorded, about)}\n\n{markdown_table(in_order(rows, README_COLUMNS))}\n")
    return "\n".join([*parts, f"{protocol_note(reports)} {README_NOTE}\n"] if parts else [])


def full_tables(reports: Sequence[Report], about: Mapping[str, str]) -> str:
    """Return tables of everything, like `readme_tables`.

    Raises:
        UserError: also if the seeds of a model were trained with different commands.
    """
    scores = [score.name for score in HEADLINE[len(PROBES) :]]
    columns = ["model", "dim", "augmentation", "chosen", *PROBE_COLUMNS, *scores, "seeds", *COST_COLUMNS, "command"]
    parts = [f"{protocol_note(reports)}\n"] if reports else []
    for data, recorded in _by_data(reports, about).items():
        rows = [_cells(row) for row in _recorded_rows(recorded)]
        parts.append(f"{_heading('##', data, recorded, about)}\n\n{markdown_table(in_order(rows, columns))}\n")
        if layers := _layer_rows(recorded):
            parts.append(f"By layer, and of the same layer untrained:\n\n{markdown_table(layers, texts=2)}\n")
        if generation := _generation_table(recorded):
            parts.append(generation)
    return "\n".join(parts)


def protocol_note(reports: Sequence[Report]) -> str:
    return f"All rows are of {reports[0].protocol_name}."


def _by_data(reports: Sequence[Report], about: Mapping[str, str]) -> dict[str, list[Report]]:
    if len({report.schema for report in reports}) > 1:
        again = suggest("evaluate", run="…")
        raise UserError(f"results/ holds reports of different schemas: evaluate the older ones again, {again}")
    names = {report.run.data for report in reports}
    groups = {}
    for data in [*(name for name in about if name in names), *sorted(names - about.keys())]:
        groups[data] = [report for report in reports if report.run.data == data]
        if len({report.provenance.data_sha256 for report in groups[data]}) > 1:
            raise UserError(f"results/{data} holds reports of different images: keep those of one data set")
    return groups


def _heading(level: str, data: str, reports: Sequence[Report], about: Mapping[str, str]) -> str:
    machines = "; ".join(sorted({report.provenance.hardware.description for report in reports}))
    described = f"{about[data]}. " if data in about else ""
    return f"{level} {data}\n\n{described}Scores on test images; trained on {machines}."


def _recorded_rows(reports: Sequence[Report]) -> list[RecordedRow]:
    """Return models, best first, then baselines, PCA with the largest dimension first."""
    groups = by_model(reports)
    rows = [RecordedRow(name, [report.scores for report in own], own) for name, own in groups.items()]
    models = sorted((row for row in rows if not row.is_baseline), key=_rank)
    baselines: dict[tuple[BaselineKey, int], RecordedRow] = {}
    for key, scores in (item for report in reports for item in report.ordered_baselines.items()):
        if key in BASELINE_ROWS:
            dim = scores.code_dim or 0
            own = [report for report in groups.get(key, []) if report.scores.code_dim == dim]
            baselines[key, -dim] = RecordedRow(key, [scores], own)
    return models + [baselines[key] for key in sorted(baselines, key=lambda key: (BASELINE_ROWS.index(key[0]), key[1]))]


def _telling(rows: Sequence[RecordedRow]) -> list[RecordedRow]:
    """Return pretrained encoders, the best model, FAMILIAR ones, one PCA and pixels.

    A PCA that was recorded is preferred.
    """
    best = next((row for row in rows if not row.pretrained), rows[0])
    pca = sorted((row for row in rows if row.name == "pca"), key=lambda row: not row.reports)[:1]
    return [row for row in rows if row is best or row.pretrained or row.name in (*FAMILIAR, "pixels") or row in pca]


def _rank(row: RecordedRow) -> tuple[float, float]:
    """Sort by mean linear probe, best first, or by reconstruction error."""
    probe, error = (seed_values(row.scores, find_score(name)) for name in ("linear probe", "reconstruction SSE"))
    return -fmean(probe or [-1]), fmean(error or [float("inf")])


def _name(row: RecordedRow) -> str:
    """Return the name in tables, in italics for baselines.

    That of an encoder from elsewhere says what its weights are.
    """
    for key in BASELINE_ROWS:
        if key == row.name:
            return f"*{baseline_name(key, row.scores[0].code_dim)}*"
    if row.pretrained:
        trained_on = row.reports[0].pretrained_on
        return f"{row.name} ({trained_on.text or 'unknown weights'})" if trained_on else row.name
    return row.name


def _readme_cells(row: RecordedRow) -> Cells:
    cells = {column: text.partition(" ±")[0] for column, text in means(row.scores, HEADLINE).items()}
    cells |= {
        "model": _name(row),
        "dim": f"{row.scores[0].code_dim:,}",
        "untrained": means([row.untrained], PROBES).get("linear probe", ""),
    }
    bounds = [(probe.low, probe.high) for scores in row.scores if (probe := scores.linear_probe)]
    if bounds and None not in bounds[0]:
        low, high = (accuracy(fmean(ends)) for ends in zip(*bounds, strict=True))
        cells["linear probe"] += f" [{low}, {high}]"
    return cells | _effort(row)


def _effort(row: RecordedRow) -> Cells:
    """Return the number of seeds and the mean costs of training.

    A baseline that was not recorded as a model has none.
    """
    if not row.reports:
        return {}
    costs = {score.name: score.format(cost) for score in COSTS if (cost := mean_cost(row.reports, score)) is not None}
    return {"seeds": str(len(row.reports))} | costs


def _cells(row: RecordedRow) -> Cells:
    cells = {"model": _name(row), "dim": f"{row.scores[0].code_dim:,}"} | means(row.scores, HEADLINE) | _effort(row)
    if not row.reports:
        return cells
    commands = {make_command(report.run) for report in row.reports}
    if len(commands) > 1:
        raise UserError(f"the seeds of {row.name} were trained differently: {' / '.join(sorted(commands))}")
    cells["command"] = f"`{commands.pop()}`"
    if not row.is_baseline:
        run = row.reports[0].run
        cells |= means([row.untrained], PROBES, UNTRAINED)
        cells |= {} if row.pretrained else {"augmentation": str(run.views), "chosen": str(run.chosen)}
    return cells


def _layer_rows(reports: Sequence[Report]) -> list[Cells]:
    """Return a row for each layer of each model, untrained in the first seed's report."""
    rows = []
    for model, own in by_model(reports).items():
        untrained = own[0].baselines.get("untrained", Scores()).layers
        for name, first in own[0].scores.layers.items():
            row = {"model": model, "layer": name, "dim": f"{first.dim:,}"}
            row |= means([report.scores.layers[name] for report in own], PROBES)
            rows.append(row | means([untrained[name]] if name in untrained else [], PROBES, UNTRAINED))
    return in_order(rows, ("model", "layer", "dim", *PROBE_COLUMNS))


def _generation_table(reports: Sequence[Report]) -> str:
    """Return a table of models that generate or have a likelihood, or nothing.

    The smallest Fréchet distance comes first. The same networks untrained follow, and real images in the place of
    generated ones.
    """
    groups = by_model([report for report in reports if report.scores.generation or report.scores.likelihood])
    rows = [RecordedRow(name, [report.scores for report in own], own) for name, own in groups.items()]
    if not rows:
        return ""
    rows.sort(key=lambda row: fmean(seed_values(row.scores, find_score("Fréchet")) or [float("inf")]))
    table = [{"model": row.name} | means(row.scores, GENERATED) | _effort(row) for row in rows]
    references = {f"{row.name}, untrained": row.untrained for row in rows}
    real = [report.baselines["real"] for row in rows for report in row.reports if "real" in report.baselines]
    references["real against real"] = real[0] if real else Scores()
    for name, scores in references.items():
        if cells := means([scores], GENERATED):
            table.append({"model": f"*{name}*"} | cells)
    columns = ("model", *(score.name for score in GENERATED), "seeds", "budget")
    title = _generation_title([scores for row in rows for scores in row.scores])
    return f"{title}\n\n{markdown_table(in_order(table, columns))}\n"


def _generation_title(several: Sequence[Scores]) -> str:
    """Return what was compared with what, and where."""
    compared = sorted({f"{one.n:,}, in {one.space}" for scores in several if (one := scores.generation)})
    draws = sorted({f"{own.samples}" for scores in several if (own := scores.likelihood) and own.samples})
    title = f"Generation, new images against as many test images: {'; '.join(compared)}" if compared else "Likelihood"
    return title + (f". NLL from {' or '.join(draws)} posterior samples:" if draws else ":")
