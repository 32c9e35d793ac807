"""The verdict on a model, in a few sentences, in one sentence and in a word."""

from unsup.reports.catalogue import SCORES
from unsup.reports.format import accuracy, enumeration, error, with_bounds
from unsup.reports.schema import ComparedProbe, Difference, Report, baseline_name
from unsup.reports.score_schema import Scores

COMPARED_BY: dict[ComparedProbe, tuple[str, str]] = {  # in a table, in a sentence
    "linear_probe": ("Linear probe", "by the linear probe"),
    "few_label_10": ("Few-label probe (10 labels per class)", "by 10 labels per class"),
}
COLLAPSED = 0.1  # share of the dimensions: codes with a smaller effective rank hardly use them
ONE_DIRECTION = 1.5  # codes with a smaller effective rank are multiples of one vector, or nearly
WORSE, UNCLEAR, BETTER = "below", "not above", "above"  # than a baseline
NO_BASELINES = "No baselines were computed, so these numbers cannot show whether anything was learned."


def verdict(report: Report) -> str:
    """Say in a few sentences (Markdown) if this code is better than the baselines.

    Labelled images are judged by paired intervals on the test images. The first sentence says if the run did not learn.
    """
    if not report.baselines:
        comparison = NO_BASELINES
    elif report.scores.linear_probe:
        comparison = _labelled_verdict(report)
    else:
        comparison = _unlabelled_verdict(report)
    return " ".join(filter(None, [learning_failure(report), comparison]))


def learning_failure(report: Report) -> str:
    """Return a sentence (Markdown) if the run did not learn, else an empty string.

    The signs are facts that no working training has: a loss that never fell below its first value or does not change,
    and codes that are all equal or of one direction.
    """
    scores, curves, facts = report.scores, report.curves or {}, []
    train, val = ([value for _, value in curves.get(tag, [])] for tag in ("train/loss", "val/loss"))
    one_optimizer = "train/grad_norm" in curves  # in a game of several no loss has to fall
    dim = scores.code_dim or 0
    if one_optimizer and len(train) > 1 and min(train[1:]) >= train[0]:
        facts.append(f"the training loss never fell below its first value ({train[0]:.4g}, at last {train[-1]:.4g})")
    if len(val) > 1 and len(set(val)) == 1:
        facts.append(f"the validation loss stayed at {val[0]:.4g}")
    if 0 < dim == scores.dead_units:
        facts.append("all images have the same code")
    elif dim > 2 and scores.rankme is not None and scores.rankme < ONE_DIRECTION:
        facts.append(f"the codes vary in one direction only (effective rank {scores.rankme:.1f} of {dim:,})")
    return f"**This run did not learn: {enumeration(facts)}; try a smaller learning rate.**" if facts else ""


def outcome(report: Report) -> tuple[str, str]:
    """Return the verdict in one word and in one sentence.

    The word is above (every baseline by every probe), below (every one), mixed (above some), not above (any), or
    unknown. Without labels it goes by the reconstruction error, and by whether the codes use their dimensions.
    """
    if not report.baselines:
        return "unknown", NO_BASELINES
    if report.scores.linear_probe:
        standings, phrases = _by_probes(report)
        missing = " by a probe: no paired differences were computed"
    else:
        standings, phrases = _by_reconstruction(report)
        missing = ": no labels, and no reconstruction errors to compare"
    if not standings:
        return "unknown", f"Not compared with its baselines{missing}."
    word = standings[0] if len(set(standings)) == 1 else "mixed" if BETTER in standings else UNCLEAR
    sentence = "; ".join(phrases)
    return word, f"{sentence[0].upper()}{sentence[1:]}."


def _differences(report: Report, probe: ComparedProbe) -> dict[str, Difference]:
    """Return the differences from the baselines by their names."""
    return {
        baseline_name(key, baseline.code_dim): difference
        for key, baseline in report.ordered_baselines.items()
        if key in report.comparisons and (difference := report.comparisons[key].by(probe))
    }


def _standing(comparison: Difference) -> str:
    if not comparison.separable:
        return UNCLEAR
    return BETTER if comparison.difference > 0 else WORSE


def _by_probes(report: Report) -> tuple[list[str], list[str]]:
    """Return all standings against baselines, and a phrase for each result."""
    standings: list[str] = []
    probes: dict[str, list[str]] = {}  # result -> in the words of which probes
    for probe, (_, words) in COMPARED_BY.items():
        if differences := _differences(report, probe):
            standings += map(_standing, differences.values())
            probes.setdefault(_result(differences), []).append(words)
    return standings, [f"{result} {enumeration(words)}" for result, words in probes.items()]


def _result(differences: dict[str, Difference]) -> str:
    """Return 'below raw pixels, not above PCA-30' or 'above every baseline'."""
    parts = []
    for standing in (WORSE, UNCLEAR, BETTER):
        names = [name for name, one in differences.items() if _standing(one) == standing]
        if len(names) == len(differences) and standing != UNCLEAR:
            return f"{standing} every baseline"
        if names:
            parts.append(f"{standing} {enumeration(names)}")
    return ", ".join(parts)


def _labelled_verdict(report: Report) -> str:
    sentences = []
    for probe, (title, _) in COMPARED_BY.items():
        value = next(score.value(report.scores) for score in SCORES if score.correct == probe)
        if (differences := _differences(report, probe)) and value is not None:
            sentences.append(f"{title} {accuracy(value)}, {_detailed_result(differences)}.")
    return " ".join(sentences) or "This model was not compared with its baselines."


def _detailed_result(differences: dict[str, Difference]) -> str:
    """Return the result with all differences, bad news first and in bold."""
    texts: dict[str, list[str]] = {UNCLEAR: [], WORSE: [], BETTER: []}
    for name, one in differences.items():
        standing, bounds = _standing(one), with_bounds(one)
        texts[standing].append(f"{name} {bounds}" if standing == BETTER else f"{name} ({bounds})")
    if len(texts[BETTER]) == len(differences):
        return f"**above every baseline**: {', '.join(texts[BETTER])}"
    forms = {UNCLEAR: "**not separable from {}**", WORSE: "**below {}**", BETTER: "above {}"}
    return "; ".join(forms[standing].format(enumeration(names)) for standing, names in texts.items() if names)


def _unlabelled_verdict(report: Report) -> str:
    text = "These images have no labels, so nothing here measures classification."
    if baselines := _reconstruction_errors(report):
        (_, own), *others = baselines
        errors = ", ".join(f"{error(sse)} ({name})" for name, sse in baselines)
        text += f" Squared error an image, lower is better: {errors}"
        worse = [name for name, sse in others if own >= sse]
        text += f": **not better than {enumeration(worse)}**." if worse else "."
    used = _few_dimensions(report.scores)
    return f"{text} **The codes use {used}.**" if used else text


def _by_reconstruction(report: Report) -> tuple[list[str], list[str]]:
    """Return standings by reconstruction and by the codes' rank, with phrases."""
    standings, phrases = [], []
    (_, own), *baselines = _reconstruction_errors(report) or [("", 0.0)]
    for name, sse in baselines:
        standing = BETTER if own < sse else WORSE if own > sse else UNCLEAR
        words = {BETTER: "better than", WORSE: "worse than", UNCLEAR: "no better than"}[standing]
        standings.append(standing)
        phrases.append(f"reconstructs {words} {name}: {error(own)} against {error(sse)}")
    if used := _few_dimensions(report.scores):
        standings.append(UNCLEAR)
        phrases.append(f"the codes use {used}")
    return standings, phrases


def _reconstruction_errors(report: Report) -> list[tuple[str, float]]:
    """Return squared errors per image, first this model's, if they can be compared."""
    errors = [(name, scores.reconstruction.sse_per_image) for name, scores in report.rows if scores.reconstruction]
    return errors if report.scores.reconstruction and len(errors) > 1 else []


def _few_dimensions(scores: Scores) -> str | None:
    """Return "about 2 of 30 dimensions" if the rank is under a tenth of that."""
    most = scores.reduced.dim if scores.reduced else scores.code_dim  # RankMe sees the reduced codes if there are any
    if most is None or scores.rankme is None or scores.rankme >= COLLAPSED * most:
        return None
    return f"about {scores.rankme:.0f} of {most:,} dimensions"
