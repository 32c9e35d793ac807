"""What a comparison shows of a report: each number's name, where it stands, how it is written and how it was chosen."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unsup.reports.format import accuracy, distance, error

Report = dict[str, Any]
Path = tuple[str, ...]
Numbers = dict[str, float]

NORMAL_95 = 2 * 1.959964  # width of a normal 95 % interval in standard deviations


@dataclass(frozen=True)
class Column:
    """One number a report may hold.

    path: where in a report; below "derived" stands what is computed from it.
    lower: smaller is better, or costs less.
    spread: its deviation over seeds says something.
    chosen: how what stands behind the number was chosen.
    """

    name: str
    path: Path
    written: Callable[[float], str]
    chosen: str = ""
    lower: bool = False
    spread: bool = True


def whole(value: float) -> str:
    return f"{value:,.0f}"


def minutes(value: float) -> str:
    return f"{value:.1f}"


def yes_or_no(value: float) -> str:
    return "yes" if value else "no"


FEW = "few-label: so many labelled training images a class; C fixed, nothing chosen"
KMEANS = (
    "k-means: inductive (fitted on training codes, assigned to test images); restart by inertia, without any labels; "
    "k is the number of classes; for ACC clusters are matched to classes with test labels"
)
OWN = "own clusters: of methods that cluster, as they were trained, without any labels"
MIXTURE = "mixture: Gaussian mixture, inductive and without any labels like k-means, the same k"
TABLE = (
    Column("dim", ("scores", "code_dim"), whole, lower=True, spread=False),
    Column(
        "linear probe",
        ("scores", "linear_probe", "accuracy"),
        accuracy,
        "linear probe: labelled training images; C chosen with validation labels",
    ),
    Column("few-label 10", ("scores", "few_label", "10", "mean"), accuracy, FEW),
    Column("few-label 1", ("scores", "few_label", "1", "mean"), accuracy, FEW),
    Column("kNN", ("scores", "knn", "accuracy"), accuracy, "kNN: labelled training images; nothing chosen"),
    Column("k-means ACC", ("scores", "kmeans", "test", "acc"), accuracy, KMEANS),
    Column("k-means NMI", ("scores", "kmeans", "test", "nmi"), accuracy, KMEANS),
    Column("k-means ARI", ("scores", "kmeans", "test", "ari"), accuracy, KMEANS),
    Column("own clusters ACC", ("scores", "clusterings", "own", "test", "acc"), accuracy, OWN),
    Column("mixture ACC", ("scores", "clusterings", "gaussian mixture", "test", "acc"), accuracy, MIXTURE),
    Column("RankMe", ("scores", "rankme"), error, "RankMe: without any labels, on training codes"),
    Column(
        "reconstruction SSE",
        ("scores", "reconstruction", "sse_per_image"),
        error,
        "reconstruction SSE: without any labels; lower is better",
        lower=True,
    ),
    Column(
        "Fréchet",
        ("scores", "generation", "frechet"),
        distance,
        "Fréchet: nothing chosen; lower is better",
        lower=True,
    ),
    Column(
        "robustness",
        ("derived", "robustness"),
        accuracy,
        "robustness: the linear probe on corrupted test images, mean over corruptions and severities; its C with "
        "validation labels of clean images",
    ),
    Column("parameters", ("run", "parameters"), whole, lower=True, spread=False),
    Column("minutes", ("derived", "minutes"), minutes, "minutes: wall time of training", lower=True, spread=False),
    Column(
        "augmentation",
        ("run", "augmentation"),
        yes_or_no,
        "augmentation: yes where training saw random views, which takes knowledge about the images",
        lower=True,
        spread=False,
    ),
)
SEEDS = "seeds"  # the last column: how many there are
NAMES = ("model", *(column.name for column in TABLE), SEEDS)

# Standard deviations that a report holds, and label-free diagnostics that are not columns of the table
SPREADS: dict[str, Path] = {
    "test sampling": ("derived", "test sampling"),
    "probe draws": ("scores", "probe_draws", "std"),
    "few-label draws": ("scores", "few_label", "10", "std"),
    "k-means restarts": ("scores", "kmeans", "restarts", "acc_std"),
}
DIAGNOSTICS: dict[str, Path] = {
    "RankMe": ("scores", "rankme"),
    "silhouette": ("scores", "silhouette", "raw"),
    "reconstruction SSE": ("scores", "reconstruction", "sse_per_image"),
    "dead units": ("scores", "dead_units"),
    "uniformity": ("scores", "uniformity"),
    "alignment": ("scores", "alignment"),
}
PATHS = {column.name: column.path for column in TABLE} | SPREADS | DIAGNOSTICS


def numbers(report: Report) -> Numbers:
    """All of these numbers that a report, or {"scores": those of a floor}, holds.

    Raises:
        ValueError: something else than a number stands where a number belongs; the message says where.
    """
    whole = report | {"derived": _derived(report)}
    return {name: value for name, path in PATHS.items() if (value := number(whole, path)) is not None}


def number(report: Report, path: Path) -> float | None:
    """The number at a path, None where there is none.

    Raises:
        ValueError: as in `numbers`.
    """
    found: Any = report
    try:
        for key in path:
            found = found[key]
    except KeyError:
        return None
    except TypeError as e:
        raise ValueError(f"{'.'.join(path)} stands below {found!r}") from e
    return _checked(".".join(path), found)


def initialisations(floor: dict[str, Any]) -> dict[str, list[float]]:
    """{"linear_probe": accuracy of each initialisation, …} of an untrained twin; empty where its report has none.

    Raises:
        ValueError: as in `numbers`.
    """
    found = floor.get("by_initialisation", {})
    if not isinstance(found, dict) or not all(isinstance(each, list) and each for each in found.values()):
        raise ValueError(f"by_initialisation is {found!r}")
    return {name: [_checked(f"by_initialisation.{name}", one) for one in each] for name, each in found.items()}


def _checked(where: str, value: Any) -> float:
    if not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{where} is {value!r}")
    return float(value)


def _derived(report: Report) -> Numbers:
    """What is computed from a report: minutes; the deviation by test sampling; mean accuracy over corruptions."""
    found = {}
    seconds = number(report, ("run", "stages_seconds")) or number(report, ("run", "train_seconds"))
    low, high = (number(report, ("scores", "linear_probe", end)) for end in ("low", "high"))
    if seconds is not None:
        found["minutes"] = seconds / 60
    if low is not None and high is not None:
        found["test sampling"] = (high - low) / NORMAL_95
    robustness = report["scores"].get("robustness", {})
    severities = robustness.values() if isinstance(robustness, dict) else ()
    corrupted = [_checked("scores.robustness", value) for values in severities if _listed(values) for value in values]
    if corrupted:
        found["robustness"] = sum(corrupted) / len(corrupted)
    return found


def _listed(value: Any) -> bool:
    return isinstance(value, list) and bool(value)
