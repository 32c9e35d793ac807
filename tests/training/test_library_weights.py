"""Trainings that start from the weights of torchvision or timm."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import used
from torchvision.models import MobileNet_V3_Small_Weights, mobilenet_v3_small, resnet18

import unsup
from unsup.cli.main import main
from unsup.models.byol import BYOL
from unsup.models.foreign.loaded import IMAGENET
from unsup.models.simclr import SimCLR
from unsup.runs.run import Run
from unsup.training.library_weights import load_library_weights

NAME = "torchvision:mobilenet_v3_small"
IMAGES, _ = used.digits()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """The network whose weights lie in torch's cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    torch.manual_seed(5)
    network = mobilenet_v3_small()
    file = tmp_path / "torch" / "hub" / "checkpoints" / Path(MobileNet_V3_Small_Weights.DEFAULT.url).name
    file.parent.mkdir(parents=True)
    torch.save(network.state_dict(), file)
    network.classifier[-1] = torch.nn.Identity()
    return network.eval()


def train(root: Path, *options: str) -> int:
    return main(["train", "simclr", "--data", "digits", "--runs", str(root), *options])


@pytest.mark.slow
def test_a_run_starts_from_the_weights_of_a_library(
    published: torch.nn.Module, tmp_path: Path, unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--model.backbone", NAME, "--init_from", NAME]
    assert train(tmp_path, *command, "--epochs", "0") == 0
    run = Run(tmp_path / "digits" / "simclr" / "0-001")
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    x = torch.from_numpy(IMAGES[:20]).float() / 255
    with torch.no_grad():
        expected = published((x.expand(-1, 3, -1, -1) - mean) / deviation)
    assert torch.allclose(unsup.load_encoder(run)(x), expected, atol=1e-5)
    origin = run.versions["init_from"]
    assert origin["run"] == NAME and origin["pretrained_on"]["supervision"] == ["labels"]
    assert f"from {NAME}" in capsys.readouterr().out
    assert train(tmp_path, *command, "--epochs", "1") == 0
    assert train(tmp_path, *command, "--epochs", "1", "--model.lr", "0.001") == 0
    assert not torch.allclose(unsup.load_encoder(tmp_path / "digits" / "simclr" / "0-002")(x), expected, atol=1e-3)


@pytest.mark.slow
def test_its_report_says_what_the_weights_come_from(published: torch.nn.Module, tmp_path: Path) -> None:
    assert train(tmp_path, "--model.backbone", NAME, "--init_from", NAME, "--epochs", "1", "--evaluate", "quick") == 0
    run = tmp_path / "digits" / "simclr" / "0-001"
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert report["pretrained_on"]["images"] == ["these training images", "other"]
    assert f"It started from the weights of {NAME}." in (run / "report.md").read_text(encoding="utf-8")


def test_teachers_start_from_the_same_weights(published: torch.nn.Module) -> None:
    model = BYOL((1, 8, 8), "digits", backbone=NAME)
    load_library_weights(model, NAME)
    student, teacher = model.backbone.state_dict(), model.target[0].state_dict()
    assert all(torch.equal(teacher[key], value) for key, value in student.items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--init_from", NAME], f"{NAME} starts a backbone of this network: give --model.backbone {NAME}, too"),
        (["--init_from", NAME, "--model.backbone", "torchvision:resnet18"], f"give --model.backbone {NAME}, too"),
        (["--init_from", "torchvision:mobilenet", "--model.backbone", NAME], "give --model.backbone torchvision:mob"),
    ],
)
def test_weights_of_another_network_are_refused(
    published: torch.nn.Module, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, *options, "--epochs", "1") == 2
    assert message in capsys.readouterr().err and not (tmp_path / "digits").exists()


def test_weights_that_do_not_fit_the_images_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("unsup.models.foreign.torchvision_models.load_weights", lambda *args: None)
    assert train(tmp_path, "--init_from", "torchvision:resnet18", "--model.backbone", "torchvision:resnet18") == 1
    assert "conv1.weight of torchvision:resnet18 does not fit images of 8 x 8" in capsys.readouterr().err
    model = SimCLR((3, 64, 64), "natural", backbone="torchvision:resnet18")
    load_library_weights(model, "torchvision:resnet18")
    network: Any = model.backbone.network
    assert network.conv1.weight.shape == resnet18().conv1.weight.shape


def test_methods_that_need_a_run_are_no_place_for_it(
    published: torch.nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "selflabel", "--data", "digits", "--init_from", NAME, "--runs", str(tmp_path)]) == 2
    assert f"SelfLabel starts from another run, not from {NAME}" in capsys.readouterr().err
