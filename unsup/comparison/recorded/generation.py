"""The results table of models that generate images or have a likelihood."""

from collections.abc import Sequence

from unsup.comparison.recorded.means import GENERATION, average, by_model, costs, effort, in_order, means
from unsup.reports.format import Scores, markdown_table
from unsup.reports.report import Report


def generation_table(reports: Sequence[Report]) -> str:
    """Markdown, smallest Fréchet distance first; empty where no model generates or has a likelihood.

    Their untrained twins follow, then real images in the place of generated ones.
    """
    groups = by_model([report for report in reports if {"generation", "likelihood"} & report["scores"].keys()])
    if not groups:
        return ""
    found = {model: [costs(report["scores"]) for report in own] for model, own in groups.items()}
    order = sorted(groups, key=lambda model: average(found[model], GENERATION["Fréchet"][0], missing=float("inf")))
    rows = [{"model": model} | means(found[model], GENERATION) | effort(groups[model]) for model in order]
    floors = {f"{model}, untrained": groups[model][0]["floors"].get("untrained", {}) for model in order}
    real = [report["floors"]["real"] for model in order for report in groups[model] if "real" in report["floors"]]
    floors["real against real"] = real[0] if real else {}
    for name, scores in floors.items():
        if cells := means([costs(scores)], GENERATION):
            rows.append({"model": f"*{name}*"} | cells)
    table = markdown_table(in_order(rows, ("model", *GENERATION, "seeds", "minutes")))
    return f"{_title([report['scores'] for model in order for report in groups[model]])}\n\n{table}\n"


def _title(several: Sequence[Scores]) -> str:
    """What was compared with what, and where."""
    judged = [scores["generation"] for scores in several if "generation" in scores]
    compared = sorted({f"{found['n']:,}, in {found['space']}" for found in judged})
    likely = [scores["likelihood"] for scores in several if "samples" in scores.get("likelihood", {})]
    draws = sorted({f"{found['samples']}" for found in likely})
    title = f"Generation, new images against as many test images: {'; '.join(compared)}" if compared else "Likelihood"
    return title + (f". NLL from {' or '.join(draws)} posterior samples:" if draws else ":")
