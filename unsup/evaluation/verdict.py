"""What a report amounts to: is this code better than the floors, in a sentence and in a word."""

from typing import Any

from unsup.evaluation.summary import (
    FLOORS,
    PROBES,
    Scores,
    accuracy,
    difference,
    enumeration,
    error,
    floor_name,
    named,
)

Report = dict[str, Any]
COLLAPSED = 0.1  # share of the dimensions: codes with a smaller effective rank hardly use them


def verdict(report: Report) -> str:
    """One or two sentences (Markdown): is this code better than the floors, by paired intervals on the test images?"""
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
    """The verdict in one word (above, mixed, not above, unknown) and in one sentence, by the paired intervals.

    Without labels by what needs none: the reconstruction error beside those of the untrained twin and PCA, and
    whether the codes use their dimensions.
    """
    comparisons, floors = report.get("comparisons", {}), report.get("floors", {})
    if not floors:
        return "unknown", "No floors were computed, so these numbers cannot say whether anything was learned."
    if "linear_probe" not in report["scores"]:
        return _unlabelled_outcome(report)
    clear: list[bool] = []
    by: dict[tuple[str, ...], list[str]] = {}  # floors that a probe is not clearly above -> which probes
    for probe, told in (("linear_probe", "by the linear probe"), ("few_label_10", "by 10 labels a class")):
        found = {floor_name(key, floors[key]): comparisons.get(key, {}).get(probe) for key in FLOORS if key in floors}
        above = {name: c["separable"] and c["difference"] > 0 for name, c in found.items() if c}
        if above:
            clear += above.values()
            by.setdefault(tuple(name for name in above if not above[name]), []).append(told)
    if not clear:
        return "unknown", "Not compared with its floors by a probe: no paired differences were computed."
    parts = [
        f"{f'not above {enumeration(list(missed))}' if missed else 'above every floor'} {enumeration(probes)}"
        for missed, probes in by.items()
    ]
    return _in_words(clear, parts)


def _standing(found: list[tuple[str, Scores]]) -> str:
    """Where a score stands among the floors; whatever is not clearly above one comes first, in bold."""
    above = [f"{name} {difference(c)}" for name, c in found if c["separable"] and c["difference"] > 0]
    below = [f"{name} ({difference(c)})" for name, c in found if c["separable"] and c["difference"] <= 0]
    equal = [f"{name} ({difference(c)})" for name, c in found if not c["separable"]]
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
    clear, parts = [], []
    for name, (own, floor) in _reconstructions(report).items():
        told = "better than" if own < floor else "worse than" if own > floor else "no better than"
        clear.append(own < floor)
        parts.append(f"reconstructs {told} {name}: {error(own)} against {error(floor)}")
    if used := _few_dimensions(report["scores"]):
        clear.append(False)
        parts.append(f"the codes use {used}")
    if not clear:
        return (
            "unknown",
            "Not compared with its floors: no labels, and no reconstruction errors to compare.",
        )
    return _in_words(clear, parts)


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


def _in_words(clear: list[bool], parts: list[str]) -> tuple[str, str]:
    sentence = "; ".join(parts)
    word = "above" if all(clear) else "mixed" if any(clear) else "not above"
    return word, f"{sentence[0].upper()}{sentence[1:]}."
