"""The better of two rules on few labels, its calibration, and labels that spread over neighbours."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import make_moons
from sklearn.preprocessing import normalize
from sklearn.semi_supervised import LabelSpreading

from unsup.metrics.logistic import log_probabilities
from unsup.metrics.propagation import ALPHA, propagated
from unsup.metrics.rule_choice import FOLDS, Choice, RuleChoice, folds_of, held_out_logs, probe

LOW = np.log(1e-3)


def two_rules(
    codes: NDArray[np.float32], truth: NDArray[np.int64], named: int
) -> tuple[RuleChoice, dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    """The choice by images drawn at random, log probabilities of all images by each rule, and the other images."""
    rows = np.random.default_rng(1).permutation(len(codes))[:named]
    labels, folds = truth[rows], folds_of(truth[rows])
    spread, held_out = propagated(codes, rows, labels, folds)
    logs = {"probe": held_out_logs(codes[rows], labels, folds), "propagation": held_out}
    everything = {"probe": log_probabilities(probe().fit(codes[rows], labels), codes), "propagation": spread}
    choice = RuleChoice(logs, labels, folds, np.ones(named, np.bool_))  # type: ignore[arg-type]
    return choice, everything, np.setdiff1d(np.arange(len(codes)), rows)


def moons(noise: float = 0.06) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Two moons on a sphere, as neighbours are by direction."""
    codes, truth = make_moons(600, noise=noise, random_state=0)
    return np.column_stack([codes, np.full(600, 3)]).astype(np.float32), truth


def blobs(distance: float = 4.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Two classes apart along one of 200 directions, the others of which are noise."""
    rng = np.random.default_rng(0)
    truth = np.arange(600) % 2
    codes = rng.standard_normal((600, 200))
    codes[:, 0] += distance * truth
    return codes.astype(np.float32), truth


def test_propagation_wins_on_two_moons() -> None:
    codes, truth = moons()
    choice, logs, others = two_rules(codes, truth, 30)
    right = {rule: float((logs[rule].argmax(1) == truth)[others].mean()) for rule in logs}
    assert choice.chosen().rule == "propagation" and right["propagation"] > 0.97 > 0.93 > right["probe"]


def test_the_probe_wins_on_noisy_codes_that_a_plane_separates() -> None:
    codes, truth = blobs()
    choice, logs, others = two_rules(codes, truth, 60)
    right = {rule: float((logs[rule].argmax(1) == truth)[others].mean()) for rule in logs}
    assert choice.chosen().rule == "probe" and right["probe"] > right["propagation"] + 0.02


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    bins = np.minimum((10 * confidence).astype(int), 9)
    parts = [bins == i for i in range(10) if (bins == i).any()]
    return float(sum(abs(confidence[at].mean() - right[at].mean()) * at.mean() for at in parts))


@pytest.mark.parametrize(("rule", "data"), [("probe", "blobs"), ("probe", "moons"), ("propagation", "moons")])
def test_held_out_predictions_calibrate(rule: str, data: str) -> None:
    """A plain fit is too sure in many noisy dimensions, and not sure enough of noisy moons."""
    codes, truth = moons(0.2) if data == "moons" else blobs(2.0)
    choice, logs, others = two_rules(codes if data == "moons" else 3 * codes, truth, 80)
    alone = replace(choice, logs=dict.fromkeys(choice.logs, choice.logs[rule]))  # type: ignore[index]
    assert alone.is_calibrated and (alone.chosen().temperature > 1) == (data == "blobs")
    errors = []
    for way in (alone.chosen(), Choice("probe", 1.0)):
        shares = way.probabilities(logs[rule][others])
        errors.append(calibration_error(shares.max(1), shares.argmax(1) == truth[others]))
    assert errors[0] < 0.7 * errors[1] and errors[0] < 0.1, errors


def test_labels_spread_as_the_library_spreads_them() -> None:
    """With its own k-nearest-neighbour graph made symmetric, and without each fold by a run without its labels.

    What arrives is divided by how many images have the label.
    """
    from sklearn.neighbors import kneighbors_graph

    codes, truth = moons()
    codes, truth = codes[:100], truth[:100]
    rows = np.arange(0, 100, 5)
    folds = np.arange(20) % 4
    everything, held_out = propagated(codes, rows, truth[rows], folds)
    graph = kneighbors_graph(normalize(codes), 10)
    graph = graph.maximum(graph.T)
    for fold in (-1, 0, 3):
        known = rows[folds != fold]
        given = np.full(100, -1)
        given[known] = truth[known]
        spreading = LabelSpreading(kernel=lambda *_: graph, alpha=ALPHA, max_iter=5_000, tol=1e-12).fit(codes, given)
        found = everything if fold < 0 else held_out[folds == fold]
        expected = spreading.label_distributions_ if fold < 0 else spreading.label_distributions_[rows[folds == fold]]
        expected = expected / np.bincount(truth[known])
        expected /= expected.sum(axis=1, keepdims=True)
        assert np.allclose(np.exp(found), expected, atol=2e-3)


def test_a_label_in_one_fold_alone_is_unknown_there() -> None:
    codes = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    rows, labels = np.arange(7), np.array([0, 0, 0, 1, 1, 1, 2])
    folds = folds_of(labels)
    for held_out in (propagated(codes, rows, labels, folds)[1], held_out_logs(codes[rows], labels, folds)):
        assert np.isneginf(held_out[6, 2]) and np.isfinite(held_out[:6]).all() and np.isfinite(held_out[6, :2]).all()
        assert np.allclose(np.exp(held_out).sum(1), 1)
    two = np.array([0, 1])  # nothing is left to compare with
    for held_out in (propagated(codes, two, two, two)[1], held_out_logs(codes[:2], two, two)):
        assert np.array_equal(np.exp(held_out), [[0, 1], [1, 0]])
        choice = RuleChoice({"probe": held_out, "propagation": held_out}, two, two, np.ones(2, np.bool_))
        assert not choice.correct("probe").any() and not choice.is_calibrated and choice.chosen() == ("probe", 1.0)


@pytest.mark.filterwarnings("error")
def test_nearly_all_images_may_have_a_label() -> None:
    codes, truth = moons()
    rows = np.arange(38)
    logs, held_out = propagated(codes[:40], rows, truth[rows], folds_of(truth[rows]))
    assert logs.shape == (40, 2) and np.isfinite(held_out).all()


def test_images_where_no_label_arrives_get_the_most_frequent_one() -> None:
    near = (0.1 * np.random.default_rng(0).standard_normal((40, 2)) + [1, 0]).astype(np.float32)
    codes = np.concatenate([near, near[:, ::-1]])
    rows, labels = np.arange(9), np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
    logs, _ = propagated(codes, rows, labels, folds_of(labels))
    assert np.allclose(np.exp(logs[40:]), [2 / 3, 1 / 3])


def by_hand(right: dict[str, str], judges: str = "") -> RuleChoice:
    """Two labels; each rule is sure, and right where its text has a 1."""
    labels = np.arange(len(right["probe"])) % 2
    logs = {}
    for rule, text in right.items():
        predicted = np.where([c == "1" for c in text], labels, 1 - labels)
        logs[rule] = np.where(np.eye(2)[predicted] > 0, np.log1p(-1e-3), LOW)
    used = np.array([c == "1" for c in judges or "1" * len(labels)])
    return RuleChoice(logs, labels, np.arange(len(labels)), used)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("probe_right", "propagation_right", "rule"),
    [
        ("1100110011", "1100110011", "probe"),  # a tie
        ("1111111110", "1111111111", "propagation"),
        ("1111110001", "1111111110", "propagation"),
        ("1111111111", "1111111110", "probe"),
        ("1111111111", "0000000000", "probe"),
    ],
)
def test_the_rule_by_which_held_out_labels_are_likelier_is_chosen(
    probe_right: str, propagation_right: str, rule: str
) -> None:
    assert by_hand({"probe": probe_right, "propagation": propagation_right}).chosen().rule == rule


def test_all_images_choose_and_those_that_judge_calibrate() -> None:
    right = {"probe": "1111111100", "propagation": "1111111111"}
    few, all_of_them = by_hand(right, "1111110000"), by_hand(right)
    assert few.chosen().rule == all_of_them.chosen().rule == "propagation"
    assert few.chosen().temperature > all_of_them.chosen().temperature, "fewer right images say less"


def test_no_image_takes_part_in_its_own_judgement() -> None:
    """Propagation wins by one image, which is judged by the probe, as without it there is a tie."""
    choice = by_hand({"probe": "1111111110", "propagation": "1111111111"})
    assert choice.chosen().rule == "propagation"
    correct, confidence = choice.judgement()
    assert correct.tolist() == [True] * 9 + [False]
    heat = choice.chosen(without=9).temperature
    assert confidence[9] == pytest.approx(1 / (1 + np.exp((LOW - np.log1p(-1e-3)) / heat)))


def test_folds_share_the_images_of_a_label() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 130)
    folds = folds_of(labels)
    assert np.bincount(folds).tolist() == [3] * 30 + [2] * (FOLDS - 30)
    assert all(len(np.unique(folds[labels == label])) > 1 for label in range(4))
