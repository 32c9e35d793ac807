"""The names and rows that the tables of a report share."""

from unsup.reports.schema import Baseline, Report
from unsup.reports.score_schema import Scores

FLOORS: tuple[Baseline, ...] = ("untrained", "pca", "pixels")  # in the order of every table


def heading(report: Report) -> str:
    """Return 'deep_ae on mnist, seed 0'."""
    return f"{report.run.model} on {report.run.data}, seed {report.run.seed}"


def machine_of(report: Report) -> str:
    """Return accelerator, processor and cores of the machine that trained this run."""
    machine = report.provenance.hardware
    parts = [machine.accelerator, machine.processor, f"{machine.cores} cores"]
    return ", ".join(part for part in parts if part)


def floors_of(report: Report) -> dict[Baseline, Scores]:
    """Return the scores of the floors that were computed, in the order of tables."""
    return {key: report.floors[key] for key in FLOORS if key in report.floors}


def rows_of(report: Report) -> list[tuple[str, Scores]]:
    """Return the rows of every table: this model, then its floors, each with its scores."""
    floors = [(floor_name(key, scores.code_dim), scores) for key, scores in floors_of(report).items()]
    return [(report.run.model, report.scores), *floors]


def floor_name(key: Baseline, code_dim: float | None) -> str:
    """Return the name of a floor in tables."""
    if key == "pca":
        return "PCA" if code_dim is None else f"PCA-{code_dim:.0f}"
    return {"untrained": "untrained twin", "pixels": "raw pixels"}[key]
