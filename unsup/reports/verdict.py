"""What a report amounts to: is this code better than the floors, in a sentence and in a word."""

from typing import Any

from unsup.reports.format import FLOORS, PROBES, Scores, accuracy, difference, enumeration, error, floor_name, named

Report = dict[str, Any]
COLLAPSED = 0.1  # share of the dimensions: codes with a smaller effective rank hardly use them
ONE_DIRECTION = 1.5  # codes with a smaller effective rank are multiples of one vector, or nearly
WORSE, UNCLEAR, BETTER = -1, 0, 1  # than a floor


def verdict(report: Report) -> str:
    """A few sentences (Markdown): is this code better than the floors, by paired intervals on the test images?

    Before them one that says so where the training is dead.
    """
    return " ".join(filter(None, [dead(report), _against_floors(report)]))


def dead(report: Report) -> str:
    """A sentence (Markdown) where nothing was learned, or lost again, whatever the scores are; else empty.

    By facts that no working training has: a loss that never fell below its first value or does not change, and codes
    that are all equal or of one direction.
    """
    scores, curves, facts = report["scores"], report.get("curves", {}), []
    train, val = ([value for _, value in curves.get(tag, [])] for tag in ("train/loss", "val/loss"))
    alone = "train/grad_norm" in curves  # one optimizer: in a game of several no loss has to fall
    if alone and len(train) > 1 and min(train[1:]) >= train[0]:
        facts.append(f"the training loss never fell below its first value ({train[0]:.4g}, at last {train[-1]:.4g})")
    if len(val) > 1 and len(set(val)) == 1:
        facts.append(f"the validation loss stayed at {val[0]:.4g}")
    if 0 < scores.get("code_dim", 0) == scores.get("dead_units"):
        facts.append("all images have the same code")
    elif scores.get("code_dim", 0) > 2 and scores.get("rankme", ONE_DIRECTION) < ONE_DIRECTION:
        facts.append(
            f"the codes are of one direction (effective rank {scores['rankme']:.1f} of {scores['code_dim']:,})"
        )
    return f"**This training is dead: {enumeration(facts)}; try a smaller learning rate.**" if facts else ""


def _against_floors(report: Report) -> str:
    scores, floors = report["scores"], report.get("floors", {})
    if not floors:
        return "No floors were computed, so these numbers cannot say whether anything was learned."
    if "linear_probe" not in scores:
        return _unlabelled_verdict(report)
    values = {
        "linear_probe": scores["linear_probe"]["accuracy"],
        "few_label_10": scores.get("few_label", {}).get("10", {}).get("mean"),
    }
    sentences = []
    for probe, title in PROBES.items():
        found = [
            (floor_name(key, floors[key]), report["comparisons"][key][probe])
            for key in FLOORS
            if key in floors and probe in report.get("comparisons", {}).get(key, {})
        ]
        if found and values[probe] is not None:
            sentences.append(f"{title} {accuracy(values[probe])}, {_standing(found)}.")
    return " ".join(sentences) or "This model was not compared with its floors."


def outcome(report: Report) -> tuple[str, str]:
    """The verdict in one word and in one sentence, by the paired intervals.

    above (every floor by every probe), below (every one), mixed (above some), not above (any), or unknown. Without
    labels by what needs none: the reconstruction error beside those of the untrained twin and PCA, and whether the
    codes use their dimensions.
    """
    comparisons, floors = report.get("comparisons", {}), report.get("floors", {})
    if not floors:
        return "unknown", "No floors were computed, so these numbers cannot say whether anything was learned."
    if "linear_probe" not in report["scores"]:
        return _unlabelled_outcome(report)
    standings: list[int] = []
    by: dict[str, list[str]] = {}  # how a probe stands -> which probes
    for probe, told in (("linear_probe", "by the linear probe"), ("few_label_10", "by 10 labels a class")):
        found = {floor_name(key, floors[key]): comparisons.get(key, {}).get(probe) for key in FLOORS if key in floors}
        stands = {name: _stands(c) for name, c in found.items() if c}
        if stands:
            standings += stands.values()
            by.setdefault(_placed(stands), []).append(told)
    if not standings:
        return "unknown", "Not compared with its floors by a probe: no paired differences were computed."
    return _in_words(standings, [f"{placed} {enumeration(probes)}" for placed, probes in by.items()])


def _stands(comparison: Scores) -> int:
    if not comparison["separable"]:
        return UNCLEAR
    return BETTER if comparison["difference"] > 0 else WORSE


def _placed(stands: dict[str, int]) -> str:
    """The floors that a probe is below, those that it is not above and those that it is above; or every floor."""
    words = {WORSE: "below", UNCLEAR: "not above", BETTER: "above"}
    by = {word: [name for name, one in stands.items() if one == kind] for kind, word in words.items()}
    parts = [f"{word} {enumeration(names)}" for word, names in by.items() if names]
    if len(parts) > 1 or by["not above"]:
        return ", ".join(parts)
    return "above every floor" if by["above"] else "below every floor"


def _standing(found: list[tuple[str, Scores]]) -> str:
    """Where a score stands among the floors; whatever is not clearly above one comes first, in bold."""
    above = [f"{name} {difference(c)}" for name, c in found if _stands(c) == BETTER]
    below = [f"{name} ({difference(c)})" for name, c in found if _stands(c) == WORSE]
    equal = [f"{name} ({difference(c)})" for name, c in found if _stands(c) == UNCLEAR]
    if len(above) == len(found):
        return f"**above every floor**: {', '.join(above)}"
    parts = []
    if equal:
        parts.append(f"**cannot be told from {enumeration(equal)}**")
    if below:
        parts.append(f"**below {enumeration(below)}**")
    if above:
        parts.append(f"above {enumeration(above)}")
    return "; ".join(parts)


def _unlabelled_verdict(report: Report) -> str:
    text = "These images have no labels, so nothing here measures classification."
    errors = [
        f"{error(scores['reconstruction']['sse_per_image'])} ({name})"
        for name, scores in named(report)
        if "reconstruction" in scores
    ]
    if "reconstruction" in report["scores"] and len(errors) > 1:
        text += f" Squared error an image, lower is better: {', '.join(errors)}"
        worse = [name for name, (own, floor) in _reconstructions(report).items() if own >= floor]
        text += f": **not better than {enumeration(worse)}**." if worse else "."
    used = _few_dimensions(report["scores"])
    return f"{text} **The codes use {used}.**" if used else text


def _unlabelled_outcome(report: Report) -> tuple[str, str]:
    standings, parts = [], []
    for name, (own, floor) in _reconstructions(report).items():
        told = "better than" if own < floor else "worse than" if own > floor else "no better than"
        standings.append(BETTER if own < floor else WORSE if own > floor else UNCLEAR)
        parts.append(f"reconstructs {told} {name}: {error(own)} against {error(floor)}")
    if used := _few_dimensions(report["scores"]):
        standings.append(UNCLEAR)
        parts.append(f"the codes use {used}")
    if not parts:
        return (
            "unknown",
            "Not compared with its floors: no labels, and no reconstruction errors to compare.",
        )
    return _in_words(standings, parts)


def _reconstructions(report: Report) -> dict[str, tuple[float, float]]:
    """Squared errors an image: of this model and of each floor that reconstructs, by the floor's name."""
    (_, own), *floors = named(report)
    if "reconstruction" not in own:
        return {}
    sse = own["reconstruction"]["sse_per_image"]
    return {
        name: (sse, found["reconstruction"]["sse_per_image"]) for name, found in floors if "reconstruction" in found
    }


def _few_dimensions(scores: Scores) -> str | None:
    """ "about 2 of 30 dimensions" where the effective rank is under a tenth of what it can be, else None."""
    reduced = scores.get("reduced", {})
    most = reduced.get("dim", scores.get("code_dim"))  # RankMe sees the reduced codes where there are any
    if most is None or "rankme" not in scores or scores["rankme"] >= COLLAPSED * most:
        return None
    return f"about {scores['rankme']:.0f} of {most:,} dimensions"


def _in_words(standings: list[int], parts: list[str]) -> tuple[str, str]:
    sentence, kinds = "; ".join(parts), set(standings)
    word = "mixed" if BETTER in kinds else "not above"
    if len(kinds) == 1:
        word = {BETTER: "above", UNCLEAR: "not above", WORSE: "below"}[kinds.pop()]
    return word, f"{sentence[0].upper()}{sentence[1:]}."
