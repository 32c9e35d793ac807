"""Classes of all images by the names of a few, by the better of two rules."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.core.words import counted
from unsup.metrics.intervals import accuracy_interval
from unsup.metrics.logistic import Doubles, log_probabilities
from unsup.metrics.propagation import NEIGHBOURS, propagated
from unsup.metrics.rule_choice import Rule, RuleChoice, folds_of, held_out_logs, probe

FEWEST_RANDOM = 20  # images named at random that carry an estimate
SURE = 0.9  # confidence
TITLES: dict[Rule, str] = {"probe": "a logistic regression", "propagation": "label propagation"}


@dataclass(frozen=True)
class ByNames:
    """Classes of n images, found from m named ones.

    Attributes:
        classes: (n,).
        confidence: (n,) of the classes, in (0, 1].
        rule: how they were found.
        choice: what the rule was chosen by.
        num_random: how many named images are said to be drawn at random.
    """

    classes: NDArray[np.str_]
    confidence: Floats
    rule: Rule
    choice: RuleChoice
    num_random: int

    def sentences(self, others: NDArray[np.bool_]) -> list[str]:
        """Say how the classes were found, and how many of the others (n,) are right."""
        sentences = [self._about_rule(), "Every other image gets one of the given names: name images of all classes."]
        if not self.choice.is_calibrated:
            sentences.append("The confidences are not calibrated: name at least two images of each.")
        return [*sentences, self.about_others(others)]

    def _about_rule(self) -> str:
        m, judges, labels = len(self.choice.labels), int(self.choice.judges.sum()), self.choice.labels
        other: Rule = "propagation" if self.rule == "probe" else "probe"
        by = f"Classes by {TITLES[self.rule]} on the codes of the {m:,} images that were named"
        if self.rule == "propagation":
            by += f", over the graph of the {NEIGHBOURS} nearest neighbours of all {len(self.classes):,} codes"
        right = {rule: int(self.choice.correct(rule)[self.choice.judges].sum()) for rule in TITLES}
        own, rival = (f"{right[rule]:,} ({right[rule] / judges:.0%})" for rule in (self.rule, other))
        which = f"{judges:,} of them" + (" named at random" if self.num_random >= FEWEST_RANDOM else "")
        text = (
            f"{by}. In cross-validation on {which} it is right for {own}, {TITLES[other]} for {rival}; it was chosen "
            "by the likelihood of the names that were held out."
        )
        if single := int((np.bincount(labels) == 1).sum()):
            text += f" {counted(single, 'image')} with a name of its own counted as wrong."
        return text

    def about_others(self, others: NDArray[np.bool_]) -> str:
        """Say how many of the other images (n,) are right, or why that is not known."""
        if self.num_random < FEWEST_RANDOM:
            return (
                f"How many of the others are right is not known: {self.num_random or 'no'} named images are said to be "
                f"drawn at random (column asked), and chosen ones carry no estimate; name {FEWEST_RANDOM} at random."
            )
        correct, confidence = self.choice.judgement()
        sure, above = confidence > SURE, int((others & (self.confidence > SURE)).sum())
        among = f"none of these has a confidence above {SURE:.0%}"
        if sure.any():
            among = f"of the {sure.sum():,} with a confidence above {SURE:.0%} {share(correct[sure])} are right"
        left, which = int(others.sum()), "pictures without a name"
        if left:
            which = f"the {left:,} other pictures"
            among += f", and {above:,} of the other pictures have one"
        return (
            f"About {share(correct)} of {which} are classified correctly, judging by the {len(correct):,} named at "
            f"random, each without its own name: {among}."
        )


def share(correct: NDArray[np.bool_]) -> str:
    """Return a share with its 95 % interval."""
    low, high = accuracy_interval(correct)
    return f"{correct.mean():.0%} [{low:.0%}, {high:.0%}]"


@threadpool_limits.wrap(limits=1)
def classify_by_names(x: Floats, rows: Ids, names: NDArray[np.str_], is_random: NDArray[np.bool_]) -> ByNames:
    """Classify all codes by the named ones.

    A logistic regression on the named codes competes with label propagation over all codes. Images drawn at random
    calibrate the confidence, if there are 20 of these, otherwise all named images.

    Args:
        x: (n, d) codes of all images, as `scaled_by` returns them.
        rows: (m,) of the named ones.
        names: (m,) of these, at least two different ones.
        is_random: (m,) which of these were drawn at random.
    """
    classes, labels = np.unique(names, return_inverse=True)
    folds, num_random = folds_of(labels), int(is_random.sum())
    spread, spread_held_out = propagated(x, rows, labels, folds)
    judges = is_random if num_random >= FEWEST_RANDOM else np.ones(len(rows), np.bool_)
    logs: dict[Rule, Doubles] = {"probe": held_out_logs(x[rows], labels, folds), "propagation": spread_held_out}
    choice = RuleChoice(logs, labels, folds, judges)
    chosen = choice.chosen()
    logs_of_all = spread if chosen.rule == "propagation" else log_probabilities(probe().fit(x[rows], labels), x)
    shares = chosen.probabilities(logs_of_all)
    return ByNames(
        classes=classes[shares.argmax(axis=1)],
        confidence=shares.max(axis=1).astype(np.float32),
        rule=chosen.rule,
        choice=choice,
        num_random=num_random,
    )


def scaled_by(reference: Floats, codes: Floats) -> Floats:
    """Return codes (n, d) less the mean of reference codes, over their deviation.

    The deviation is one number for all entries.
    """
    scale = float(np.sqrt(reference.var(axis=0).mean())) or 1.0
    return np.asarray((codes - reference.mean(axis=0)) / scale, np.float32)
