"""Scores of generated images: numbers on planted sets, the space they are taken in, samples, likelihoods, reports."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from progress_lines import progress
from scipy.linalg import sqrtm
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import SHAPE, TinyDigits
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import poly_mmd
from used import encode_split

from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.data.base import ImageData
from unsup.evaluation import feature_space as spaces_module
from unsup.evaluation import inception
from unsup.evaluation.baselines import compute_baselines, feature_spaces
from unsup.evaluation.codes import samples
from unsup.evaluation.feature_space import FeatureSpace, comparison_positions
from unsup.evaluation.protocol import judge_model
from unsup.metrics import generation
from unsup.metrics.generation import frechet, kernel_distance, precision_recall
from unsup.models.base import Model
from unsup.models.parts.frozen import weights_hash


def normal(n: int, dim: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, dim))


def with_moments(mean: np.ndarray, cov: np.ndarray, n: int = 500, seed: int = 0) -> np.ndarray:
    """Draws whose sample mean and covariance are exactly these."""
    x = normal(n, len(mean), seed)
    x -= x.mean(axis=0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T @ np.linalg.cholesky(cov).T + mean


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_frechet_distance_equals_its_closed_form() -> None:
    """Of Gaussians with diagonal covariances: |μa - μb|² + Σ (σa - σb)²; of others by the matrix square root."""
    a = with_moments(np.array([1.0, 0.0, -2.0]), np.diag([1.0, 4.0, 9.0]))
    b = with_moments(np.array([0.0, 0.5, -2.0]), np.diag([4.0, 1.0, 0.25]), seed=1)
    assert frechet(a, b) == pytest.approx(1.25 + 1 + 1 + 6.25, abs=1e-9)
    rng = np.random.default_rng(2)
    cov_a, cov_b = (m @ m.T for m in rng.standard_normal((2, 3, 3)))
    a, b = with_moments(np.zeros(3), cov_a), with_moments(np.zeros(3), cov_b, seed=1)
    expected = np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet(a, b) == pytest.approx(expected, abs=1e-6)


def test_frechet_and_kernel_distance_equal_those_of_torchmetrics() -> None:
    class Identity(nn.Module):
        num_features = 4

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    a, b = normal(300), 0.5 + 1.5 * normal(300, seed=1)
    reference = FrechetInceptionDistance(Identity())
    reference.update(torch.from_numpy(a), real=True)
    reference.update(torch.from_numpy(b), real=False)
    assert frechet(a, b) == pytest.approx(reference.compute().item(), rel=1e-6)
    assert kernel_distance(a, b) == pytest.approx(poly_mmd(torch.from_numpy(a), torch.from_numpy(b)).item(), rel=1e-6)


def test_kernel_distance_equals_all_pairs_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "ROWS", 3)
    a, b = normal(7, 5), 1 + normal(8, 5, seed=1)

    def mean(x: np.ndarray, y: np.ndarray, same: bool) -> float:
        return float(
            np.mean([(p @ q / 5 + 1) ** 3 for i, p in enumerate(x) for j, q in enumerate(y) if not same or i != j])
        )

    expected = mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)
    assert kernel_distance(a, b) == pytest.approx(expected)


def test_kernel_distance_is_about_zero_for_equal_distributions_whatever_the_size() -> None:
    rng = np.random.default_rng(0)
    for n in (10, 50):
        found = [kernel_distance(*rng.standard_normal((2, n, 4))) for _ in range(300)]
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300) and min(found) < 0
    assert kernel_distance(normal(50), 1 + normal(50, seed=1)) > 1


def test_a_set_is_at_no_distance_from_itself() -> None:
    for x in (normal(100), normal(100) @ np.ones((4, 9)), np.repeat(normal(5), 4, axis=0)):  # the last two: degenerate
        assert frechet(x, x) == pytest.approx(0, abs=1e-6)
    assert precision_recall(normal(100), normal(100)) == (1, 1)


def test_precision_and_recall_on_planted_sets() -> None:
    real = normal(400)
    collapsed = real[:1] + 1e-3 * normal(400, seed=1)  # one good image over and over
    assert precision_recall(collapsed, real)[0] == 1 and precision_recall(collapsed, real)[1] < 0.01
    assert precision_recall(100 + real, real) == (0, 0)
    wide = 4 * normal(400, seed=2)  # much that is not real, but all that is
    assert precision_recall(wide, real)[0] < 0.4 and precision_recall(wide, real)[1] > 0.9
    half = np.concatenate([normal(200, seed=3), 100 + normal(200, seed=4)])
    assert precision_recall(half, real)[0] == pytest.approx(0.46, abs=0.05)  # 500 neighbours of each are not all space


def test_precision_and_recall_equal_their_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "ROWS", 7)
    a, b = normal(30), 0.7 + normal(20, seed=1)

    def share(inside: np.ndarray, of: np.ndarray) -> float:
        reach = np.sort(np.linalg.norm(of[:, None] - of, axis=2), axis=1)[:, 3]  # the first is itself
        return float(np.mean((np.linalg.norm(inside[:, None] - of, axis=2) <= reach).any(axis=1)))

    assert precision_recall(a, b) == (pytest.approx(share(a, b)), pytest.approx(share(b, a)))


def test_the_smallest_distance_falls_with_the_number_of_images() -> None:
    found = [frechet(normal(n, 16), normal(n, 16, seed=1)) for n in (50, 200, 800, 3200)]
    assert found == sorted(found, reverse=True) and found[-1] > 0


# ---- the space -------------------------------------------------------------------------------------------------------


class Digits(TinyDigits):
    """Labelled, unlabelled or of one class."""

    def __init__(self, labels: str = "classes") -> None:
        super().__init__(240)
        made = {"classes": lambda y: y, "none": lambda y: None, "one": np.zeros_like}[labels]
        self.arrays = {train: (x, made(y)) for train, (x, y) in self.arrays.items()}


@pytest.fixture(scope="module")
def data() -> ImageData:
    found = Digits()
    found.setup()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("baselines")


@pytest.fixture(scope="module")
def space(data: ImageData, folder: Path) -> FeatureSpace:
    (found,) = feature_spaces(data, folder)
    return found


def test_a_labelled_space_is_a_small_classifier_and_says_how_good(space: FeatureSpace, data: ImageData) -> None:
    assert space.name.startswith("64 features of a small classifier, validation accuracy .")
    assert space.test.shape == space.train.shape == (108, 64) and space.test.dtype == np.float32
    assert space.test.min() >= 0 and (space.test.std(axis=0) > 0).sum() > 50
    real = space.scores(space.train)
    assert real.keys() == {"space", "frechet", "kernel", "precision", "recall", "n"} and real["n"] == 108
    noise = space.scores(space.features(torch.rand(108, *data.shape)))
    blank = space.scores(space.features(torch.zeros(108, *data.shape)))
    assert real["kernel"] < 0.5 * noise["kernel"] < 0.5 * blank["kernel"]
    assert real["frechet"] < noise["frechet"] < blank["frechet"]
    assert real["precision"] > 0.6 and real["recall"] > 0.6 and blank["precision"] == blank["recall"] == 0


def test_the_space_is_the_same_whatever_the_generators_and_threads(
    space: FeatureSpace, data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is not learned from the images that stand for a perfect generator."""
    seen: set[int] = set()
    batches = ImageData.batches

    def spy(self: ImageData, split: Any, device: Any = "cpu", batch_size: int = 1024, positions: Any = None) -> Any:
        if split == "train" and batch_size == spaces_module.BATCH:
            seen.update(positions.tolist())
        return batches(self, split, device, batch_size, positions)

    monkeypatch.setattr(ImageData, "batches", spy)
    torch.manual_seed(5)
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    torch.set_num_threads(2)
    try:
        again = FeatureSpace.learn(data)
        assert torch.get_num_threads() == 2 and torch.equal(torch.random.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)
    ours, theirs = space.arrays(), again.arrays()
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[key], theirs[key]) for key in ours)
    held = set(comparison_positions(data)[1].tolist())
    assert seen and not seen & held and len(seen | held) == data.size("train")


@pytest.mark.parametrize("labels", ["none", "one"])
def test_without_classes_the_space_is_principal_components(labels: str) -> None:
    data = Digits(labels)
    found = FeatureSpace.learn(data)
    assert found.name == "64 principal components of training images" and found.test.shape == (108, 64)
    at_test, at_train = comparison_positions(data)
    rest = np.setdiff1d(np.arange(data.size("train")), at_train)
    learned = torch.cat(list(data.batches("train", positions=rest)))
    test = torch.cat(list(data.batches("test", positions=at_test)))
    assert found.features(learned).mean(axis=0) == pytest.approx(0, abs=1e-4)
    squared = ((test - learned.mean(0)) ** 2).flatten(1).sum(1).numpy()  # all 64 of 64 dimensions: a rotation
    assert (found.test**2).sum(axis=1) == pytest.approx(squared, rel=1e-3)


def test_kept_spaces_are_read_again_and_other_data_get_their_own(
    space: FeatureSpace, data: ImageData, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (other,) = feature_spaces(Digits("none"), folder)
    assert len(list(folder.glob("space-*.npz"))) == 2 and other.digest() != space.digest()
    monkeypatch.setattr(FeatureSpace, "learn", None)  # nothing is learned again
    reads, state = data.test_reads, torch.random.get_rng_state()
    (again,) = feature_spaces(data, folder)
    assert again.name == space.name and again.digest() == space.digest() and data.test_reads == reads
    x = torch.rand(30, *SHAPE, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(again.features(x), space.features(x))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_damaged_space_is_one_line(space: FeatureSpace, data: ImageData, folder: Path, tmp_path: Path) -> None:
    for file in folder.glob("space-*.npz"):
        (tmp_path / file.name).write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"space-\w+\.npz is damaged: delete the file, then run this again") as caught:
        feature_spaces(data, tmp_path)
    assert "\n" not in str(caught.value)
    for file in folder.glob("space-*.npz"):
        np.savez(tmp_path / file.name, name=np.array("x"), test=space.test, train=space.train)  # no weights
    with pytest.raises(UserError, match="is damaged"):
        feature_spaces(data, tmp_path)


def test_too_few_images_are_not_judged_and_that_is_said(tmp_path: Path) -> None:
    data = TinyDigits(8)
    data.arrays = {train: (x, None) for train, (x, _) in data.arrays.items()}
    with progress() as said:
        assert feature_spaces(data, tmp_path) == []
    assert "fewer than 65" in said[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_fid_needs_colour_the_package_and_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: FeatureSpace, data: ImageData, folder: Path
) -> None:
    class Colour(Digits):
        shape = (3, 8, 8)

        def load(self, train: bool) -> Any:
            images, _ = self.arrays[train]
            return np.repeat(images, 3, axis=1), None

    class Inception(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert x.dtype == torch.uint8
            return x.float().flatten(1)[:, :5] * self.scale

    monkeypatch.setattr(inception, "find_spec", lambda name: None)
    with progress() as said:
        assert len(feature_spaces(Colour(), tmp_path)) == 1
    assert said[-1] == "no FID: the package torch-fidelity is not installed"
    monkeypatch.setattr(inception, "find_spec", lambda name: "there")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with progress() as said:
        assert len(feature_spaces(Colour(), tmp_path)) == 1
    assert said[-1].startswith("no FID: ") and said[-1].endswith(f"{inception.INCEPTION_WEIGHTS} is not there")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / inception.INCEPTION_WEIGHTS).write_bytes(b"")
    monkeypatch.setattr(inception, "_inception", Inception)
    colour = Colour()
    found = feature_spaces(colour, tmp_path)
    assert len(found) == 2
    whole = colour.arrays[False][0][comparison_positions(colour)[0]].reshape(108, -1)[:, :5]
    assert np.array_equal(found[1].test, whole)  # not one pixel is cut off by the way through [0, 1]
    assert found[1].scores(found[1].test)["fid"] == pytest.approx(0, abs=1e-6)
    judged = compute_baselines(Blobs((3, 8, 8)), 4, colour, tmp_path, found)
    assert {"fid", "frechet"} <= judged["real"].scores["generation"].keys() & judged["untrained"].scores[
        "generation"
    ].keys()
    (again,) = feature_spaces(colour, tmp_path)[1:]
    assert np.array_equal(again.train, found[1].train)
    with progress() as said:
        feature_spaces(data, folder)
    assert not said  # grey images: nothing to say


# ---- samples and likelihoods -----------------------------------------------------------------------------------------


class Plain(Model):
    """A linear autoencoder with batch-norm in its decoder."""

    def __init__(self, shape: tuple[int, int, int], code_dim: int = 4, lr: float = 1e-3) -> None:
        super().__init__(shape, lr)
        pixels = shape[0] * shape[1] * shape[2]
        self.code_dim = code_dim
        self.encoder = nn.Linear(pixels, code_dim)
        self.decoder = nn.Sequential(nn.Linear(code_dim, pixels), nn.BatchNorm1d(pixels), nn.Sigmoid())

    def losses(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (self.reconstruct(x) - x).square().flatten(1).sum(1).mean()}

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x.flatten(1))

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.decoder(z).unflatten(1, self.shape)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(x))


class Blobs(Plain):
    """The same, which generates and has noisy likelihoods."""

    def sample(self, n: int) -> torch.Tensor:
        assert not self.training and not torch.is_grad_enabled() and n <= 500
        return self.decode(torch.randn(n, self.code_dim, device=self.device))

    def elbo(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean = self.encode(x)
        error = (self.decode(mean + torch.randn_like(mean)) - x).square().flatten(1).sum(1)
        return -error / 2, mean.square() / 2

    def log_likelihood(self, x: torch.Tensor, samples: int) -> torch.Tensor:
        mean = self.encode(x)
        z = mean + torch.randn(samples, *mean.shape, device=x.device)
        log_p = torch.stack([-(self.decode(one) - x).square().flatten(1).sum(1) / 2 for one in z])
        return log_p.logsumexp(0) - np.log(samples)


def test_samples_are_the_same_ones_and_leave_no_trace() -> None:
    model = Blobs(SHAPE).train()
    model.encoder.eval()
    flags, before = [module.training for module in model.modules()], weights_hash(model)
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    first = list(samples(model, 1100))
    assert [len(x) for x in first] == [500, 500, 100] and first[0].shape[1:] == SHAPE
    assert not torch.equal(first[0], first[1])
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(4)
    assert all(torch.equal(a, b) for a, b in zip(first, samples(model, 1100), strict=True))
    assert weights_hash(model) == before and [module.training for module in model.modules()] == flags


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x * 2, r"Bad.sample\(30\) returned values from 0.\d+ to 1.\d+: they must be finite and in \[0, 1\]"),
        (lambda x: x - 0.5, "values from -0"),
        (lambda x: x.index_fill(0, torch.tensor(7), torch.nan), "values from nan to nan"),
        (lambda x: x.flatten(1), r"shape \(30, 64\): it must be \(30, 1, 8, 8\)"),
        (lambda x: x[:-1], r"shape \(29, 1, 8, 8\)"),
    ],
)
def test_samples_that_are_no_images_are_refused_by_name(change: Any, message: str) -> None:
    class Bad(Blobs):
        def sample(self, n: int) -> torch.Tensor:
            return change(super().sample(n))

    with pytest.raises(UserError, match=message):
        list(samples(Bad(SHAPE), 30))


class Known(Blobs):
    """Likelihoods that can be worked out by hand."""

    def elbo(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return -x.flatten(1).sum(1), torch.tensor([0.5, 0.0101, 0.0099]).expand(len(x), 3)

    def log_likelihood(self, x: torch.Tensor, samples: int) -> torch.Tensor:
        return -x.flatten(1).sum(1) - 1 / samples


@pytest.mark.slow
def test_likelihoods_are_means_in_nats_an_image(data: ImageData) -> None:
    reads = data.test_reads
    found = judge_model(Known(SHAPE), data, layers=False)
    assert found.test_reads == 1 == data.test_reads - reads and "generation" not in found.scores
    ink = float(torch.cat(list(data.batches("test"))).flatten(1).sum(1).mean())
    likelihood = found.scores["likelihood"]
    assert likelihood["elbo"] == pytest.approx(-ink - 0.52, rel=1e-5)
    assert likelihood["kl"] == pytest.approx(0.52) and likelihood["active_units"] == 2
    assert likelihood["log_likelihood"] == pytest.approx(-ink - 0.01, rel=1e-5) and likelihood["samples"] == 100


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("elbo", lambda x: (x.sum(), x.flatten(1)), r"Odd.elbo: log p\(x\|z\) returned torch.float32 \(\)"),
        ("elbo", lambda x: (x.flatten(1).sum(1), x), r"Odd.elbo: KL returned torch.float32 \(400, 1, 8, 8\)"),
        ("log_likelihood", lambda x: x.flatten(1), r"Odd.log_likelihood returned torch.float32 \(400, 64\)"),
        ("log_likelihood", lambda x: x.flatten(1).sum(1).log() * 0 / 0, "Odd: log_likelihood are not finite for 400"),
    ],
)
def test_likelihoods_of_a_wrong_shape_are_refused_by_name(
    data: ImageData, method: str, value: Any, message: str
) -> None:
    class Odd(Known): ...

    setattr(Odd, method, lambda self, x, *more: value(x))
    with pytest.raises(UserError, match=message):
        encode_split(Odd(SHAPE), data, "test", layers=False)


def test_a_model_may_have_an_exact_likelihood_alone(data: ImageData) -> None:
    class Exact(Plain):
        def log_likelihood(self, x: torch.Tensor, samples: int) -> torch.Tensor:
            return -x.flatten(1).sum(1)

    assert judge_model(Exact(SHAPE), data, layers=False).scores["likelihood"].keys() == {"log_likelihood", "samples"}


@pytest.mark.slow
def test_a_density_of_dequantised_pixels_is_also_given_in_bits_per_dimension(data: ImageData) -> None:
    """Uniform on [0, 1]: 8 bits for each of the 256 levels; a density of 16 in every pixel: 4 bits less."""

    class Density(Plain):
        dequantised = True

        def log_likelihood(self, x: torch.Tensor, samples: int) -> torch.Tensor:
            return torch.full((len(x),), 64 * self.log_density)

    for log_density, bits in ((0.0, 8.0), (2.772589, 4.0)):
        model = Density(SHAPE)
        model.log_density = log_density
        assert judge_model(model, data, layers=False).scores["likelihood"]["bits_per_dimension"] == pytest.approx(bits)


# ---- the whole -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_two_evaluations_give_equal_numbers_and_one_pass_over_the_test_images(
    data: ImageData, space: FeatureSpace
) -> None:
    model = Blobs(SHAPE)
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = judge_model(model, data, feature_spaces=[space])
    assert torch.equal(torch.random.get_rng_state(), state) and first.test_reads == 1
    torch.manual_seed(2)
    second = judge_model(model, data, feature_spaces=[space])
    assert first.scores == second.scores
    assert first.scores["generation"]["space"] == space.name and first.scores["generation"]["n"] == 108
    assert first.scores["likelihood"]["elbo"] < first.scores["likelihood"]["log_likelihood"]
    generated = np.concatenate([space.features(x) for x in samples(model, 108)])
    assert first.scores["generation"] == space.scores(generated)


@pytest.mark.slow
def test_a_generator_that_changes_while_it_samples_is_refused(data: ImageData, space: FeatureSpace) -> None:
    class Restless(Blobs):
        def sample(self, n: int) -> torch.Tensor:
            self.decoder[1].running_mean += 1
            return super().sample(n)

    with pytest.raises(UserError, match="Restless: the encoder changed while it was evaluated"):
        judge_model(Restless(SHAPE), data, feature_spaces=[space])


@pytest.mark.slow
def test_baselines_are_cached_by_what_the_untrained_network_generates(
    data: ImageData, space: FeatureSpace, tmp_path: Path
) -> None:
    before = compute_baselines(Plain(SHAPE), 4, data, tmp_path, [])
    assert (
        before.keys() == {"pixels", "pca", "pca_chosen", "statistics", "untrained"}
        and "generation" not in before["untrained"].scores
    )
    after = compute_baselines(Blobs(SHAPE), 4, data, tmp_path, [space])
    assert after["real"].scores == {"generation": space.scores(space.train)} and after["real"].correct == {}
    untrained = after["untrained"].scores
    assert untrained["generation"]["space"] == space.name and untrained["generation"]["n"] == 108
    assert untrained["generation"]["frechet"] > 1.5 * after["real"].scores["generation"]["frechet"]
    assert len(list(tmp_path.glob("untrained-*.npz"))) == 2  # the same weights and codes, but now it generates
    assert untrained["likelihood"]["samples"] == 100 and "generation" not in after["pca"].scores
    stamps = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    again = compute_baselines(Blobs(SHAPE), 4, data, tmp_path, [space])
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == stamps
    assert again["untrained"].scores == untrained
    (file,) = tmp_path.glob("real-*.npz")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(UserError, match=r"real-\w+\.npz is damaged"):
        compute_baselines(Blobs(SHAPE), 4, data, tmp_path, [space])


@pytest.mark.slow
def test_a_run_reports_what_it_generates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "unsup.evaluation.run.draw_figures", lambda *words: ({}, None)
    )  # figures take longer than all the rest
    config = tmp_path / "blobs.yaml"
    config.write_text(
        f"recipe: blobs\ndataset: tiny\nmodel: {{class_path: {__name__}.Blobs}}\n"
        "data: {class_path: tiny.TinyDigits, init_args: {n: 240}}\n"
    )
    runs = tmp_path / "runs"
    assert main(["train", "--config", str(config), "--epochs", "1", "--runs", str(runs)]) == 0
    shown = capsys.readouterr().out
    run = runs / "tiny" / "blobs" / "0-001"
    report = json.loads((run / "report.json").read_text())
    assert report["test_reads"] == 1 and report["schema"] == 4
    assert report["baselines"]["real"].keys() == {"generation"} and "real" not in report["comparisons"]
    keys = {"space", "frechet", "kernel", "precision", "recall", "n"}
    judged = (report["scores"], report["baselines"]["real"], report["baselines"]["untrained"])
    assert all(scores["generation"].keys() == keys for scores in judged)
    events = EventAccumulator(str(run)).Reload()
    for name in ("generation/frechet", "generation/precision", "likelihood/elbo", "likelihood/log_likelihood"):
        first, _, second = name.partition("/")
        final = events.Scalars(f"report/{name}")[-1].value
        assert final == pytest.approx(report["scores"][first][second])
    assert "Fréchet" in shown and "NLL, k = 100" in shown and "## Generation" in (run / "report.md").read_text()
    assert main(["evaluate", str(run)]) == 0  # from the cached space and baselines
    again = json.loads((run / "report.json").read_text())
    assert again["scores"] == report["scores"] and again["baselines"] == report["baselines"]
