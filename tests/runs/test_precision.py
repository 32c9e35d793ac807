"""Recipes in bfloat16 are trained in float32 on processors that would emulate it, and a user's word is kept."""

import logging

import pytest
import torch

from unsup.runs import precision
from unsup.runs.config import Config, compose, resolve
from unsup.runs.precision import emulated
from unsup.training.prepare import prepare_training


@pytest.fixture(autouse=True)
def plain_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    precision.say_once.cache_clear()


def config_of(*options: tuple[str, object], recipe: str = "simclr", data: str = "mnist") -> Config:
    return resolve(compose(recipe, data, [], [("trainer.accelerator", "cpu"), *options]))


def test_a_recipe_is_adapted_once_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert [config_of()["trainer"]["precision"] for _ in range(2)] == ["32-true", "32-true"]
    assert caplog.messages == ["this processor has no bfloat16: simclr is trained in float32"]


def test_the_user_is_obeyed_and_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = config_of(("trainer.precision", "bf16-mixed"), data="digits")
    assert config["trainer"]["precision"] == "bf16-mixed"
    prepare_training(config)
    line = "trainer.precision bf16-mixed: this processor has no bfloat16, 32-true is about ten times as fast"
    assert line in caplog.messages


def test_a_recipe_in_float32_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert config_of(recipe="ae")["trainer"].get("precision") in (None, "32-true")
    assert not caplog.messages


def test_processors_and_cards_with_bfloat16_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert emulated({"precision": "bf16-mixed", "accelerator": "cpu"})
    assert not emulated({"precision": "bf16-mixed", "accelerator": "gpu"})
    monkeypatch.setattr(precision, "fastest_device", lambda: torch.device("cuda"))
    assert not emulated({"precision": "bf16-mixed", "accelerator": "auto"})
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    assert config_of()["trainer"]["precision"] == "bf16-mixed"
