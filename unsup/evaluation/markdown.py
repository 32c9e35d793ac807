"""report.md: every table and sentence made from the content of report.json alone."""

from typing import Any

import yaml

from unsup.evaluation.summary import (
    FLOORS,
    PROBES,
    Cells,
    Scores,
    accuracy,
    cells,
    difference,
    enumeration,
    error,
    floor_name,
    generation_cells,
    hardware,
    heading,
    markdown_table,
    named,
    probe_cells,
    verdict,
)

Report = dict[str, Any]
REDUCED = {"kmeans": "k-means", "knn": "kNN", "rankme": "RankMe"}
LOWER = {"reconstruction": "the reconstruction error", "generation": "distances", "likelihood": "nats"}
MANY_CLASSES = 20  # above it only the hardest ten are listed


def to_markdown(report: Report) -> str:
    """The whole of report.md from the content of report.json."""
    sections = [
        ("", f"# {heading(report)}\n\n{verdict(report)}\n\n{_checks(report)}"),
        ("Summary", _summary(report)),
        ("Against the floors", _comparisons(report)),
        ("Pictures", "\n\n".join(f"![{alt}]({path})" for path, alt in report.get("figures", {}).items())),
        ("Generation", _generation(report)),
        ("Layers", _layers(report)),
        ("Classes", _classes(report)),
        ("k-means", _kmeans(report)),
        ("Other measures", _others(report)),
        ("How the numbers were made", _choices(report)),
        ("Where it comes from", _provenance(report)),
    ]
    return "\n\n".join((f"## {title}\n\n" if title else "") + text for title, text in sections if text) + "\n"


def _checks(report: Report) -> str:
    check, frozen, reads = report["selfcheck"], report["frozen"], report["test_reads"]
    lines = [f"Evaluator checked: {check['passed']} of {check['total']}."]
    if check["passed"] != check["total"]:
        lines.append("**The evaluator failed its own check: trust no number here.**")
    if frozen["before"] == frozen["after"]:
        lines.append(f"Encoder unchanged by the evaluation (SHA-256 `{frozen['after'][:12]}`).")
    else:
        lines.append("**The evaluation changed the encoder: trust no number here.**")
    lines.append("Test images read once for these numbers." if reads == 1 else f"**Test images read {reads} times.**")
    return " ".join(lines)


def _summary(report: Report) -> str:
    rows = [
        {"codes": f"**{name}**" if i == 0 else name} | cells(scores) for i, (name, scores) in enumerate(named(report))
    ]
    lower = [LOWER[key] for key in LOWER if any(key in scores for _, scores in named(report))]
    note = f"On test images; higher is better{', but for ' + enumeration(lower) if lower else ''}."
    if "linear_probe" in report["scores"]:
        note += " Brackets: 95 % bootstrap interval. ±: standard deviation over draws of the labelled images."
    text = f"{markdown_table(rows)}\n\n{note}"
    reduced = report["scores"].get("reduced")
    if reduced:
        names = ", ".join(REDUCED.get(name, name) for name in reduced["for"])
        text += f"\n\n{names}: on the first {reduced['dim']} principal components of the training codes."
    return text


def _comparisons(report: Report) -> str:
    rows = []
    for key in FLOORS:
        probes = report.get("comparisons", {}).get(key)
        if not probes:
            continue
        row = {"this model minus": floor_name(key, report["floors"][key])}
        for probe, title in PROBES.items():
            if probe in probes:
                told = "" if probes[probe]["separable"] else " **not separable**"
                row[title] = difference(probes[probe]) + told
        rows.append(row)
    note = "Intervals: 95 %, paired bootstrap over the same test images; for this seed and these draws of labels."
    return f"{markdown_table(rows)}\n\n{note}" if rows else ""


def _generation(report: Report) -> str:
    own, floors = report["scores"].get("generation"), report.get("floors", {})
    if not own:
        return ""
    rows = [{"images": f"**{report['run']['model']}**"} | generation_cells(report["scores"])]
    for key, title in (("real", "real against real"), ("untrained", "untrained twin")):
        if "generation" in floors.get(key, {}):
            rows.append({"images": title} | generation_cells(floors[key]))
    note = (
        f"{own['n']:,} new images against as many test images, in {own['space']}. Distances: lower is better. "
        "Precision: share of new images that lie among the real ones; recall: share of real ones among the new. "
        "Real against real: training images in the place of new ones; no generator can honestly be nearer. Precision "
        "is high also for images that are all alike, recall for images that scatter: they count together."
    )
    return f"{markdown_table(rows)}\n\n{note}"


def _layers(report: Report) -> str:
    rows = []
    twin = report.get("floors", {}).get("untrained", {})
    code = {"code": report["scores"]} if "linear_probe" in report["scores"] else {}
    for name, scores in (report["scores"].get("layers", {}) | code).items():
        row = {"layer": name, "dim": f"{scores.get('dim', scores.get('code_dim')):,}"} | probe_cells(scores)
        beside = twin if scores is report["scores"] else twin.get("layers", {}).get(name, {})
        rows.append(row | {f"untrained: {column}": text for column, text in probe_cells(beside).items()})
    return markdown_table(rows) if "layers" in report["scores"] else ""


def _classes(report: Report) -> str:
    table = {
        name: s["linear_probe"]["per_class"] for name, s in named(report) if "per_class" in s.get("linear_probe", {})
    }
    if not table:
        return ""
    own = next(iter(table.values()))
    names = report["run"].get("class_names", [str(c) for c in range(len(own))])
    order = sorted(range(len(own)), key=lambda c: own[c])[:10] if len(own) > MANY_CLASSES else range(len(own))
    rows: list[Cells] = [
        {"class": names[c]} | {row: accuracy(shares[c]) for row, shares in table.items()} for c in order
    ]
    which = f"The hardest ten of {len(own)} classes" if len(own) > MANY_CLASSES else "Each class"
    return f"{which}: share of its test images that the linear probe gets right.\n\n{markdown_table(rows)}"


def _kmeans(report: Report) -> str:
    def three(scores: Scores) -> str:
        return " / ".join(accuracy(scores[metric]) for metric in ("acc", "nmi", "ari"))

    rows = []
    for name, scores in named(report):
        kmeans = scores.get("kmeans", {})
        for space, title in (("raw", "as they are"), ("l2", "unit length")):
            if space not in kmeans:
                continue
            part, headline = kmeans[space], space == kmeans["space"]
            row = {"codes": name, "space": f"**{title}**" if headline else title}
            row |= {"train": three(part["train"]), "test": three(part["test"])}
            row["ACC over restarts"] = (
                f"{accuracy(part['restarts']['acc_mean'])} ± {accuracy(part['restarts']['acc_std'])}"
            )
            if headline and "transductive" in kmeans:
                row["all images at once"] = three(kmeans["transductive"])
            rows.append(row)
    note = "ACC / NMI / ARI; in bold the space of the summary, fixed beforehand."
    return f"{note}\n\n{markdown_table(rows, texts=2)}" if rows else ""


def _others(report: Report) -> str:
    rows = []
    for name, scores in named(report):
        row = {"codes": name}
        if "ridge_probe" in scores:
            row["ridge probe"] = accuracy(scores["ridge_probe"]["accuracy"])
        if "l2" in scores.get("knn", {}):
            row["kNN, unit length"] = accuracy(scores["knn"]["l2"]["accuracy"])
        if "linear_probe" in scores:
            row["C"] = f"{scores['linear_probe']['C']:g}"
        if "reconstruction" in scores:
            row["MSE a pixel"] = f"{scores['reconstruction']['mse_per_pixel']:.5f}"
        if "dead_units" in scores:
            row["dead units"] = f"{scores['dead_units']:g}"
        if "elbo" in scores.get("likelihood", {}):
            row["KL, nats"] = error(scores["likelihood"]["kl"])
            row["active units"] = f"{scores['likelihood']['active_units']:g}"
        for space, value in scores.get("silhouette", {}).items():
            row[f"silhouette {space}"] = accuracy(value)
        rows.append(row)
    return markdown_table(rows) if any(len(row) > 1 for row in rows) else ""


def _choices(report: Report) -> str:
    """What was chosen on which images, and whether labels had a part in it."""
    scores = report["scores"]
    rows: list[Cells] = []

    def add(number: str, how: str, labels: str) -> None:
        rows.append({"number": number, "how": how, "labels": labels})

    if "linear_probe" in scores:
        how = "logistic regression on standardised codes; C chosen on validation, then fitted on train + validation"
        add("linear probe", f"{how}; interval: bootstrap over test images", "train, validation")
    for n, probe in scores.get("few_label", {}).items():
        how = f"the same with {n} labelled image{'s' if n != '1' else ''} a class and a fixed C"
        add(f"few-label {n}", f"{how}; mean and standard deviation of {probe['draws']} draws", f"{n} a class")
    if "knn" in scores:
        add("kNN", f"vote of the {scores['knn']['k']} nearest training codes; k is fixed", "train")
    if "kmeans" in scores:
        how = "fitted on train, applied to test; restart chosen by inertia; k = number of classes"
        add("k-means", how, "none; they only score the result")
    if "reconstruction" in scores:
        add("reconstruction SSE", "summed squared error of a test image, pixels in [0, 1]; lower is better", "none")
    if "rankme" in scores:
        add("RankMe", "effective rank of the training codes; at most their dimension", "none")
    if "generation" in scores:
        labels = "train, for the features alone" if "linear_probe" in scores else "none"
        how = "between new and test images, by features learned for this from training images, never shown to the model"
        add("Fréchet, kernel", f"distances {how}", labels)
        add("precision, recall", "the same features; among others: within reach of the third neighbour of one", labels)
    of = "nats a test image, binarised or a density as the model's likelihood has it: compare like with like"
    if "elbo" in scores.get("likelihood", {}):
        add("-ELBO", f"{of}, one posterior sample each; an active unit has a mean KL above 0.01", "none")
    if "log_likelihood" in scores.get("likelihood", {}):
        k = scores["likelihood"]["samples"]
        add("NLL", f"{of}; an upper bound, importance-weighted over {k} posterior samples", "none")
    twin = report.get("floors", {}).get("untrained")
    if twin:
        times = f"; mean of {twin['initialisations']} initialisations" if "initialisations" in twin else ""
        add("untrained twin", f"the same network before training{times}", "as above")
    return markdown_table(rows, texts=3)


def _provenance(report: Report) -> str:
    run, origin = report["run"], report["provenance"]
    lines = []

    def add(title: str, text: str) -> None:
        lines.append(f"- {title}: {text}")

    if "command" in run:
        add("command", f"`{run['command']}`")
    trained = [f"{run['epochs']} epochs", f"{run['train_seconds'] / 60:.1f} minutes"]
    trained += [f"{run['images_per_second']:,.0f} images/s"] if "images_per_second" in run else []
    add("training", ", ".join([*trained, f"{run['parameters']:,} parameters"]))
    if "commit" in origin:
        state = "**with uncommitted changes**" if origin["dirty"] else "nothing uncommitted"
        add("commit", f"`{origin['commit']}`, {state}")
    add("hardware", hardware(report))
    if "data_sha256" in origin:
        add("data", f"SHA-256 `{origin['data_sha256'][:12]}` over images, labels and split")
    add("versions", ", ".join(f"{name} {version}" for name, version in origin["versions"].items()))
    text = "\n".join(lines)
    if "config" in origin:
        config = yaml.safe_dump(origin["config"], sort_keys=False).strip()
        text += f"\n\n<details><summary>Configuration</summary>\n\n```yaml\n{config}\n```\n\n</details>"
    return text
