"""One thread for every test: tiny networks gain nothing from a second one, and threads that wait for each other slow
them tenfold where other work shares the cores."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import unsup  # noqa: F401  (before PyTorch: it sets how threads wait)

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; notebooks' kernels inherit it


@pytest.fixture(autouse=True)
def full_precision() -> None:
    """Matrix products as a new process has them: a training whose recipe lowers the precision leaves it so."""
    import torch

    torch.set_float32_matmul_precision("highest")


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings whose evaluation takes no time and has no scores."""
    from unsup.reports.score_schema import Scores

    unscored = SimpleNamespace(scores=Scores())
    monkeypatch.setattr("unsup.training.train.evaluate_run", lambda *args, **kwargs: unscored)


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes trainings end as `interruptions.Stop` says; without arguments they do not any more."""
    from interruptions import Stop

    import unsup.training.trainer

    usual = unsup.training.trainer.callbacks
    interrupts = signal.getsignal(signal.SIGINT)  # Lightning ignores them once it has seen one

    def until(*where: Any) -> None:
        monkeypatch.setattr(
            unsup.training.trainer, "callbacks", lambda t: [*usual(t), *([Stop(*where)] if where else [])]
        )

    yield until
    signal.signal(signal.SIGINT, interrupts)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with the user's module."""
    import foreign

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_nets.py").write_text(foreign.CODE)
    yield tmp_path
    sys.modules.pop("own_nets", None)
