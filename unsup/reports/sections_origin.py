"""Sections on trust: what was checked, how each number was made and from which labels, where everything comes from."""

from typing import Any

import yaml

from unsup.reports.blocks import Block, Items, Listing, Table
from unsup.reports.format import CLUSTERINGS, Cells, Scores, hardware

Report = dict[str, Any]
Rows = list[tuple[str, str, str]]  # the number, how it was made, what part labels had

CHOSEN = {  # what a recipe states -> in words
    "validation": "chosen with the labels of validation images",
    "label-free": "chosen without any labels",
    "published": "as published or set beforehand: nothing was searched",
}


def checks(report: Report) -> list[str]:
    """Sentences on the evaluator's own check, the frozen encoder and the test images; bold where something is wrong."""
    check, frozen, reads = report["selfcheck"], report["frozen"], report["test_reads"]
    lines = [f"Evaluator checked: {check['passed']} of {check['total']}."]
    if check["passed"] != check["total"]:
        lines.append("**The evaluator failed its own check: trust no number here.**")
    if frozen["before"] == frozen["after"]:
        lines.append(f"Encoder unchanged by the evaluation (SHA-256 `{frozen['after'][:12]}`).")
    else:
        lines.append("**The evaluation changed the encoder: trust no number here.**")
    lines.append("Test images read once for these numbers." if reads == 1 else f"**Test images read {reads} times.**")
    return lines


def certificate(report: Report) -> list[Block]:
    """All that `checks` tells, as a list with the whole hashes."""
    check, frozen, reads = report["selfcheck"], report["frozen"], report["test_reads"]
    return [
        Items(
            [
                ("evaluator on planted codes", f"{check['passed']} of {check['total']} checks passed"),
                ("encoder before the evaluation", f"SHA-256 `{frozen['before']}` over parameters and buffers"),
                ("encoder after it", f"SHA-256 `{frozen['after']}`: {_same(frozen)}"),
                ("passes over the test images", str(reads)),
            ]
        )
    ]


def _same(frozen: Scores) -> str:
    return "unchanged" if frozen["before"] == frozen["after"] else "**changed**"


def choices(report: Report) -> list[Block]:
    """What was chosen on which images, and whether labels had a part in it."""
    scores = report["scores"]
    made = [*_probes(scores), *_clusters(scores), *_label_free(scores)]
    twin = report.get("floors", {}).get("untrained")
    if twin:
        times = f"; mean of {twin['initialisations']} initialisations" if "initialisations" in twin else ""
        made.append(("untrained twin", f"the same network before training{times}", "as above"))
    rows: list[Cells] = [{"number": number, "how": how, "labels": labels} for number, how, labels in made]
    return [Table("How each number was made, and what part labels had in it", rows, texts=3)] if rows else []


def _probes(scores: Scores) -> Rows:
    rows: Rows = []
    if "linear_probe" in scores:
        how = "logistic regression on standardised codes; C chosen on validation, then fitted on train + validation"
        rows.append(("linear probe", f"{how}; interval: bootstrap over test images", "train, validation"))
    for n, probe in scores.get("few_label", {}).items():
        how = f"the same with {n} labelled image{'s' if n != '1' else ''} a class and a fixed C"
        rows.append((f"few-label {n}", f"{how}; mean and standard deviation of {probe['draws']} draws", f"{n} a class"))
    if "probe_draws" in scores:
        found = scores["probe_draws"]
        how = f"the linear probe, its C, fitted on {found['images']:,} training images; {found['draws']} draws of them"
        rows.append(("draws of the linear probe", how, "train, validation"))
    for ratio, found in scores.get("imbalance", {}).items():
        how = f"the linear probe, its C, with {ratio} images of the most frequent class to 1 of the least frequent one"
        how = "the linear probe, its C, with as many images of every class" if ratio == "1" else how
        how += f", {found['images']:,} in all" if "images" in found else ""
        rows.append(
            (
                "balanced" if ratio == "1" else f"imbalance {ratio}:1",
                f"{how}; {found['draws']} draws",
                "train, validation",
            )
        )
    if "robustness" in scores:
        rows.append(("robustness", "the fitted linear probe on corrupted test images", "train, validation"))
    if "validation" in scores.get("ridge_probe", {}):
        how = "least squares on standardised codes; the strength of the regularisation chosen on validation"
        rows.append(("ridge probe", how, "train, validation"))
    if "knn" in scores:
        rows.append(("kNN", f"vote of the {scores['knn']['k']} nearest training codes; k is fixed", "train"))
    return rows


def _clusters(scores: Scores) -> Rows:
    rows: Rows = []
    by_labels = scores.get("clusters", {}).get("by", "classes") == "classes"
    k = "number of classes" if by_labels else "the number with the largest silhouette"
    labels = "none; they only score the result"
    if by_labels:
        labels = "the number of classes; else none, they only score the result"
    if "kmeans" in scores:
        rows.append(
            ("k-means", f"fitted on train, applied to test (inductive); restart chosen by inertia; k = {k}", labels)
        )
    for method, found in scores.get("clusterings", {}).items():
        if "test" not in found:
            continue
        on = f"{found['fitted_on']:,} training images" if "fitted_on" in found else "train"
        how, seen = f"fitted on {on}, applied to test (inductive); k = {k}", labels
        if method == "own":
            how = f"by the model itself as it was trained on {on}; k = {found['k']}, an option"
            seen = "none beyond that number; they only score the result"
        rows.append((CLUSTERINGS.get(method, method), how, seen))
    if scores.get("clusters", {}).keys() & {"silhouette", "bic"}:
        how = "k-means by its silhouette, Gaussian mixtures by their BIC, over a range of k; on training codes"
        rows.append(("number of clusters", how, "none"))
    return rows


def _label_free(scores: Scores) -> Rows:
    rows: Rows = []
    if "reconstruction" in scores:
        how = "summed squared error of a test image, pixels in [0, 1]; lower is better"
        rows.append(("reconstruction SSE", how, "none"))
    if "rankme" in scores:
        rows.append(("RankMe", "effective rank of the training codes; at most their dimension", "none"))
    if "alignment" in scores:
        rows.append(("alignment", "of two random views of an image", "none"))
    if "uniformity" in scores:
        rows.append(("uniformity", "of pairs of images, their codes scaled to length 1", "none"))
    if "generation" in scores:
        labels = "train, for the features alone" if "linear_probe" in scores else "none"
        how = "between new and test images, by features learned for this from training images, never shown to the model"
        rows.append(("Fréchet, kernel", f"distances {how}", labels))
        how = "the same features; among others: within reach of the third neighbour of one"
        rows.append(("precision, recall", how, labels))
    of = "nats a test image, binarised or a density as the model's likelihood has it: compare like with like"
    likelihood = scores.get("likelihood", {})
    if "elbo" in likelihood:
        rows.append(("-ELBO", f"{of}, one posterior sample each; an active unit has a mean KL above 0.01", "none"))
    if "log_likelihood" in likelihood:
        how = f"{of}; an upper bound, importance-weighted over {likelihood['samples']} posterior samples"
        rows.append(("NLL", how, "none"))
    return rows


def provenance(report: Report) -> list[Block]:
    run, origin = report["run"], report["provenance"]
    facts = []
    if "command" in run:
        facts.append(("command", f"`{run['command']}`"))
    trained = [f"{run['epochs']} epoch{'s' * (run['epochs'] != 1)}", f"{run['train_seconds'] / 60:.1f} minutes"]
    if "init_from" in origin:
        start = origin["init_from"]
        facts.append(("started from", f"`{start['run']}`, weights SHA-256 `{start['weights_sha256'][:12]}`"))
        trained[1] += f" ({run['stages_seconds'] / 60:.1f} with the runs that it started from)"
    trained += [f"{run['images_per_second']:,.0f} images/s"] if "images_per_second" in run else []
    trained += [f"{run['parameters']:,} parameters"] if run["parameters"] else []
    facts.append(("training", ", ".join(trained)))
    if "views" in run:
        seen = f"random views of the images in training, preset `{run['views']}`"
        facts.append(("augmentation", "none" if run["views"] == "none" else seen))
    if "chosen" in run:
        facts.append(("numbers of the recipe", CHOSEN.get(run["chosen"], run["chosen"])))
    if "commit" in origin:
        state = "**with uncommitted changes**" if origin["dirty"] else "nothing uncommitted"
        facts.append(("commit", f"`{origin['commit']}`, {state}"))
    facts.append(("hardware", hardware(report)))
    if "data_sha256" in origin:
        facts.append(("data", f"SHA-256 `{origin['data_sha256'][:12]}` over images, labels and split"))
    if "protocol" in report:
        facts.append(("evaluation", f"protocol {report['protocol']}; other protocols give other numbers"))
    facts.append(("versions", ", ".join(f"{name} {version}" for name, version in origin["versions"].items())))
    blocks: list[Block] = [Items(facts)]
    if "config" in origin:
        blocks.append(Listing("Configuration", yaml.safe_dump(origin["config"], sort_keys=False).strip()))
    return blocks
