"""Sections on clusters: k-means, other ways to cluster beside it, and how many clusters there are."""

from typing import Any

from unsup.reports.blocks import Block, Note, Table, in_order
from unsup.reports.format import CLUSTERINGS, Cells, Scores, accuracy, error, named

Report = dict[str, Any]
METRICS = ("acc", "nmi", "ari")
ESTIMATES = {"silhouette": "by silhouette", "bic": "by BIC"}
THIN = 3  # an effective rank below it leaves little to find clusters in
CHOSEN = {"classes": "number of classes", "silhouette": "silhouette, without labels"}


def kmeans(report: Report) -> list[Block]:
    rows: list[Cells] = []
    for name, scores in named(report):
        found = scores.get("kmeans", {})
        for space, title in (("raw", "as they are"), ("l2", "unit length")):
            if space not in found:
                continue
            part, headline = found[space], space == found["space"]
            row = {"codes": name, "space": f"**{title}**" if headline else title}
            row |= {"train": _three(part["train"]), "test": _three(part["test"])}
            row["ACC over restarts"] = (
                f"{accuracy(part['restarts']['acc_mean'])} ± {accuracy(part['restarts']['acc_std'])}"
            )
            if headline and "transductive" in found:
                row["all images at once"] = _three(found["transductive"])
            rows.append(row)
    note = "ACC / NMI / ARI; in bold the space of the summary, fixed beforehand."
    return [Note(note), Table("k-means in both spaces", rows, texts=2)] if rows else []


def clusterings(report: Report) -> list[Block]:
    """Other ways to cluster, beside k-means; nothing where there is only k-means, or no label to score them by."""
    if not any(_train_and_test(found) for found in report["scores"].get("clusterings", {}).values()):
        return []
    rows: list[Cells] = []
    for name, scores in named(report):
        others = scores.get("clusterings", {})
        if others and "kmeans" in scores:
            k = {"k": str(scores["clusters"]["k"])} if "clusters" in scores else {}
            row = {"codes": name, "clustering": "k-means", "setting": "inductive"} | k
            rows.append(row | _train_and_test(scores["kmeans"]))
            if "transductive" in scores["kmeans"]:
                row = {"codes": name, "clustering": "k-means", "setting": "transductive"} | k
                rows.append(row | {"all images": _three(scores["kmeans"]["transductive"])})
        for method, found in others.items():
            row = {"codes": name, "clustering": CLUSTERINGS.get(method, method), "setting": "inductive"}
            row |= {
                title: _number(found[key]) for key, title in (("k", "k"), ("fitted_on", "fitted on")) if key in found
            }
            row |= {"dim": f"{found['dim']:,}"} if "dim" in found else {}
            if found.get("used", found["k"]) < found["k"]:
                row["k"] += f" ({_number(found['used'])} used)"
            rows.append(row | _train_and_test(found))
            if "transductive" in found:
                row = {"codes": name, "clustering": CLUSTERINGS.get(method, method), "setting": "transductive"}
                rows.append(row | {"k": _number(found["k"]), "all images": _three(found["transductive"])})
    order = ("codes", "clustering", "setting", "k", "fitted on", "dim", "train", "test", "all images")
    rows = in_order(rows, order)
    note = "Inductive: fitted on training images alone, then applied to test images."
    if any(row["setting"] == "transductive" for row in rows):
        note += " Transductive: fitted and scored on all images, as most published figures are."
    note = f"ACC / NMI / ARI. {note} Labels are used for the score alone."
    if "own" in report["scores"]["clusterings"]:
        note += " Own clusters: the model's own, of the images, not found in its codes afterwards."
    if "dim" in rows[0]:
        note += " dim: dimensions of the codes that the clustering saw."
    return [Table("Other clusterings beside k-means", rows, texts=3), Note(note)]


def _number(value: float) -> str:
    """A count, or the mean of counts over initialisations."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _train_and_test(found: Scores) -> Cells:
    return {split: _three(found[split]) for split in ("train", "test") if set(METRICS) <= found.get(split, {}).keys()}


def _three(scores: Scores) -> str:
    return " / ".join(accuracy(scores[metric]) for metric in METRICS)


def cluster_numbers(report: Report) -> list[Block]:
    """How many clusters there are, by measures that see no labels, beside the number that k-means was given."""
    rows: list[Cells] = []
    for name, scores in named(report):
        found = scores.get("clusters", {})
        row = {"codes": name} | {title: _number(found[key]) for key, title in ESTIMATES.items() if key in found}
        if "k" in found:
            row["k of k-means"] = _number(found["k"])
        if "by" in found:
            row["chosen by"] = CHOSEN.get(found["by"], found["by"])
        rows.append(row)
    if not any(len(row) > 1 for row in rows):
        return []
    note = (
        "Estimated without labels: the number with the largest silhouette of k-means, which cannot say 1, and the one "
        "with the smallest Bayesian information criterion (BIC) of a Gaussian mixture. Tried up to 20 (20 means 20 or "
        "more), on 10 principal components of at most 3,000 training codes. They count the pieces that codes fall "
        "into, to the order of magnitude, not classes."
    )
    twin = report.get("floors", {}).get("untrained", {})
    if "initialisations" in twin and twin.get("clusters", {}).keys() & ESTIMATES.keys():
        note += " The untrained twin's row is a mean of initialisations."
    blocks: list[Block] = [Table("Number of clusters, estimated without labels", rows), Note(note)]
    thin = [
        f"{name} {error(scores['rankme'])}"
        for name, scores in named(report)
        if scores.get("clusters", {}).keys() & ESTIMATES.keys() and scores.get("rankme", THIN) < THIN
    ]
    if thin:
        text = f"**Caution: effective rank below {THIN} ({', '.join(thin)}).**"
        blocks.append(
            Note(f"{text} Codes that vary in so few directions are cut into pieces, whatever is in the images.")
        )
    return blocks
