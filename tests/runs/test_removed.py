"""Old runs with options that methods no longer have: old defaults are dropped, other values are refused in one line."""

import inspect
import shutil
from importlib import import_module
from pathlib import Path

import pytest
import torch

from unsup.cli.main import main
from unsup.comparison.groups import dotted_options
from unsup.core.errors import UsageError
from unsup.core.removed import REMOVED
from unsup.runs.config import compose, resolve
from unsup.runs.run import Run

REFUSED = "model.dropout is 0.3, and this version has no such option: check out the commit that trained this run"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A run that records `dropout`, `d_steps` and `code` with their old defaults."""
    folder = tmp_path / "runs" / "digits" / "gan" / "0-001"
    shutil.copytree(Path(__file__).parents[1] / "old_runs" / "digits" / "gan" / "0-001", folder)
    return folder


def test_removed_options_are_gone_and_their_classes_are_not() -> None:
    for class_path, options in REMOVED.items():
        module, _, name = class_path.rpartition(".")
        current = inspect.signature(getattr(import_module(module), name)).parameters
        assert not options.keys() & current.keys()


def test_old_defaults_are_dropped(old: Path) -> None:
    config = resolve(compose(None, None, [old / "config.yaml"]))
    assert config["model"]["init_args"]["ema"] == 0.99 and "dropout" not in config["model"]["init_args"]
    model = Run(old).model()
    assert model.hparams["ema"] == 0.99 and "dropout" not in model.hparams


def test_runs_before_and_after_a_removal_are_compared_as_one_configuration() -> None:
    model = {"class_path": "unsup.models.gan.GAN", "init_args": {"ema": 0.99}}
    before = model | {"init_args": {"ema": 0.99, "dropout": 0.0, "d_steps": 1, "code": "pooled"}}
    assert dotted_options({"model": before}) == dotted_options({"model": model})
    other = model | {"init_args": {"ema": 0.99, "dropout": 0.3}}
    assert dotted_options({"model": other})["model.dropout"] == 0.3


@pytest.mark.parametrize("verb", ["evaluate", "resume"])
def test_another_value_in_the_configuration_is_one_line(
    verb: str, old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = old / "config.yaml"
    config.write_text(config.read_text().replace("dropout: 0.0", "dropout: 0.3"))
    assert main([verb, str(old)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"unsup: {config}: {REFUSED}")


def test_another_value_in_the_checkpoint_is_one_line(old: Path) -> None:
    path = old / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["dropout"] = 0.3
    torch.save(checkpoint, path)
    with pytest.raises(UsageError, match=f"^{path}: {REFUSED}"):
        Run(old).model()


def test_a_typed_one_is_an_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "gan", "--data", "digits", "--model.dropout", "0.3"]) == 2
    assert "GAN has no option 'dropout'" in capsys.readouterr().err
