"""A quick evaluation gives the first scores of a full one, to the last bit."""

from typing import Any

import numpy as np
import pytest

from unsup.evaluation.arrays import judge_arrays
from unsup.evaluation.encoded import Encoded

SIZES = {"train": 300, "val": 60, "test": 90}


def planted() -> tuple[dict[str, Encoded], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    labels = {split: rng.integers(0, 3, n).astype(np.int64) for split, n in SIZES.items()}
    codes = {
        split: (2 * np.eye(3, 5)[y] + rng.standard_normal((len(y), 5))).astype(np.float32)
        for split, y in labels.items()
    }
    return {split: Encoded(z) for split, z in codes.items()}, labels


def flat(scores: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves = {}
    for key, value in scores.items():
        leaves |= flat(value, f"{prefix}{key}/") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


@pytest.mark.parametrize("labelled", [True, False])
def test_a_quick_evaluation_is_part_of_a_full_one(labelled: bool) -> None:
    encoded, labels = planted()
    full, quick = (
        judge_arrays(encoded, labels if labelled else None, workers=1, extent=extent) for extent in ("full", "quick")
    )
    all_scores, some = flat(full.scores), flat(quick.scores)
    assert some.items() <= all_scores.items() and len(some) < len(all_scores)
    left_out = ("rankme", "clusterings/gaussian mixture", "kmeans/l2", "probe_draws", "new_images/held_out")
    assert not [key for key in some if key.startswith(left_out)]
    wanted = ["linear_probe/accuracy", "few_label/10/mean", "knn/accuracy", "kmeans/test/acc", "new_images/temperature"]
    assert not labelled or set(wanted) <= some.keys()
    for name, correct in quick.correct.items():
        assert np.array_equal(correct, full.correct[name])


def test_a_baseline_has_no_scores_of_new_images() -> None:
    encoded, labels = planted()
    scores = judge_arrays(encoded, labels, workers=1, extent="baseline").scores
    assert "new_images" not in scores and "probe_draws" in scores and "silhouette" not in scores["clusters"]
