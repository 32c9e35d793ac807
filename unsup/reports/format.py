"""A report's numbers as text: one way to write an accuracy, a difference, an error; the summary's rows and cells."""

from typing import Any

Scores = dict[str, Any]
Cells = dict[str, str]  # column -> text; a column that does not apply is absent

FLOORS = ("untrained", "pca", "pixels")  # in the order of every table
CLUSTERINGS = {"own": "own clusters"}  # how the model's own are called; other clusterings as they are named
PROBES = {"linear_probe": "Linear probe", "few_label_10": "Few-label probe (10 labels a class)"}


def accuracy(value: float) -> str:
    """.951, 1.000, -.012: three digits, for accuracies and everything else in [-1, 1]."""
    text = f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no "-.000"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def signed(value: float) -> str:
    """+.021, -.012."""
    return accuracy(value) if value <= -0.0005 else f"+{accuracy(value)}"


def error(value: float) -> str:
    """A reconstruction error or a rank: two decimals, one from 100 on."""
    return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.1f}"


def distance(value: float) -> str:
    """A distance between distributions, whose scale no one knows beforehand: three digits, 0.0908, 2.99, 1,234."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def with_interval(probe: Scores) -> str:
    """.951 [.947, .955]: a bootstrap over the test images."""
    if "low" not in probe:
        return accuracy(probe["accuracy"])
    return f"{accuracy(probe['accuracy'])} [{accuracy(probe['low'])}, {accuracy(probe['high'])}]"


def with_spread(probe: Scores) -> str:
    """.853 ± .012 over draws of the labels; no ± for a single draw."""
    return f"{accuracy(probe['mean'])} ± {accuracy(probe['std'])}" if probe["draws"] > 1 else accuracy(probe["mean"])


def heading(report: dict[str, Any]) -> str:
    run = report["run"]
    return f"{run['model']} on {run['data']}, seed {run['seed']}"


def hardware(report: dict[str, Any]) -> str:
    """Accelerator, processor and cores of the machine that trained this run."""
    machine = report["provenance"]["hardware"]
    parts = [machine.get("accelerator"), machine.get("processor"), f"{machine['cores']} cores"]
    return ", ".join(part for part in parts if part)


def named(report: dict[str, Any]) -> list[tuple[str, Scores]]:
    """The rows of every table: this model, then the floors that were computed, each with its scores."""
    floors = report.get("floors", {})
    found = [(floor_name(key, floors[key]), floors[key]) for key in FLOORS if key in floors]
    return [(report["run"]["model"], report["scores"]), *found]


def floor_name(key: str, scores: Scores) -> str:
    """How a floor is called in a table."""
    if key == "pca":
        return f"PCA-{scores['code_dim']}" if "code_dim" in scores else "PCA"
    return {"untrained": "untrained twin", "pixels": "raw pixels"}[key]


def cells(scores: Scores) -> Cells:
    """One row of the summary."""
    row = {}
    if "code_dim" in scores:
        row["dim"] = f"{scores['code_dim']:,}"
    row |= probe_cells(scores)
    if "knn" in scores:
        row["kNN"] = accuracy(scores["knn"]["accuracy"])
    for metric in ("acc", "nmi", "ari"):
        if "kmeans" in scores:
            row[f"k-means {metric.upper()}"] = accuracy(scores["kmeans"]["test"][metric])
        if "test" in (own := scores.get("clusterings", {}).get("own", {})):
            row[f"own clusters {metric.upper()}"] = accuracy(own["test"][metric])
    if "reconstruction" in scores:
        row["reconstruction SSE"] = error(scores["reconstruction"]["sse_per_image"])
    if "rankme" in scores:
        row["RankMe"] = error(scores["rankme"])
    row |= {column: text for column, text in generation_cells(scores).items() if column != "kernel"}
    return row | likelihood_cells(scores)


def generation_cells(scores: Scores) -> Cells:
    """Generated images against test images; "FID" only where the features are Inception's."""
    found = scores.get("generation")
    if not found:
        return {}
    row = {"Fréchet": distance(found["frechet"]), "kernel": distance(found["kernel"])}
    row |= {name: accuracy(found[name]) for name in ("precision", "recall")}
    return row | ({"FID": distance(found["fid"])} if "fid" in found else {})


def likelihood_cells(scores: Scores) -> Cells:
    """Nats a test image, lower is better; k is the number of posterior samples."""
    found = scores.get("likelihood", {})
    row = {"-ELBO": error(-found["elbo"])} if "elbo" in found else {}
    return row | (
        {f"NLL, k = {found['samples']}": error(-found["log_likelihood"])} if "log_likelihood" in found else {}
    )


def probe_cells(scores: Scores) -> Cells:
    """The linear and few-label probes of a code or a layer."""
    row = {}
    if "linear_probe" in scores:
        row["linear probe"] = with_interval(scores["linear_probe"])
    for labels in ("10", "1"):
        if labels in scores.get("few_label", {}):
            row[f"few-label {labels}"] = with_spread(scores["few_label"][labels])
    return row


def difference(comparison: Scores) -> str:
    """+.021 [+.015, +.027]: this model minus the floor."""
    return f"{signed(comparison['difference'])} [{signed(comparison['low'])}, {signed(comparison['high'])}]"


def enumeration(words: list[str]) -> str:
    """a; a and b; a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def markdown_table(rows: list[Cells], texts: int = 1) -> str:
    """A table of rows with named cells, columns in the order in which they first appear, blank where a row has none.

    The first `texts` columns are text, the others numbers, flush right.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    rule = ["---" if i < texts else "---:" for i in range(len(columns))]
    lines = [columns, rule, *([row.get(column, "") for column in columns] for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
