"""The verdict on a model, in a few sentences, in one sentence and in a word."""

from typing import NamedTuple

from unsup.reports.catalogue import SCORES
from unsup.reports.format import accuracy, enumeration, error, with_bounds, with_interval
from unsup.reports.learning import learning_failure, short_run
from unsup.reports.schema import ComparedProbe, Report, baseline_name

COMPARED_BY: dict[ComparedProbe, tuple[str, str]] = {  # in a table, in a sentence
    "linear_probe": ("Linear probe", "by the linear probe"),
    "few_label_10": ("Few-label probe (10 labels per class)", "by 10 labels per class"),
}
COLLAPSED = 0.1  # share of the dimensions: codes with a smaller effective rank hardly use them
WORSE, UNCLEAR, BETTER = "below", "not above", "above"  # than a baseline
NO_BASELINES = "No baselines were computed, so these numbers cannot show whether anything was learned."


class Result(NamedTuple):
    """How a model compares with one baseline."""

    baseline: str
    standing: str
    text: str  # its name with the difference, or its squared error


def verdict(report: Report) -> str:
    """Say in a few sentences (Markdown) if this code is better than the baselines.

    Labelled images are judged by paired intervals on the test images. The first sentence says if the run did not learn.
    """
    if not report.scores.linear_probe:
        comparison = _unlabelled_verdict(report)
    else:
        comparison = _labelled_verdict(report) if report.baselines else NO_BASELINES
    failure = learning_failure(report)
    lags = not failure and _comparison(report)[0] in (WORSE, UNCLEAR)
    return " ".join(filter(None, [failure, comparison, short_run(report) if lags else ""]))


def outcome(report: Report) -> tuple[str, str]:
    """Return the verdict in one word and in one sentence.

    The word is above (every baseline by every probe), below (every one), mixed (above some), not above (any),
    unknown, or not learned. Without labels it goes by the reconstruction error, and by whether the codes use their
    dimensions.
    """
    word, sentence = _comparison(report)
    return "not learned" if learning_failure(report) else word, sentence


def _comparison(report: Report) -> tuple[str, str]:
    if not report.baselines:
        return "unknown", NO_BASELINES if report.scores.linear_probe else _unlabelled_verdict(report)
    standings, phrases = _by_probes(report) if report.scores.linear_probe else _by_reconstruction(report)
    if not standings:
        labelled = " by a probe: no paired differences were computed"
        missing = "baseline has as many dimensions" if report.scores.reconstruction else "reconstruction errors"
        unlabelled = f": there are no labels, and no {missing}"
        return "unknown", f"Not compared with its baselines{labelled if report.scores.linear_probe else unlabelled}."
    word = standings[0] if len(set(standings)) == 1 else "mixed" if BETTER in standings else UNCLEAR
    sentence = "; ".join(phrases)
    return word, f"{sentence[0].upper()}{sentence[1:]}."


def _probe_results(report: Report, probe: ComparedProbe) -> list[Result]:
    results = []
    for key, baseline in report.ordered_baselines.items():
        if key in report.comparisons and (difference := report.comparisons[key].by(probe)):
            name, bounds = baseline_name(key, baseline.code_dim), with_bounds(difference)
            standing = UNCLEAR if not difference.separable else BETTER if difference.difference > 0 else WORSE
            results.append(Result(name, standing, f"{name} {bounds}" if standing == BETTER else f"{name} ({bounds})"))
    return results


def _by_probes(report: Report) -> tuple[list[str], list[str]]:
    """Return all standings against baselines, and a phrase for each result."""
    standings: list[str] = []
    probes: dict[str, list[str]] = {}  # phrase -> in the words of which probes
    for probe, (_, words) in COMPARED_BY.items():
        if results := _probe_results(report, probe):
            standings += [result.standing for result in results]
            probes.setdefault(_phrase(results), []).append(words)
    return standings, [f"{phrase} {enumeration(words)}" for phrase, words in probes.items()]


def _phrase(results: list[Result]) -> str:
    """Return 'below raw pixels, but above PCA-30' or 'above every baseline'."""
    standings = {result.standing for result in results}
    if standings in ({WORSE}, {BETTER}):
        return f"{results[0].standing} every baseline"
    names = {s: [result.baseline for result in results if result.standing == s] for s in (WORSE, UNCLEAR, BETTER)}
    parts = [f"{standing} {enumeration(some)}" for standing, some in names.items() if some]
    return ", but ".join([", ".join(parts[:-1]), parts[-1]] if names[BETTER] else [", ".join(parts)])


def _labelled_verdict(report: Report) -> str:
    """Return the results with all differences, bad news first and in bold."""
    forms = {UNCLEAR: "**not separable from {}**", WORSE: "**below {}**", BETTER: "above {}"}
    sentences = []
    for probe, (title, _) in COMPARED_BY.items():
        value = next(score.value(report.scores) for score in SCORES if score.correct == probe)
        if not (results := _probe_results(report, probe)) or value is None:
            continue
        texts = {standing: [result.text for result in results if result.standing == standing] for standing in forms}
        phrase = "; ".join(forms[standing].format(enumeration(some)) for standing, some in texts.items() if some)
        if len(texts[BETTER]) == len(results):
            phrase = f"**above every baseline**: {', '.join(texts[BETTER])}"
        sentences.append(f"{title} {accuracy(value)}, {phrase}.")
    return " ".join(sentences) or "This model was not compared with its baselines."


def _reconstruction_results(report: Report) -> tuple[str, list[Result]]:
    """Return this model's squared error per image, and the baselines it compares with.

    One of fewer dimensions, as PCA of a few images, counts if its error is smaller all the same.
    """
    if not report.scores.reconstruction:
        return "", []
    own, results = report.scores.reconstruction.sse_per_image, []
    for name, scores in report.rows[1:]:
        if not scores.reconstruction:
            continue
        sse = scores.reconstruction.sse_per_image
        if sse < own or (scores.code_dim or 0) >= (report.scores.code_dim or 0):
            results.append(Result(name, BETTER if own < sse else WORSE if own > sse else UNCLEAR, error(sse)))
    return error(own), results


def _unlabelled_verdict(report: Report) -> str:
    text = "These images have no classes of their own, so these scores do not measure classification."
    if named := report.named:
        text += f" Of {named.which}, the few-label probe gets {with_interval(named.probe)} right."
    own, results = _reconstruction_results(report)
    if results:
        errors = [f"{own} ({report.run.model})", *(f"{result.text} ({result.baseline})" for result in results)]
        text += f" Squared error per image, lower is better: {', '.join(errors)}"
        worse = [result.baseline for result in results if result.standing != BETTER]
        text += f": **not better than {enumeration(worse)}**." if worse else "."
    elif not report.baselines:
        text += f" {NO_BASELINES}"
    used = _few_dimensions(report)
    return f"{text} **The codes use {used}.**" if used else text


def _by_reconstruction(report: Report) -> tuple[list[str], list[str]]:
    """Return standings by reconstruction and by the codes' rank, with phrases."""
    own, results = _reconstruction_results(report)
    standings = [result.standing for result in results]
    words = {BETTER: "better than", WORSE: "worse than", UNCLEAR: "no better than"}
    phrases = [f"reconstructs {words[standing]} {name}: {own} against {sse}" for name, standing, sse in results]
    if used := _few_dimensions(report):
        standings.append(UNCLEAR)
        phrases.append(f"the codes use {used}")
    return standings, phrases


def _few_dimensions(report: Report) -> str | None:
    """Return "about 2 of 30 dimensions" if the rank is under a tenth of that.

    None for a run that did not learn, whose first sentence says why.
    """
    scores = report.scores
    if learning_failure(report):
        return None
    most = scores.reduced.dim if scores.reduced else scores.code_dim  # RankMe is of the reduced codes if there are any
    if most is None or scores.rankme is None or scores.rankme >= COLLAPSED * most:
        return None
    return f"about {scores.rankme:.0f} of {most:,} dimensions"
