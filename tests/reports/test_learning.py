"""A run that did not learn is reported with its cause, and a run that was only short is not called dead."""

from typing import Any

import pytest
from sample_reports import on_contents, report, unlabelled

from unsup.reports import learning, verdict

learning_failure, outcome, verdict_of = map(on_contents, (learning.learning_failure, verdict.outcome, verdict.verdict))
ONE_DIRECTION = "the codes vary in one direction only (effective rank 1.2 of 30)"
LOSS = "the training loss never fell below its first value (198, at last 204.5)"


def run(
    val: list[float] | None = None, train: list[float] | None = None, rankme: float = 8.0, **facts: Any
) -> dict[str, Any]:
    """A report with these curves, this effective rank and these entries of `run`."""
    content = unlabelled()
    content["scores"]["rankme"] = rankme
    curves = {"val/loss": val or [], "train/loss": train or [], "train/grad_norm": [1.0]}
    content["curves"] = {tag: [[i, value] for i, value in enumerate(values)] for tag, values in curves.items()}
    content["run"] |= facts
    return content


def test_few_steps_are_named_before_the_learning_rate() -> None:
    text = learning_failure(run(rankme=1.2, steps=20, epochs=20))
    assert text == f"**This run was short, 20 training steps: {ONE_DIRECTION}; train longer, with --epochs 1000.**"
    text = learning_failure(run(train=[198, 204.5], steps=1, epochs=1))
    assert text == f"**This run was short, 1 training step: {LOSS}; train longer, with --epochs 1000.**"
    assert "try a smaller learning rate" in learning_failure(run(rankme=1.2, steps=300, epochs=20))
    assert "try a smaller learning rate" in learning_failure(run(rankme=1.2))  # reports without steps


def test_what_improved_on_validation_is_not_dead() -> None:
    """Three steps of `ae` on 300 photographs: the training loss rose between two batches, validation fell."""
    assert learning_failure(run([317, 218, 210], [198, 204.5], steps=3, epochs=3)) == ""
    assert LOSS in learning_failure(run([317, 218, 330], [198, 204.5]))  # it fell and rose again
    text = learning_failure(run([317, 218, 210], rankme=1.2, steps=5000))
    assert text.startswith(f"**The codes collapsed: {ONE_DIRECTION}, although the validation loss fell; ")
    assert "learning rate" not in text


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"one_coloured": 0.5}, "50% of the training images are of one colour, so look at the image files"),
        ({"one_coloured": 1.0, "distinct": 0.001}, "100% of the training images are of one colour, so look at the"),
        ({"distinct": 0.02}, "only 2% of the training images differ from each other, so remove the copies"),
    ],
)
def test_images_are_named_before_the_length_and_the_learning_rate(facts: dict[str, float], cause: str) -> None:
    for steps in (20, 5000):
        text = learning_failure(run(rankme=1.2, steps=steps, **facts))
        assert text.startswith(f"**This run did not learn: {ONE_DIRECTION}; {cause}")
    assert learning_failure(run(**facts)) == ""  # a run that learned all the same
    assert "learning rate" in learning_failure(run(rankme=1.2, one_coloured=0.4, distinct=0.6))


def test_the_badge_agrees_with_the_first_sentence() -> None:
    dead, alive = run(rankme=1.2, steps=20), run(steps=20)
    assert outcome(dead)[0] == "not learned" and outcome(alive)[0] == "above"
    assert "dimensions" not in outcome(dead)[1] and verdict_of(dead).count("of 30") == 1  # said once
    labelled = report()
    labelled["scores"]["rankme"] = 1.2
    assert outcome(labelled)[0] == "not learned"


def test_a_short_run_that_lags_behind_baselines_is_told_to_train_longer() -> None:
    said = "This run was short, 20 training steps: train longer, with --epochs 1000."
    lagging = run([317, 218, 210], steps=20, epochs=20)
    lagging["baselines"] = {"pca": {"code_dim": 30, "reconstruction": {"sse_per_image": 1.0, "mse_per_pixel": 0.1}}}
    assert outcome(lagging)[0] == "below" and verdict_of(lagging).endswith(said)
    assert said not in verdict_of(run([317, 218, 210], steps=20, epochs=20) | {"baselines": {}})
    lagging["run"]["steps"] = 5000
    assert "short" not in verdict_of(lagging)
    ahead = run([317, 218, 210], steps=20, epochs=20)
    ahead["baselines"] = {"pca": {"code_dim": 30, "reconstruction": {"sse_per_image": 1e9, "mse_per_pixel": 1e3}}}
    assert outcome(ahead)[0] == "above" and "short" not in verdict_of(ahead)
