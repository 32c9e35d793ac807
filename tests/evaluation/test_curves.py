"""Learning curves are what was logged, thinned."""

from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from unsup.evaluation.tensorboard import curves_of


def test_curves_are_read_back_and_thinned(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(1000):
            writer.add_scalar("train/loss", 1 / (step + 1), step)
        for step, value in ((10, 0.5), (20, float("nan")), (30, 0.25)):
            writer.add_scalar("val/loss", value, step)
        writer.add_scalar("train/lr", 0.1, 0)
        writer.add_scalar("report/linear_probe", 0.9, 0)
    found = curves_of(tmp_path)
    assert found.keys() == {"train/loss", "val/loss"}
    assert found["val/loss"] == [(10, 0.5), (30, 0.25)]
    steps = [step for step, _ in found["train/loss"]]
    assert len(steps) == 200 and steps[0] == 0 and steps[-1] == 999 and steps == sorted(set(steps))
    assert all(value == pytest.approx(1 / (step + 1)) for step, value in found["train/loss"])


def test_a_run_without_events_has_no_curves(tmp_path: Path) -> None:
    assert curves_of(tmp_path) == {}
