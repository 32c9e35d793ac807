"""Which pictures to name next, and what the names so far are worth."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.core.errors import printable
from unsup.data.asked_names import drawn_at_random
from unsup.data.encoded_pictures import EncodedPictures
from unsup.inference.by_names import FEWEST_RANDOM, ByNames, classify_by_names, scaled_by
from unsup.inference.label_page import AskList
from unsup.inference.names import Name
from unsup.metrics.choosing import ROUND, next_to_name
from unsup.metrics.differences import Sample, differences
from unsup.metrics.rule_choice import RuleChoice, folds_of, held_out_logs

DRAWS = 5  # of names that are left out
FEWEST_CONFUSED = 2  # pictures with one of two names that are taken for the other, from which on that is said


class NextRound(NamedTuple):
    """Pictures to name next, and sentences about the names so far."""

    pictures: AskList
    sentences: list[str]


def next_round(pictures: EncodedPictures, given: Mapping[str, Name]) -> NextRound:
    """Return the 20 pictures to name next.

    They are chosen by `next_to_name` from those that are neither named nor drawn at random. Names of pictures drawn at
    random have no part in it.

    Args:
        pictures: of the folder, with their codes.
        given: names so far, by file.
    """
    row_of = {file: i for i, file in enumerate(pictures.files)}
    named = {row_of[file]: given[file] for file in sorted(given) if file in row_of}
    rows, names = np.array([*named], np.int64), np.array([name.name for name in named.values()], np.str_)
    is_random = np.array([name.asked == "random" for name in named.values()], np.bool_)
    classes, labels = np.unique(names, return_inverse=True)
    taken = np.union1d(rows, drawn_at_random(pictures.files)).astype(np.int64)
    choices = next_to_name(pictures.codes, rows[~is_random], labels[~is_random], taken)
    reasons = [
        "typical of pictures that are alike"
        if choice.between is None
        else " or ".join(printable(str(classes[label])) for label in choice.between) + "?"
        for choice in choices
    ]
    chosen = AskList("Chosen next", "chosen", [choice.image for choice in choices], reasons)
    return NextRound(chosen, sentences(scaled_by(pictures.codes, pictures.codes), rows, names, is_random))


def sentences(x: Floats, rows: Ids, names: NDArray[np.str_], is_random: NDArray[np.bool_]) -> list[str]:
    """Say how many pictures are right, what names are worth, and which overlap.

    Args:
        x: (n, d) codes of all pictures, centred and of one scale.
        rows: (m,) the named ones.
        names: (m,) of these.
        is_random: (m,) which of these were drawn at random.
    """
    if len(np.unique(names)) < 2:
        return ["At least two names are needed to classify the other pictures or to judge an encoder."]
    by_names = classify_by_names(x, rows, names, is_random)
    others = np.ones(len(x), np.bool_)
    others[rows] = False
    parts = [by_names.about_others(others)]
    if is_random.sum() >= FEWEST_RANDOM and (~is_random).sum() >= ROUND:
        parts.append(about_gain(x[rows], by_names.choice.labels, is_random))
    if overlap := about_overlap(by_names, np.unique(names)):
        parts.append(overlap)
    return parts


@threadpool_limits.wrap(limits=1)
def about_gain(x: Floats, labels: Ids, is_random: NDArray[np.bool_]) -> str:
    """Say what 20 names are worth that were not drawn at random.

    Args:
        x: (m, d) codes of the named pictures.
        labels: (m,) of these.
        is_random: (m,) which of these were drawn at random.
    """
    rng, others = np.random.default_rng(0), np.flatnonzero(~is_random)
    fewer = []
    for _ in range(DRAWS):
        rest = np.setdiff1d(np.arange(len(labels)), rng.choice(others, ROUND, replace=False))
        fewer.append(right_at_random(x[rest], labels[rest], is_random[rest]))
    samples = [Sample.of(right_at_random(x, labels, is_random)), Sample.of(np.mean(fewer, axis=0))]
    (gain,) = differences(samples, [(0, 1)])
    return (
        "{} of the chosen names raise the share that is right by {difference:+.1%} [{low:+.1%}, {high:+.1%}], by a "
        "probe with and without them; {} more will raise it about as much, or less."
    ).format(ROUND, ROUND, **gain)


def right_at_random(x: Floats, labels: Ids, is_random: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return 0 or 1 for each picture drawn at random, by a probe on the others."""
    _, labels = np.unique(labels, return_inverse=True)
    folds = folds_of(labels)
    choice = RuleChoice({"probe": held_out_logs(x, labels, folds)}, labels, folds, is_random)
    return choice.correct("probe")[is_random].astype(np.float64)


def about_overlap(by_names: ByNames, classes: NDArray[np.str_]) -> str:
    """Say which two names are taken for each other most often, "" if none are."""
    choice = by_names.choice
    predicted = choice.logs[by_names.rule].argmax(axis=1)
    confused = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confused, (choice.labels, predicted), 1)
    both = np.triu(confused + confused.T, 1)
    i, j = np.unravel_index(both.argmax(), both.shape)
    if both[i, j] < FEWEST_CONFUSED:
        return ""
    count = int(np.isin(choice.labels, (i, j)).sum())
    first, second = (printable(str(classes[k])) for k in (i, j))
    return (
        f"{first} and {second} are taken for each other most often, in {both[i, j]:,} of their {count:,} named "
        "pictures: name more of both, or give them one name."
    )
