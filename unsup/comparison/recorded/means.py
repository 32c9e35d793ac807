"""The numbers that results tables and cards show of kept reports, and their means over seeds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from unsup.reports.format import Cells, Scores, accuracy, distance, error
from unsup.reports.report import Report

Path = tuple[str, ...]
Columns = dict[str, tuple[Path, Callable[[float], str]]]  # column -> where it is in scores, how written

OWN = "own"  # in `clusterings`: of a model that assigns clusters itself
PROBES: Columns = {
    "linear probe": (("linear_probe", "accuracy"), accuracy),
    "few-label 10": (("few_label", "10", "mean"), accuracy),
}
CLUSTERS: Columns = {
    "k-means ACC": (("kmeans", "test", "acc"), accuracy),
    "own clusters ACC": (("clusterings", OWN, "test", "acc"), accuracy),
}
HEADLINE: Columns = (
    PROBES
    | {"kNN": (("knn", "accuracy"), accuracy)}
    | CLUSTERS
    | {"reconstruction SSE": (("reconstruction", "sse_per_image"), error)}
)
GENERATION: Columns = {  # of `costs`
    "Fréchet": (("generation", "frechet"), distance),
    "kernel": (("generation", "kernel"), distance),
    "precision": (("generation", "precision"), accuracy),
    "recall": (("generation", "recall"), accuracy),
    "FID": (("generation", "fid"), distance),
    "-ELBO": (("nats", "elbo"), error),
    "NLL": (("nats", "log_likelihood"), error),
}
EFFORT = ("seeds", "minutes")


def at(scores: Any, path: Path) -> float | None:
    """The number at a path, None where there is none."""
    for key in path:
        scores = scores.get(key, {})
    return None if scores == {} else float(scores)


def values(several: Sequence[Scores], path: Path) -> list[float]:
    """One number a seed; none unless every seed has it."""
    found = [value for scores in several if (value := at(scores, path)) is not None]
    return found if len(found) == len(several) else []


def average(several: Sequence[Scores], path: Path, missing: float) -> float:
    """Mean of what there is."""
    found = [value for scores in several if (value := at(scores, path)) is not None]
    return float(np.mean(found)) if found else missing


def means(several: Sequence[Scores], columns: Columns) -> Cells:
    """Means over seeds, ± standard deviation (ddof 1) from two seeds on, of the numbers that all of them have."""
    row = {}
    for column, (path, written) in columns.items():
        if found := values(several, path):
            row[column] = written(float(np.mean(found)))
            row[column] += f" ± {written(float(np.std(found, ddof=1)))}" if len(found) > 1 else ""
    return row


def costs(scores: Scores) -> Scores:
    """Generation as it is, and nats a test image: log-likelihoods with their sign changed."""
    nats = {name: -value for name, value in scores.get("likelihood", {}).items() if name in ("elbo", "log_likelihood")}
    return {"generation": scores.get("generation", {}), "nats": nats}


def seconds(run: dict[str, Any]) -> float:
    """Of training, the runs that it started from included."""
    return float(run.get("stages_seconds", run["train_seconds"]))


def effort(reports: Sequence[Report]) -> Cells:
    """Seeds, and mean minutes of training."""
    minutes = float(np.mean([seconds(report["run"]) for report in reports])) / 60
    return dict(zip(EFFORT, (str(len(reports)), f"{minutes:.1f}"), strict=True))


def by_model(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """{model: its reports, by seed}, models by name."""
    ordered = sorted(reports, key=lambda report: (report["run"]["model"], report["run"]["seed"]))
    groups: dict[str, list[Report]] = {}
    for report in ordered:
        groups.setdefault(report["run"]["model"], []).append(report)
    return groups


def in_order(rows: Sequence[Cells], columns: Sequence[str]) -> list[Cells]:
    """The rows with the columns that any of them has, in this order."""
    some = [column for column in columns if any(column in row for row in rows)]
    return [{column: row.get(column, "") for column in some} for row in rows]
