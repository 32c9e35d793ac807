"""Sections on clusters: k-means, other ways to cluster beside it, and how many clusters there are."""

from unsup.reports.blocks import Block, Note, Table, in_order
from unsup.reports.format import Cells, accuracy, error
from unsup.reports.methods import CLUSTERINGS
from unsup.reports.schema import Report
from unsup.reports.score_schema import Agreement, ClusterCount, Count, KMeans, OtherClustering

THIN = 3  # an effective rank below it leaves little to find clusters in
CHOSEN_BY = {"classes": "number of classes", "silhouette": "silhouette, without labels"}


def kmeans_spaces(report: Report) -> list[Block]:
    rows: list[Cells] = []
    for name, scores in report.rows:
        if (kmeans := scores.kmeans) is None:
            continue
        for space, title, part in (("raw", "as they are", kmeans.raw), ("l2", "unit length", kmeans.l2)):
            if part is None:
                continue
            headline = space == kmeans.space
            row = {"codes": name, "space": f"**{title}**" if headline else title}
            row |= {"train": _three(part.train), "test": _three(part.test)}
            row["ACC over restarts"] = f"{accuracy(part.restarts.acc_mean)} ± {accuracy(part.restarts.acc_std)}"
            if headline and kmeans.transductive:
                row["all images at once"] = _three(kmeans.transductive)
            rows.append(row)
    note = "ACC / NMI / ARI; in bold the space of the summary, fixed beforehand."
    return [Note(note), Table("k-means in both spaces", rows, texts=2)] if rows else []


def other_clusterings(report: Report) -> list[Block]:
    """Other ways to cluster, beside k-means; nothing where there is only k-means, or no label to score them by."""
    if not any(_train_and_test(clustering) for clustering in report.scores.clusterings.values()):
        return []
    rows: list[Cells] = []
    for name, scores in report.rows:
        if scores.clusterings and scores.kmeans:
            k = {"k": str(scores.clusters.k)} if scores.clusters else {}
            row = {"codes": name, "clustering": "k-means", "setting": "inductive"} | k
            rows.append(row | _train_and_test(scores.kmeans))
            if scores.kmeans.transductive:
                row = {"codes": name, "clustering": "k-means", "setting": "transductive"} | k
                rows.append(row | {"all images": _three(scores.kmeans.transductive)})
        for method, found in scores.clusterings.items():
            row = {"codes": name, "clustering": CLUSTERINGS.get(method, method), "setting": "inductive"}
            row["k"] = _number(found.k)
            if found.fitted_on is not None:
                row["fitted on"] = _number(found.fitted_on)
            if found.dim is not None:
                row["dim"] = f"{found.dim:,}"
            if found.used is not None and found.used < found.k:
                row["k"] += f" ({_number(found.used)} used)"
            rows.append(row | _train_and_test(found))
            if found.transductive:
                row = {"codes": name, "clustering": CLUSTERINGS.get(method, method), "setting": "transductive"}
                rows.append(row | {"k": _number(found.k), "all images": _three(found.transductive)})
    order = ("codes", "clustering", "setting", "k", "fitted on", "dim", "train", "test", "all images")
    rows = in_order(rows, order)
    note = "Inductive: fitted on training images alone, then applied to test images."
    if any(row["setting"] == "transductive" for row in rows):
        note += " Transductive: fitted and scored on all images, as most published figures are."
    note = f"ACC / NMI / ARI. {note} Labels are used for the score alone."
    if "own" in report.scores.clusterings:
        note += " Own clusters: the model's own, of the images, not found in its codes afterwards."
    if "dim" in rows[0]:
        note += " dim: dimensions of the codes that the clustering saw."
    return [Table("Other clusterings beside k-means", rows, texts=3), Note(note)]


def _number(value: Count) -> str:
    """A count, or the mean of counts over initialisations."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _train_and_test(clustering: OtherClustering | KMeans) -> Cells:
    splits = {"train": clustering.train, "test": clustering.test}
    return {split: _three(agreement) for split, agreement in splits.items() if agreement}


def _three(agreement: Agreement) -> str:
    return " / ".join(accuracy(value) for value in (agreement.acc, agreement.nmi, agreement.ari))


def cluster_numbers(report: Report) -> list[Block]:
    """How many clusters there are, by measures that see no labels, beside the number that k-means was given."""
    rows: list[Cells] = []
    for name, scores in report.rows:
        count = scores.clusters or ClusterCount()
        numbers = {"by silhouette": count.silhouette, "by BIC": count.bic, "k of k-means": count.k}
        row = {"codes": name} | {title: _number(value) for title, value in numbers.items() if value is not None}
        if count.by is not None:
            row["chosen by"] = CHOSEN_BY.get(count.by, count.by)
        rows.append(row)
    if not any(len(row) > 1 for row in rows):
        return []
    note = (
        "Estimated without labels: the number with the largest silhouette of k-means, which cannot say 1, and the one "
        "with the smallest Bayesian information criterion (BIC) of a Gaussian mixture. Tried up to 20 (20 means 20 or "
        "more), on 10 principal components of at most 3,000 training codes. They count the pieces that codes fall "
        "into, to the order of magnitude, not classes."
    )
    twin = report.baselines.get("untrained")
    if twin and twin.initialisations is not None and _estimated(twin.clusters):
        note += " The untrained twin's row is a mean of initialisations."
    blocks: list[Block] = [Table("Number of clusters, estimated without labels", rows), Note(note)]
    thin = [
        f"{name} {error(scores.rankme)}"
        for name, scores in report.rows
        if _estimated(scores.clusters) and scores.rankme is not None and scores.rankme < THIN
    ]
    if thin:
        text = f"**Caution: effective rank below {THIN} ({', '.join(thin)}).**"
        blocks.append(
            Note(f"{text} Codes that vary in so few directions are cut into pieces, whatever is in the images.")
        )
    return blocks


def _estimated(count: ClusterCount | None) -> bool:
    return count is not None and (count.silhouette is not None or count.bic is not None)
