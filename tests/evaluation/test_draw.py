"""A report's figures: the right ones for what a model offers, of the right things, and without a trace in the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reports.test_codes import pixels
from sklearn.linear_model import LogisticRegression
from tiny import SHAPE, TinyDigits, digits
from torch import Tensor
from toys import Coder, Copier, Decoder, Generator, Variational

from unsup.evaluation import draw as drawing
from unsup.evaluation.arrays import Neighbours
from unsup.evaluation.draw import draw_figures
from unsup.evaluation.protocol import Evaluation
from unsup.metrics.readout import Probe, Readout
from unsup.reports.figures.samples import PROGRESS, draw_progress

ALWAYS = ["neighbours", "clusters", "confusion", "map"]


class Few(TinyDigits):
    """160 training and validation, 60 test images; repeated to other shapes, and without labels, where asked."""

    def __init__(self, shape: tuple[int, int, int] = SHAPE, labelled: bool = True) -> None:
        super().__init__()
        self.shape = shape
        repeats = (1, shape[0], shape[1] // 8, shape[2] // 8)
        for train, (images, labels) in self.arrays.items():
            few = slice(0, 160 if train else 60)
            self.arrays[train] = np.tile(images[few], repeats), labels[few] if labelled and labels is not None else None
        if not labelled:
            self.class_names = ()


def judged(model: Any, data: Few) -> Evaluation:
    """What the evaluation hands over, without its scores."""
    model.eval()
    with torch.no_grad():
        codes = model.encode(torch.cat(list(data.batches("test")))).numpy()
    labels = data.labels("test")
    clusters = np.arange(len(codes)) % 4
    probe = None
    if labels is not None:
        fitted = LogisticRegression(C=1e-3, max_iter=1000).fit(codes, labels)
        mean, scale = np.zeros(codes.shape[1], np.float32), np.ones(codes.shape[1], np.float32)
        probe = Probe(mean, scale, fitted.coef_, fitted.intercept_, fitted.classes_)
    near = np.arange(64).reshape(8, 8)
    neighbours = Neighbours(np.arange(8), near)
    readout = Readout.fit(codes[:4], codes, codes, probe=probe)
    distances = np.where(clusters[:, None] == np.arange(4), 0.5, 1 + np.random.default_rng(0).random((len(codes), 4)))
    return Evaluation({}, {}, labels, clusters, distances.astype(np.float32), codes, readout, neighbours, ("", ""), 1)


def names(shown: dict[str, str]) -> list[str]:
    return [path.removeprefix("figures/").removesuffix(".png") for path in shown]


def model_of(kind: type[Coder], *arguments: Any) -> Any:
    torch.manual_seed(0)
    return kind(*arguments)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Coder, []),
        (Decoder, ["reconstructions", "interpolations", "traversals"]),
        (Generator, ["samples", "nearest", "interpolations"]),
        (Variational, ["reconstructions", "samples", "nearest", "interpolations", "traversals"]),
    ],
)
def test_a_model_gets_the_figures_of_what_it_offers(kind: type[Coder], expected: list[str], tmp_path: Path) -> None:
    data, model = Few(), model_of(kind)
    shown, _ = draw_figures(tmp_path, model, data, judged(model, data))
    assert names(shown) == expected + ALWAYS
    assert all((tmp_path / path).is_file() for path in shown)
    if "interpolations" in expected:
        arcs = shown["figures/interpolations.png"].startswith("Samples along arcs")
        assert arcs == (kind is Generator)


def test_what_training_left_is_listed(tmp_path: Path) -> None:
    data, model = Few(), model_of(Generator)
    (tmp_path / "figures").mkdir()
    draw_progress(tmp_path / "figures" / "progress.png", {1: digits(10).numpy(), 2: digits(10).numpy()})
    shown, _ = draw_figures(tmp_path, model, data, judged(model, data))
    assert names(shown)[:3] == ["samples", "progress", "nearest"]
    assert shown["figures/progress.png"] == PROGRESS


@pytest.mark.parametrize(("shape", "code_dim"), [((1, 8, 8), 1), ((1, 16, 8), 2), ((3, 16, 16), 12)])
def test_shapes_and_dimensions(shape: tuple[int, int, int], code_dim: int, tmp_path: Path) -> None:
    data, model = Few(shape, labelled=False), model_of(Variational, shape, code_dim)
    model.noise_dim = code_dim
    shown, _ = draw_figures(tmp_path, model, data, judged(model, data))
    assert {"samples", "nearest", "interpolations", "traversals"} < set(names(shown))
    assert "of different clusters" in shown["figures/interpolations.png"]
    which = "the 8 of 12 that vary most" if code_dim == 12 else "each in turn"
    assert which in shown["figures/traversals.png"]
    for path in shown:
        assert pixels(tmp_path / path).std() > 2


def test_one_dimension_of_noise(tmp_path: Path) -> None:
    data, model = Few(), model_of(Generator, SHAPE, 1)
    model.noise_dim = 1
    assert "interpolations" in names(draw_figures(tmp_path, model, data, judged(model, data))[0])


def test_the_page_gets_the_map_and_the_surest_mistakes(tmp_path: Path) -> None:
    model, data = model_of(Decoder), Few()
    evaluation = judged(model, data)
    _, pictures = draw_figures(tmp_path, model, data, evaluation)
    assert pictures.code_map is not None and pictures.code_map.plane.points.shape == (60, 2)
    probe, labels = evaluation.readout.probe, data.labels("test")
    assert probe is not None and labels is not None
    wrong = probe.predict(evaluation.codes) != labels
    assert 0 < len(pictures.hardest) == min(24, wrong.sum())
    assert pictures.hardest[0].confidence == probe.probabilities(evaluation.codes)[wrong].max()
    unlabelled = Few(labelled=False)
    _, pictures = draw_figures(tmp_path, model, unlabelled, judged(model, unlabelled))
    assert pictures.code_map is not None and pictures.code_map.labels is None and not pictures.hardest


def test_collapsed_codes_have_no_walks(tmp_path: Path) -> None:
    data, model = Few(), model_of(Decoder)
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
    assert names(draw_figures(tmp_path, model, data, judged(model, data))[0]) == [
        "reconstructions",
        "interpolations",
        *ALWAYS,
    ]


def test_drawing_leaves_no_trace_and_repeats_itself(tmp_path: Path) -> None:
    data, model = Few(), model_of(Variational)
    evaluation = judged(model, data)
    model.train()
    model.decoder[1].eval()
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    reads, bytes_ = data.test_reads, []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        shown, _ = draw_figures(tmp_path, model, data, evaluation)
        assert torch.equal(before, torch.get_rng_state())
        bytes_.append({path: (tmp_path / path).read_bytes() for path in shown})
    assert bytes_[0] == bytes_[1]
    assert data.test_reads == reads + 2  # one pass each
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """What the drawing functions were handed."""
    found: dict[str, tuple[Any, ...]] = {}

    def spy(name: str) -> None:
        monkeypatch.setattr(drawing, name, lambda path, *given: found.setdefault(name, given) and "a title")

    for name in ("draw_samples", "draw_nearest", "draw_neighbours", "draw_walks", "draw_lines_between", "draw_arcs"):
        spy(name)
    return found


def test_ways_end_at_the_decoded_ends(tmp_path: Path, given: dict[str, tuple[Any, ...]]) -> None:
    data, model = Few(), model_of(Decoder)
    draw_figures(tmp_path, model, data, judged(model, data))
    ways, originals, kind = given["draw_lines_between"]
    assert ways.shape == (6, 9, *SHAPE) and originals.shape == (6, 2, *SHAPE) and kind == "classes"
    with torch.no_grad():
        decoded = model.reconstruct(torch.from_numpy(originals).flatten(0, 1)).unflatten(0, (6, 2)).numpy()
    assert np.allclose(ways[:, [0, -1]], decoded, atol=1e-6)
    assert not np.allclose(ways[:, 4], decoded[:, 0], atol=1e-3)


def test_arcs_end_at_normal_noise(tmp_path: Path, given: dict[str, tuple[Any, ...]]) -> None:
    class Echo(Coder):
        noise_dim = 64

        def generate(self, noise: Tensor) -> Tensor:
            return noise.view(-1, *SHAPE)

    data, model = Few(), model_of(Echo)
    draw_figures(tmp_path, model, data, judged(model, data))
    (arcs,) = given["draw_arcs"]
    norms = np.linalg.norm(arcs.reshape(6, 9, 64), axis=2)
    assert norms.min() > 6 and norms.max() < 10  # the shell at 8
    assert len(np.unique(arcs[:, [0, -1], 0, 0, 0])) == 12


def test_neighbours_are_drawn_next_to_their_test_images(tmp_path: Path, given: dict[str, tuple[Any, ...]]) -> None:
    data, model = Few(), model_of(Coder)
    draw_figures(tmp_path, model, data, judged(model, data))
    images, neighbours = given["draw_neighbours"]
    train, test = (torch.cat(list(data.batches(split))).numpy() for split in ("train", "test"))
    assert np.array_equal(images, test[:8])
    assert np.array_equal(neighbours, train[:64].reshape(8, 8, *SHAPE))


def test_copies_of_training_images_are_found(tmp_path: Path, given: dict[str, tuple[Any, ...]]) -> None:
    data = Few()
    train, val = (torch.cat(list(data.batches(split))) for split in ("train", "val"))
    model = Copier(train[:20])
    draw_figures(tmp_path, model, data, judged(model, data))
    samples, neighbours, distances, usual = given["draw_nearest"]
    assert samples.shape == (10, *SHAPE) and np.array_equal(samples, neighbours)
    assert len(distances) == len(usual) == len(val) == 16 and distances.max() < 1e-9
    brute = (val[:, None] - train).square().flatten(2).sum(2).min(1).values
    assert np.allclose(usual, brute, rtol=1e-5) and usual.min() > 0.1
    assert np.array_equal(given["draw_samples"][0][:20], train[:20].numpy())
