"""What a report amounts to: is this code better than the floors, in a sentence and in a word."""

from unsup.reports.catalogue import SCORES
from unsup.reports.format import accuracy, enumeration, error, with_bounds
from unsup.reports.schema import ComparedProbe, Difference, Report, baseline_name
from unsup.reports.score_schema import Scores

COMPARED_BY: dict[ComparedProbe, tuple[str, str]] = {  # in a table, in a sentence
    "linear_probe": ("Linear probe", "by the linear probe"),
    "few_label_10": ("Few-label probe (10 labels a class)", "by 10 labels a class"),
}
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
    scores, curves, facts = report.scores, report.curves or {}, []
    train, val = ([value for _, value in curves.get(tag, [])] for tag in ("train/loss", "val/loss"))
    alone = "train/grad_norm" in curves  # one optimizer: in a game of several no loss has to fall
    dim = scores.code_dim or 0
    if alone and len(train) > 1 and min(train[1:]) >= train[0]:
        facts.append(f"the training loss never fell below its first value ({train[0]:.4g}, at last {train[-1]:.4g})")
    if len(val) > 1 and len(set(val)) == 1:
        facts.append(f"the validation loss stayed at {val[0]:.4g}")
    if 0 < dim == scores.dead_units:
        facts.append("all images have the same code")
    elif dim > 2 and scores.rankme is not None and scores.rankme < ONE_DIRECTION:
        facts.append(f"the codes are of one direction (effective rank {scores.rankme:.1f} of {dim:,})")
    return f"**This training is dead: {enumeration(facts)}; try a smaller learning rate.**" if facts else ""


def _against_floors(report: Report) -> str:
    scores = report.scores
    if not report.baselines:
        return "No floors were computed, so these numbers cannot say whether anything was learned."
    if not scores.linear_probe:
        return _unlabelled_verdict(report)
    sentences = []
    for probe, (title, _) in COMPARED_BY.items():
        value = next(score.value(scores) for score in SCORES if score.correct == probe)
        differences = _differences(report, probe)
        if differences and value is not None:
            sentences.append(f"{title} {accuracy(value)}, {_standing(differences)}.")
    return " ".join(sentences) or "This model was not compared with its floors."


def _differences(report: Report, probe: ComparedProbe) -> dict[str, Difference]:
    """Differences from the floors by their names, as far as they were computed."""
    return {
        baseline_name(key, floor.code_dim): difference
        for key, floor in report.ordered_baselines.items()
        if key in report.comparisons and (difference := report.comparisons[key].by(probe))
    }


def outcome(report: Report) -> tuple[str, str]:
    """The verdict in one word and in one sentence, by the paired intervals.

    above (every floor by every probe), below (every one), mixed (above some), not above (any), or unknown. Without
    labels by what needs none: the reconstruction error beside those of the untrained twin and PCA, and whether the
    codes use their dimensions.
    """
    if not report.baselines:
        return "unknown", "No floors were computed, so these numbers cannot say whether anything was learned."
    if not report.scores.linear_probe:
        return _unlabelled_outcome(report)
    standings: list[int] = []
    by: dict[str, list[str]] = {}  # how a probe stands -> which probes
    for probe, (_, words) in COMPARED_BY.items():
        if stands := {name: _stands(one) for name, one in _differences(report, probe).items()}:
            standings += stands.values()
            by.setdefault(_placed(stands), []).append(words)
    if not standings:
        return "unknown", "Not compared with its floors by a probe: no paired differences were computed."
    return _in_words(standings, [f"{placed} {enumeration(probes)}" for placed, probes in by.items()])


def _stands(comparison: Difference) -> int:
    if not comparison.separable:
        return UNCLEAR
    return BETTER if comparison.difference > 0 else WORSE


def _placed(stands: dict[str, int]) -> str:
    """The floors that a probe is below, those that it is not above and those that it is above; or every floor."""
    words = {WORSE: "below", UNCLEAR: "not above", BETTER: "above"}
    by = {word: [name for name, one in stands.items() if one == kind] for kind, word in words.items()}
    parts = [f"{word} {enumeration(names)}" for word, names in by.items() if names]
    if len(parts) > 1 or by["not above"]:
        return ", ".join(parts)
    return "above every floor" if by["above"] else "below every floor"


def _standing(differences: dict[str, Difference]) -> str:
    """Where a score stands among the floors; whatever is not clearly above one comes first, in bold."""
    above = [f"{name} {with_bounds(one)}" for name, one in differences.items() if _stands(one) == BETTER]
    below = [f"{name} ({with_bounds(one)})" for name, one in differences.items() if _stands(one) == WORSE]
    equal = [f"{name} ({with_bounds(one)})" for name, one in differences.items() if _stands(one) == UNCLEAR]
    if len(above) == len(differences):
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
        f"{error(scores.reconstruction.sse_per_image)} ({name})"
        for name, scores in report.rows
        if scores.reconstruction
    ]
    if report.scores.reconstruction and len(errors) > 1:
        text += f" Squared error an image, lower is better: {', '.join(errors)}"
        worse = [name for name, (own, floor) in _reconstructions(report).items() if own >= floor]
        text += f": **not better than {enumeration(worse)}**." if worse else "."
    used = _few_dimensions(report.scores)
    return f"{text} **The codes use {used}.**" if used else text


def _unlabelled_outcome(report: Report) -> tuple[str, str]:
    standings, parts = [], []
    for name, (own, floor) in _reconstructions(report).items():
        told = "better than" if own < floor else "worse than" if own > floor else "no better than"
        standings.append(BETTER if own < floor else WORSE if own > floor else UNCLEAR)
        parts.append(f"reconstructs {told} {name}: {error(own)} against {error(floor)}")
    if used := _few_dimensions(report.scores):
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
    (_, own), *floors = report.rows
    if not own.reconstruction:
        return {}
    sse = own.reconstruction.sse_per_image
    return {name: (sse, scores.reconstruction.sse_per_image) for name, scores in floors if scores.reconstruction}


def _few_dimensions(scores: Scores) -> str | None:
    """ "about 2 of 30 dimensions" where the effective rank is under a tenth of what it can be, else None."""
    most = scores.reduced.dim if scores.reduced else scores.code_dim  # RankMe sees the reduced codes if there are any
    if most is None or scores.rankme is None or scores.rankme >= COLLAPSED * most:
        return None
    return f"about {scores.rankme:.0f} of {most:,} dimensions"


def _in_words(standings: list[int], parts: list[str]) -> tuple[str, str]:
    sentence, kinds = "; ".join(parts), set(standings)
    word = "mixed" if BETTER in kinds else "not above"
    if len(kinds) == 1:
        word = {BETTER: "above", UNCLEAR: "not above", WORSE: "below"}[kinds.pop()]
    return word, f"{sentence[0].upper()}{sentence[1:]}."
