"""Sections on k-means, other clusterings and the number of clusters."""

from unsup.core.words import counted
from unsup.reports.blocks import Block, Note, Table, in_order
from unsup.reports.format import Cells, accuracy, error
from unsup.reports.methods import CLUSTERINGS
from unsup.reports.schema import Report
from unsup.reports.score_schema import Agreement, ClusterCount, Count, KMeans, OtherClustering

THIN = 3  # an effective rank below it leaves little to find clusters in
CHOSEN_BY = {"classes": "number of classes", "silhouette": "silhouette, without labels"}
COLUMNS = ("codes", "clustering", "k", "fitted on", "dim", "train", "test", "all images at once")


def kmeans_spaces(report: Report) -> list[Block]:
    """Return k-means in codes as they are, and scaled to length 1."""
    rows: list[Cells] = []
    for name, scores in report.rows:
        if (kmeans := scores.kmeans) is None:
            continue
        for space, title, part in (("raw", "as they are", kmeans.raw), ("l2", "unit length", kmeans.l2)):
            if part is None:
                continue
            row = {"codes": name, "space": title, "train": _agreement(part.train), "test": _agreement(part.test)}
            row["ACC over restarts"] = f"{accuracy(part.restarts.acc_mean)} ± {accuracy(part.restarts.acc_std)}"
            if space == kmeans.space:
                row["space"] = f"**{title}**"
                if kmeans.transductive:
                    row["all images at once"] = _agreement(kmeans.transductive)
            rows.append(row)
    note = "ACC / NMI / ARI; in bold the space that the summary shows, fixed in advance."
    notes = [text for text in (note, empty_clusters(report)) if text]
    return [*map(Note, notes), Table("k-means in both spaces", rows, texts=2)] if rows else []


def empty_clusters(report: Report) -> str:
    """Return how many clusters equal codes leave to k-means, empty if all."""
    clusters = report.scores.clusters
    if clusters is None or clusters.used is None:
        return ""
    return f"{counted(int(clusters.used), 'distinct code')}: k-means uses {clusters.used} of {clusters.k} clusters"


def other_clusterings(report: Report) -> list[Block]:
    """Return all clusterings if there are others than k-means, and labels."""
    if not any(clustering.train or clustering.test for clustering in report.scores.clusterings.values()):
        return []
    rows: list[Cells] = []
    for name, scores in report.rows:
        if scores.clusterings and scores.kmeans:
            given = {"k": str(scores.clusters.k)} if scores.clusters else {}
            rows.append(_clustering({"codes": name, "clustering": "k-means"} | given, scores.kmeans))
        for key, clustering in scores.clusterings.items():
            given = {"k": _number(clustering.k)}
            rows.append(_clustering({"codes": name, "clustering": CLUSTERINGS.get(key, key)} | given, clustering))
    rows = in_order(rows, COLUMNS)
    note = "ACC / NMI / ARI. Train and test: fitted on training images alone, then applied to test images (inductive)."
    if "all images at once" in rows[0]:
        note += " All images at once: fitted and scored on all of them (transductive), as most published figures are."
    note += " Labels are used only for the scores."
    if "own" in report.scores.clusterings:
        note += " Own clusters: made by the model itself, not found in its codes afterwards."
    if "dim" in rows[0]:
        note += " dim: dimensions of the codes that the clustering saw."
    return [Table("k-means and other clusterings", rows, texts=2), Note(note)]


def _clustering(row: Cells, clustering: KMeans | OtherClustering) -> Cells:
    """Return a row that begins with these cells."""
    if isinstance(clustering, OtherClustering):
        if clustering.used is not None and clustering.used < clustering.k:
            row["k"] += f" ({_number(clustering.used)} used)"
        if clustering.fitted_on is not None:
            row["fitted on"] = _number(clustering.fitted_on)
        if clustering.dim is not None:
            row["dim"] = _number(clustering.dim)
    if clustering.train:
        row["train"] = _agreement(clustering.train)
    if clustering.test:
        row["test"] = _agreement(clustering.test)
    if clustering.transductive:
        row["all images at once"] = _agreement(clustering.transductive)
    return row


def _number(value: Count) -> str:
    """Return a count, or the mean of counts over initialisations."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _agreement(agreement: Agreement) -> str:
    return " / ".join(accuracy(value) for value in (agreement.acc, agreement.nmi, agreement.ari))


def cluster_numbers(report: Report) -> list[Block]:
    """Return label-free estimates of the number of clusters, and that of k-means."""
    rows: list[Cells] = []
    for name, scores in report.rows:
        count = scores.clusters or ClusterCount()
        numbers = {"by silhouette": count.silhouette, "by BIC": count.bic, "k of k-means": count.k}
        row = {"codes": name} | {title: _number(value) for title, value in numbers.items() if value is not None}
        if count.by is not None:
            row["chosen by"] = CHOSEN_BY.get(count.by, count.by)
        if _estimated(count) or scores is report.scores:
            rows.append(row)
    if not any(len(row) > 1 for row in rows):
        return []
    note = (
        "Estimated without labels: the number with the largest silhouette of k-means, which cannot be 1, and the one "
        "with the smallest Bayesian information criterion (BIC) of a Gaussian mixture. Tried up to 20 (20 means 20 or "
        "more), on 10 principal components of at most 3,000 training codes. They give the order of magnitude of the "
        "number of pieces that codes fall into, which are not classes."
    )
    untrained = report.baselines.get("untrained")
    if untrained and untrained.initialisations is not None and _estimated(untrained.clusters):
        note += " The row of the untrained network is a mean over initialisations."
    blocks: list[Block] = [Table("Number of clusters, estimated without labels", rows), Note(note)]
    thin = [
        f"{name} {error(scores.rankme)}"
        for name, scores in report.rows
        if _estimated(scores.clusters) and scores.rankme is not None and scores.rankme < THIN
    ]
    if thin:
        text = f"**Caution: effective rank below {THIN} ({', '.join(thin)}).**"
        text += " Codes that vary in so few directions are cut into pieces whatever the images show."
        blocks.append(Note(text))
    return blocks


def _estimated(count: ClusterCount | None) -> bool:
    return count is not None and (count.silhouette is not None or count.bic is not None)
