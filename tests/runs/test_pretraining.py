"""A report says what an encoder was trained on, and what its training cost."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import SHAPE

from unsup.core.errors import UsageError
from unsup.models.base import Model
from unsup.models.pixels import Pixels
from unsup.reports.provenance_schema import Pretraining
from unsup.runs.origin import stages_cost
from unsup.runs.pretraining import pretraining, stated_pretraining
from unsup.runs.reference import reference_seconds
from unsup.runs.run import Run


class Foreign(Model):
    """A frozen encoder whose weights come from elsewhere."""

    def __init__(self) -> None:
        super().__init__(SHAPE)
        self.net = torch.nn.Linear(4, 2).requires_grad_(False)


class Clip(Foreign):
    """One whose weights are known."""

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_on = {"images": ["other"], "supervision": ["text"], "text": "CLIP, LAION-2B"}


def learned(model: Model, trained: bool = False, origin: dict[str, Any] | None = None) -> Pretraining:
    return pretraining(model, trained, origin, "mnist", "ab")


def origin(images: str = "these training images", run: str = "mnist/vae/0-001", sha256: str = "ab") -> dict[str, Any]:
    brought = {"images": [images], "supervision": ["none"]}
    return {"run": run, "data_sha256": sha256, "pretrained_on": brought}


def test_a_training_sees_its_images_and_no_labels() -> None:
    assert learned(Foreign(), trained=True) == Pretraining(images=["these training images"], supervision=["none"])


def test_pixels_have_learned_nothing_and_frozen_weights_are_unknown_unless_the_class_says() -> None:
    assert learned(Pixels(SHAPE)) == Pretraining(images=["none"], supervision=["none"])
    assert learned(Foreign()) == Pretraining(images=["unknown"], supervision=["unknown"])
    assert learned(Clip()) == Pretraining(images=["other"], supervision=["text"], text="CLIP, LAION-2B")


def test_stages_add_up() -> None:
    both = learned(Clip(), trained=True)
    assert (both.images, both.supervision) == (["these training images", "other"], ["text"])
    start = learned(Foreign(), trained=True, origin=origin())
    assert start.images == ["these training images"] and start.text == "started from mnist/vae/0-001"
    assert learned(Foreign(), origin=origin("these with test")).images == ["these with test"]
    assert learned(Foreign(), origin=origin("none")).images == ["none"]


@pytest.mark.parametrize(
    ("run", "images"), [("kmnist/vae/0-001", "other"), ("mnist/vae/0-001", "unknown"), ("mnistx/vae/0-001", "other")]
)
def test_images_of_another_fingerprint_are_not_these(run: str, images: str) -> None:
    start = learned(Foreign(), trained=True, origin=origin(run=run, sha256="cd"))
    assert set(start.images) == {"these training images", images}
    assert learned(Foreign(), origin=origin("unknown", run, "cd")).images == ["unknown"]
    assert learned(Foreign(), origin=origin("none", run, "cd")).images == ["none"]


def test_a_start_that_was_not_recorded_is_unknown() -> None:
    start = learned(Foreign(), trained=True, origin={"run": "mnist/vae/0-001"})
    assert start.images == ["these training images", "unknown"] and start.supervision == ["unknown"]


@pytest.mark.parametrize("wrong", [{"images": "other"}, {"images": ["some"], "supervision": ["none"]}, "CLIP"])
def test_a_wrong_statement_is_one_line(wrong: Any) -> None:
    model = Clip()
    model.pretrained_on = wrong
    with pytest.raises(UsageError, match=r"Clip\.pretrained_on: .*these with test") as caught:
        stated_pretraining(model)
    assert "\n" not in str(caught.value)


def cost(start: dict[str, float] | None, own: dict[str, float]) -> dict[str, float]:
    run = Run(Path("nowhere"))
    run.versions = {} if start is None else {"init_from": start}
    run.training = {"train_seconds": 1.0, **own}
    return stages_cost(run)


def test_costs_of_stages_add_up_and_what_one_lacks_is_unknown() -> None:
    assert cost(None, {"cpu_seconds": 3.0}) == {"stages_seconds": 1.0, "stages_cpu_seconds": 3.0}
    before = {"stages_seconds": 10.0, "stages_cpu_seconds": 20.0, "stages_gpu_seconds": 5.0}
    assert cost(before, {"cpu_seconds": 3.0}) == {
        "stages_seconds": 11.0,
        "stages_cpu_seconds": 23.0,
        "stages_gpu_seconds": 5.0,
    }
    assert cost(before, {"gpu_seconds": 2.0}) == {"stages_seconds": 11.0, "stages_gpu_seconds": 7.0}
    assert cost({"stages_seconds": 10.0}, {"cpu_seconds": 3.0}) == {"stages_seconds": 11.0}


def test_the_reference_workload_leaves_no_trace_and_is_measured_once() -> None:
    cpu, threads = torch.device("cpu"), torch.get_num_threads()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    seconds = reference_seconds(cpu)
    assert torch.equal(torch.rand(3), expected) and torch.get_num_threads() == threads
    assert 0.05 < seconds < 60 and reference_seconds(cpu) == seconds
