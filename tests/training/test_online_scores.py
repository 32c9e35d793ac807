"""Quick scores say what is planted in the codes, come evenly over a run, and leave no trace in it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from tiny import Memory, TinyDigits, same_weights, trainer
from toys import Coder

from unsup.models.base import Model
from unsup.training.callbacks.online_scores import OnlineScores, online_scores

LABELS = np.arange(400) // 40  # ten classes


def test_separate_classes_are_found() -> None:
    codes = (10 * np.eye(10) + np.random.default_rng(0).normal(size=(10, 10)))[LABELS].astype(np.float32)
    codes += 0.1 * np.random.default_rng(1).normal(size=codes.shape).astype(np.float32)
    found = online_scores(codes, LABELS)
    assert found["linear_probe"] == found["kmeans_acc"] == 1 and found["kmeans_nmi"] == pytest.approx(1)
    assert 8 < found["effective_rank"] <= 10


def test_noise_is_chance() -> None:
    found = online_scores(np.random.default_rng(0).normal(size=(400, 5)).astype(np.float32), LABELS)
    assert found["linear_probe"] < 0.2 and found["kmeans_acc"] < 0.3 and found["kmeans_nmi"] < 0.15
    assert found["effective_rank"] == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("labels", [None, np.zeros(400, np.int64)])
def test_without_classes_there_is_the_rank_alone(labels: np.ndarray | None) -> None:
    assert online_scores(np.ones((400, 3), np.float32), labels) == {"effective_rank": pytest.approx(1)}


def test_wide_codes_are_compressed() -> None:
    codes = np.repeat(np.random.default_rng(0).normal(size=(400, 20)), 60, axis=1).astype(np.float32)
    assert online_scores(codes, LABELS)["effective_rank"] == pytest.approx(20, rel=0.05)


def fit(model: Model, epochs: int, *extra: Callback, **options: object) -> dict[str, list[tuple[int, float]]]:
    torch.manual_seed(7)
    memory = Memory()
    trainer(epochs, memory, callbacks=[*extra], **options).fit(model, datamodule=TinyDigits(n=60, batch_size=60))
    return memory.curves


def new() -> Coder:
    torch.manual_seed(3)
    return Coder()


def test_a_run_is_scored_ten_times_and_is_the_same() -> None:
    plain, watched = new(), new()
    fit(plain, 30)
    after = torch.get_rng_state()
    quick = OnlineScores()
    curves = fit(watched, 30, quick)
    assert same_weights(plain, watched) and torch.equal(after, torch.get_rng_state())
    for name in ("linear_probe", "kmeans_acc", "kmeans_nmi", "effective_rank"):
        steps = [step for step, _ in curves[f"online/{name}"]]
        assert steps == [1, 4, 7, 11, 14, 17, 20, 24, 27, 30]
        assert quick.newest[name] == curves[f"online/{name}"][-1][1]


def test_the_end_is_scored_even_if_unforeseen(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_train_epoch_end(self, trainer: object, pl_module: object) -> None:
            trainer.should_stop = trainer.current_epoch == 6  # type: ignore[attr-defined]

    curves = fit(new(), 1000, OnlineScores(), Stop())
    assert [step for step, _ in curves["online/linear_probe"]] == [1, 7]


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_scores_of_reduced_precision(precision: str) -> None:
    assert len(fit(new(), 2, OnlineScores(), precision=precision)["online/linear_probe"]) == 2


def test_without_loggers_nothing_is_computed() -> None:
    quick = OnlineScores()
    trainer(1, callbacks=[quick]).fit(new(), datamodule=TinyDigits(n=60))
    assert quick.newest == {}
