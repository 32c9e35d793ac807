"""Cached baselines belong to a protocol and to the architecture that is judged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from progress_lines import progress
from tiny import SHAPE, TinyDigits
from torch import Tensor

from unsup.core.words import duration
from unsup.evaluation import baselines
from unsup.evaluation.progress import say
from unsup.evaluation.untrained import signature, untrained
from unsup.models.ae import AE
from unsup.models.base import Model
from unsup.models.conv_ae import ConvAE
from unsup.models.patches import Patches
from unsup.models.pca import PCA
from unsup.models.pixels import Pixels


class Scaled(AE):
    """The same weights, another function."""

    def encode(self, x: Tensor) -> Tensor:
        return 2 * super().encode(x)


def test_an_untrained_network_is_identified_by_its_outputs() -> None:
    data = TinyDigits()
    one, trained, faster = AE(SHAPE, code_dim=4), AE(SHAPE, code_dim=4), AE(SHAPE, code_dim=4, lr=0.5)
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1)
    threads = torch.get_num_threads()
    expected = signature(one, data)
    torch.set_num_threads(1 if threads > 1 else 2)
    try:
        assert signature(trained, data) == signature(faster, data) == expected
    finally:
        torch.set_num_threads(threads)
    assert signature(AE(SHAPE, code_dim=5), data) != expected != signature(Scaled(SHAPE, code_dim=4), data)


def test_an_untrained_network_is_the_network_as_built() -> None:
    model = ConvAE(SHAPE, code_dim=4).eval()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        built = ConvAE(SHAPE, code_dim=4).eval()
    x = torch.rand(3, *SHAPE)
    assert torch.equal(untrained(model, 7).encode(x), built.encode(x))


def test_models_that_start_at_random_have_an_untrained_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[str] = []

    def judge(model: Model, *args: Any, **kwargs: Any) -> baselines.BaselineResult:
        judged.append(type(model).__name__)
        return baselines.BaselineResult({"seeds": 1}, {})

    monkeypatch.setattr(baselines, "judge_baseline", judge)
    for number, model in enumerate([AE(SHAPE, code_dim=4), Patches(SHAPE, centroids=4), PCA(SHAPE), Pixels(SHAPE)]):
        found = baselines.compute_baselines(model, 4, TinyDigits(), tmp_path / str(number), [])
        assert ("untrained" in found) == (number < 2)
    assert (judged.count("AE"), judged.count("Patches")) == (3, 1)  # initialisations; without gradients one


def test_a_mean_of_initialisations_keeps_the_accuracy_of_each() -> None:
    right = [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]
    found = baselines.mean_of_initialisations(
        [baselines.BaselineResult({"rankme": 1.0}, {"few_label_10": np.array(row, np.float32)}) for row in right]
    )
    assert found.scores["initialisations"] == 3
    assert found.scores["by_initialisation"] == {"few_label_10": [0.5, 0.25, 0.75]}
    assert found.correct["few_label_10"] == pytest.approx([1, 2 / 3, 1 / 3, 0])


def test_an_interrupt_loses_one_initialisation_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def judge(model: Model, *args: Any, **kwargs: Any) -> baselines.BaselineResult:
        judged.append(type(model).__name__)
        if judged.count("AE") == 3:
            raise KeyboardInterrupt
        return baselines.BaselineResult({"rankme": float(len(judged))}, {})

    monkeypatch.setattr(baselines, "judge_baseline", judge)
    with pytest.raises(KeyboardInterrupt):
        baselines.compute_baselines(AE(SHAPE, code_dim=4), 4, TinyDigits(), tmp_path, [])
    before, files = len(judged), {path.name.partition("-")[0] for path in tmp_path.iterdir()}
    assert files == {"pixels", "pca", "statistics", "untrained"}
    monkeypatch.setattr(baselines, "scoring_seconds", lambda *_: 600)
    with progress() as messages:
        found = baselines.compute_baselines(AE(SHAPE, code_dim=4), 4, TinyDigits(), tmp_path, [])
    assert messages[0].endswith(f"untrained; about {duration(600)} of one core"), "of three initialisations one is left"
    assert judged[before:] == ["AE"] and found["untrained"].scores["initialisations"] == 3
    assert len(list(tmp_path.glob("untrained*"))) == 1


def test_progress_names_what_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(model: Model, data: Any, **kwargs: Any) -> baselines.BaselineResult:
        say("kNN: 0.1 s (1 of 12 parts)")
        return baselines.BaselineResult({}, {})

    monkeypatch.setattr(baselines, "judge_baseline", judge)
    with progress() as messages:
        baselines.compute_baselines(AE(SHAPE, code_dim=4), 4, TinyDigits(), tmp_path, [])
    counted = [line.partition(": kNN")[0] for line in messages if "parts)" in line]
    untrained_lines = [f"baseline untrained: {i} of 3" for i in (1, 2, 3)]
    simple = [f"baseline {name}" for name in ("pixels", "pca-4", "statistics", "pca-chosen")]
    assert counted == [*simple, *untrained_lines]


def test_layers_and_corrupted_images_are_of_the_first_initialisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[tuple[bool, bool]] = []

    def judge(model: Model, *args: Any, layers: bool = False, robustness: bool, **kwargs: Any) -> Any:
        if not isinstance(model, AE):
            return baselines.BaselineResult({}, {})
        messages.append((layers, robustness))
        found = {"layers": {"h": {"dim": 4}}, "robustness": {"images": 9, "blur": [0.5]}} if layers else {}
        return baselines.BaselineResult({"rankme": float(len(messages)), **found}, {})

    monkeypatch.setattr(baselines, "judge_baseline", judge)
    scores = baselines.compute_baselines(AE(SHAPE, code_dim=4), 4, TinyDigits(), tmp_path, [])["untrained"].scores
    assert messages == [(True, True), (False, False), (False, False)] and scores["rankme"] == 2
    assert scores["layers"] == {"h": {"dim": 4}}
    assert scores["robustness"] == {"images": 9, "blur": [0.5], "initialisations": 1}
