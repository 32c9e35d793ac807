"""The whole evaluation on small data: certificates, repeatability, what is left out, and that leaving out is said."""

import json
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from progress_lines import progress
from torch import nn
from used import encode_split

from unsup.core.errors import UserError
from unsup.data.base import ImageData
from unsup.data.digits import Digits
from unsup.evaluation import measures
from unsup.evaluation.codes import encode_splits
from unsup.evaluation.parallel import run_side_by_side
from unsup.evaluation.protocol import Evaluation, judge_model
from unsup.evaluation.selfcheck import selfcheck
from unsup.metrics import diagnostics
from unsup.metrics.clustering import agreement as clustering_scores
from unsup.metrics.clustering import kmeans
from unsup.metrics.neighbours import NeighbourVotes
from unsup.metrics.readout import Readout
from unsup.models.base import Model
from unsup.models.parts.frozen import weights_hash


class Net(Model):
    """One random hidden layer with batch-norm, a linear code and a linear reconstruction."""

    def __init__(self, shape: tuple[int, int, int], hidden: int = 24, dim: int = 8) -> None:
        super().__init__(shape)
        pixels = int(np.prod(shape))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.BatchNorm1d(hidden), nn.ReLU())
            self.code, self.back = nn.Linear(hidden, dim), nn.Linear(dim, pixels)

    def layers(self, x):
        return {"hidden": self.hidden(x)}

    def encode(self, x):
        return self.code(self.hidden(x))

    def reconstruct(self, x):
        return self.back(self.encode(x)).view_as(x)


class Pixels(Model):
    def encode(self, x):
        return x.flatten(1)


class Toy(ImageData):
    """Images of 4 x 4 noise with a mark for the class; the labels are what each test makes them."""

    shape = (1, 4, 4)
    class_names = ("a", "b", "c")

    def __init__(self, train_labels, test_labels) -> None:
        super().__init__()
        self.given = {True: train_labels, False: test_labels}

    def load(self, train):
        rng = np.random.default_rng(train)
        labels = self.given[train]
        images = rng.integers(100, size=(300 if train else 90, *self.shape)).astype(np.uint8)
        if labels is not None:
            images.reshape(len(images), 16)[np.arange(len(images)), labels] = 255
        return images, labels


def thirds(n):
    return np.arange(n) % 3


@pytest.fixture(scope="module")
def digits():
    data = Digits()
    data.setup()
    return data


@pytest.fixture(scope="module")
def result(digits):
    with progress() as said:
        evaluation = judge_model(Net(digits.shape), digits)
    return evaluation, said


def numbers(scores):
    """Every leaf of the scores."""
    for value in scores.values() if isinstance(scores, dict) else scores:
        if isinstance(value, dict | list):
            yield from numbers(value)
        else:
            yield value


def same(one: Evaluation, other: Evaluation) -> bool:
    return (
        one.scores == other.scores
        and one.correct.keys() == other.correct.keys()
        and all(np.array_equal(one.correct[k], other.correct[k]) for k in one.correct)
        and np.array_equal(one.clusters, other.clusters)
    )


def test_scores_hold_what_the_report_prints(result, digits):
    scores = result[0].scores
    for key in ("linear_probe", "knn", "few_label", "kmeans", "layers", "reconstruction", "rankme"):
        assert key in scores
    own = {"balanced_accuracy", "macro_f1", "chance", "nll", "brier", "calibration_error", "calibrated"}
    assert scores["linear_probe"].keys() == {"accuracy", "low", "high", "C", "per_class"} | own
    assert scores["linear_probe"]["chance"] == pytest.approx(0.1, abs=0.01)
    assert scores["knn"].keys() == {"accuracy", "k", "raw", "l2", "weighted"}
    assert (scores["knn"]["k"], scores["knn"]["weighted"]["k"]) == (20, 200)
    assert scores["few_label_standardised"].keys() == {"1", "10"}
    assert scores["few_label_standardised"]["10"] != scores["few_label"]["10"]
    assert scores["few_label"].keys() == {"1", "10"}
    assert scores["few_label"]["10"].keys() == {"mean", "std", "draws", "by_draw"}
    assert scores["probe_draws"].keys() == {"mean", "std", "draws", "images"}
    assert scores["clusters"].keys() == {"k", "by", "silhouette", "bic"}
    assert (scores["clusters"]["k"], scores["clusters"]["by"]) == (10, "classes")
    assert {"gaussian mixture", "agglomerative"} <= scores["clusterings"].keys()
    assert all(found.keys() == {"k", "fitted_on", "dim", "train", "test"} for found in scores["clusterings"].values())
    assert -8 < scores["uniformity"] < 0 and "alignment" not in scores
    assert scores["kmeans"].keys() == {"space", "train", "test", "restarts", "raw", "l2", "transductive"}
    assert scores["kmeans"]["space"] == "raw" and scores["kmeans"]["test"] == scores["kmeans"]["raw"]["test"]
    assert scores["kmeans"]["raw"] != scores["kmeans"]["l2"]
    assert scores["layers"]["hidden"].keys() == {"dim", "linear_probe", "few_label"}
    assert scores["layers"]["hidden"]["dim"] == 24 and scores["code_dim"] == 8
    assert "reduced" not in scores
    text = json.dumps(scores, allow_nan=False)
    assert json.loads(text) == scores
    assert all(isinstance(leaf, int | float | str) and not isinstance(leaf, bool) for leaf in numbers(scores))


def test_scores_make_sense_and_per_image_results_agree(result, digits):
    evaluation = result[0]
    scores, labels = evaluation.scores, digits.labels("test")
    assert 0.6 < scores["linear_probe"]["accuracy"] < scores["layers"]["hidden"]["linear_probe"]["accuracy"]
    assert np.mean(evaluation.predicted == labels) == pytest.approx(scores["linear_probe"]["accuracy"])
    assert np.array_equal(evaluation.correct["linear_probe"], evaluation.predicted == labels)
    for n in ("1", "10"):
        assert evaluation.correct[f"few_label_{n}"].mean() == pytest.approx(scores["few_label"][n]["mean"], abs=1e-6)
    assert len(np.unique(evaluation.clusters)) == 10
    assert evaluation.neighbours.train.shape == (8, 8) and evaluation.neighbours.test.max() < 500
    same_class = digits.labels("train")[evaluation.neighbours.train] == labels[evaluation.neighbours.test][:, None]
    assert same_class.mean() > 0.5
    for values in (evaluation.predicted, evaluation.clusters, evaluation.codes, *evaluation.correct.values()):
        assert len(values) == 500
    assert 0 < scores["kmeans"]["restarts"]["acc_std"] < 0.2
    train = encode_split(Net(digits.shape), digits, "train", layers=False).codes
    again = kmeans(train, evaluation.codes, 10)
    assert np.array_equal(again.test, evaluation.clusters)
    assert scores["kmeans"]["train"] == clustering_scores(digits.labels("train"), again.train)
    assert scores["silhouette"]["raw"] == diagnostics.silhouette(train, again.train)
    assert scores["rankme"] == diagnostics.rankme(train)


def test_robustness_falls_from_the_clean_accuracy(result, digits):
    scores = result[0].scores
    found = scores["robustness"]
    corrupted = {name: values for name, values in found.items() if name not in ("images", "clean")}
    assert corrupted.keys() == {"gaussian noise", "blur", "occlusion", "contrast", "shift", "missing pixels"}
    assert all(len(values) == 3 for values in corrupted.values())
    assert found["images"] == 500  # all of them: few enough
    assert found["clean"] == scores["linear_probe"]["accuracy"]
    assert np.mean([values[-1] for values in corrupted.values()]) < found["clean"] - 0.1


def test_the_heads_repeat_what_the_evaluation_found(result, digits):
    evaluation = result[0]
    readout = evaluation.readout
    assert np.array_equal(readout.probe.predict(evaluation.codes), evaluation.predicted)
    assert np.array_equal(readout.cluster(evaluation.codes), evaluation.clusters)
    assert np.array_equal(evaluation.cluster_distances.argmin(axis=1), evaluation.clusters)
    val = encode_split(Net(digits.shape), digits, "val", layers=False).codes
    assert np.mean(readout.novelty(val).larger > 1) == pytest.approx(0.01, abs=0.01)
    read = Readout.of(readout.arrays())
    assert np.array_equal(read.novelty(val).larger, readout.novelty(val).larger)
    assert np.array_equal(read.probe.probabilities(val), readout.probe.probabilities(val))


def test_views_are_judged_by_alignment(digits):
    class Views(Net):
        def views(self, x):
            return x, (x + self.shift * torch.randn_like(x)).clamp(0, 1)

    apart = {}
    for shift in (0.0, 0.1, 0.3):
        net = Views(digits.shape)
        net.shift = shift
        apart[shift] = encode_splits(net, digits, False)[0]["test"].view_distances
    assert apart[0.0].shape == (500,) and abs(apart[0.0]).max() < 1e-6
    assert 1e-4 < apart[0.1].mean() < apart[0.3].mean() < 4
    again = encode_splits(net, digits, False)[0]["test"].view_distances
    assert np.array_equal(again, apart[0.3])  # the same views every time
    free = measures.output_scores(encode_splits(net, digits, False)[0]["test"], 64, 100)
    assert free["alignment"] == pytest.approx(apart[0.3].mean())


class Sorted(Pixels):
    """Clusters of its own: 5 less the class that is marked; where half is set, cluster 5 for every other image."""

    num_clusters = 6
    half = False

    def assign(self, x):
        pixels = (x.flatten(1) * 255).round().long()
        return 5 - pixels[:, :3].argmax(1) * (pixels[:, 3] % 2 if self.half else 1)


@pytest.mark.slow
def test_a_models_own_clusters_are_scored_as_they_are(monkeypatch):
    data = Toy(thirds(300), thirds(90))
    own = judge_model(Sorted(Toy.shape), data, extent="baseline").scores["clusterings"]["own"]
    assert own["k"] == 6 and own["used"] == 3 and own["fitted_on"] == data.size("train")
    for part in ("train", "test", "transductive"):
        assert own[part] == {"acc": 1.0, "nmi": 1.0, "ari": 1.0}
    monkeypatch.setattr(Sorted, "half", True)
    half = judge_model(Sorted(Toy.shape), data, extent="baseline").scores["clusterings"]["own"]
    assert all(0.5 < half[part]["acc"] < 0.8 for part in ("train", "test", "transductive"))
    assert half["test"] != half["transductive"]
    assert "own" not in judge_model(Pixels(Toy.shape), data, extent="baseline").scores["clusterings"]


def test_own_clusters_of_unlabelled_images_are_counted():
    own = judge_model(Sorted(Toy.shape), Toy(None, None), extent="baseline").scores["clusterings"]["own"]
    assert own.keys() == {"k", "used", "fitted_on"} and own["used"] == 3


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (lambda x: torch.full((len(x),), 6), r"clusters 6 to 6: num_clusters is 6"),
        (lambda x: torch.full((len(x),), -1), r"clusters -1 to -1"),
        (lambda x: torch.zeros(len(x)), r"torch.float32 \(\d+,\): it must be torch.int64"),
        (lambda x: torch.zeros(len(x), 6, dtype=torch.int64), r"it must be torch.int64 \(\d+,\)"),
    ],
)
def test_clusters_that_are_none_are_refused_by_name(ids, expected, monkeypatch):
    data = Toy(thirds(300), thirds(90))
    monkeypatch.setattr(Sorted, "assign", lambda self, x: ids(x))
    with pytest.raises(UserError, match=rf"^Sorted\.assign returned [^\n]*{expected}[^\n]*$"):
        judge_model(Sorted(Toy.shape), data)
    monkeypatch.setattr(Sorted, "num_clusters", None)
    with pytest.raises(UserError, match="set num_clusters in __init__"):
        judge_model(Sorted(Toy.shape), data)


def test_reconstruction_is_scored_in_both_units(result, digits):
    net = Net(digits.shape).eval()
    x = torch.cat(list(digits.batches("test")))
    with torch.no_grad():
        errors = (x - net.reconstruct(x)).double().square().sum(dim=(1, 2, 3))
    found = result[0].scores["reconstruction"]
    assert found["sse_per_image"] == pytest.approx(errors.mean().item(), rel=1e-5)
    assert found["mse_per_pixel"] == pytest.approx(found["sse_per_image"] / 64)


@pytest.mark.slow
def test_the_test_split_is_read_once_and_the_model_is_left_as_it_was(digits):
    net = Net(digits.shape).train()
    net.code.eval()  # whatever mixture of flags there is
    flags = [module.training for module in net.modules()]
    before, reads = weights_hash(net), digits.test_reads
    torch.set_float32_matmul_precision("medium")
    try:
        evaluation = judge_model(net, digits)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert evaluation.test_reads == 1 == digits.test_reads - reads
    assert evaluation.weight_hashes == (before, before) == (weights_hash(net), weights_hash(net))
    assert [module.training for module in net.modules()] == flags
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def test_codes_are_made_in_eval_mode_at_full_precision_without_gradients(digits):
    class Spy(Net):
        def encode(self, x):
            assert not any(module.training for module in self.modules())
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.is_grad_enabled()
            return super().encode(x)

    torch.set_float32_matmul_precision("medium")
    try:
        encode_split(Spy(digits.shape), digits, "val", layers=True)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.slow
def test_a_model_that_changes_while_it_encodes_is_refused(digits):
    class Restless(Net):
        def __init__(self, shape):
            super().__init__(shape)
            self.register_buffer("seen", torch.zeros(()))

        def encode(self, x):
            self.seen += len(x)
            return super().encode(x)

    with pytest.raises(UserError, match="Restless: the encoder changed while it was evaluated"):
        judge_model(Restless(digits.shape), digits)


def test_the_hash_sees_names_parameters_and_buffers():
    hashes = {weights_hash(Net((1, 4, 4)))}
    assert weights_hash(Net((1, 4, 4))) in hashes
    net = Net((1, 4, 4))
    net.code.bias.data[3] += 1e-6
    hashes.add(weights_hash(net))
    net = Net((1, 4, 4))
    net.hidden[2].running_mean[0] += 1e-6
    hashes.add(weights_hash(net))
    net = Net((1, 4, 4))
    net.hidden[2].num_batches_tracked += 1
    hashes.add(weights_hash(net))
    net = Net((1, 4, 4))
    net.other = net.back
    del net.back
    hashes.add(weights_hash(net))
    assert len(hashes) == 5


def test_the_code_of_one_image_alone_equals_that_in_a_batch(digits):
    net = Net(digits.shape).train()
    together = encode_split(net, digits, "val", layers=True)

    class OneByOne(Digits):
        def batches(self, split, device="cpu", batch_size=1024, positions=None):
            return super().batches(split, device, 1, positions)

    alone = encode_split(net, OneByOne(), "val", layers=True)
    assert alone.codes == pytest.approx(together.codes, abs=1e-5)
    assert alone.layers["hidden"] == pytest.approx(together.layers["hidden"], abs=1e-5)
    assert alone.squared_error == pytest.approx(together.squared_error, rel=1e-4)


@pytest.mark.slow
def test_evaluation_repeats_bit_for_bit_whatever_the_generators_and_threads(digits, result):
    np.random.seed(123)
    torch.manual_seed(123)
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else 2)  # so many parts at a time; the codes stay the same
    try:
        state = torch.random.get_rng_state()
        assert same(judge_model(Net(digits.shape), digits), result[0])
        assert torch.equal(torch.random.get_rng_state(), state)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_another_process_finds_the_same_scores(result):
    program = (
        "import json; from test_protocol import *; data = Digits(); data.setup();"
        "print(json.dumps(judge_model(Net(data.shape), data).scores))"
    )
    folder = Path(__file__).parent
    command = [sys.executable, "-c", f"import sys; sys.path.append({str(folder.parent)!r}); {program}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == result[0].scores


def test_progress_names_what_is_done(result):
    said = "\n".join(result[1])
    for step in ("encoding 500 test images", "linear probe", "kNN", "k-means l2", "layer hidden"):
        assert step in said


@pytest.mark.slow
def test_layers_can_be_left_out(digits, result):
    scores = judge_model(Net(digits.shape), digits, layers=False).scores
    assert scores == {name: value for name, value in result[0].scores.items() if name != "layers"}


@pytest.mark.slow
def test_a_baseline_lacks_what_no_comparison_reads(digits, result):
    scores = judge_model(Net(digits.shape), digits, extent="baseline").scores
    assert scores["clusters"] == {"k": 10, "by": "classes"}
    full = result[0].scores
    left_out = {name: full[name] for name in ("clusters", "new_images")}
    left_out |= {name: scores[name] | {"l2": full[name]["l2"]} for name in ("kmeans", "silhouette")}
    assert scores | left_out == full
    assert "new_images" not in scores and not any("l2" in scores[name] for name in ("kmeans", "silhouette"))


def test_unlabelled_images_get_the_label_free_part_and_say_so():
    data = Toy(None, None)
    with progress() as said:
        found = judge_model(Net(data.shape), data)
    free = {"code_dim", "dead_units", "reconstruction", "rankme", "uniformity", "silhouette"}
    assert found.scores.keys() == free | {"clusters", "clusterings", "new_images"}
    assert found.scores["new_images"].keys() == {"false_alarm_rate", "flagged"}
    k = found.scores["clusters"]["silhouette"]
    assert (found.scores["clusters"]["k"], found.scores["clusters"]["by"]) == (k, "silhouette")
    assert all(one.keys() == {"k", "fitted_on", "dim"} for one in found.scores["clusterings"].values())
    assert found.scores["silhouette"].keys() == {"raw", "l2"}
    assert found.correct == {} and found.predicted is None
    assert found.clusters.shape == (90,) and found.clusters.max() == k - 1
    assert found.readout.probe is None
    assert found.test_reads == 1
    assert any("unlabelled" in line for line in said)


def test_one_class_alone_is_as_good_as_no_labels():
    data = Toy(np.zeros(300, np.int64), np.zeros(90, np.int64))
    with progress() as said:
        found = judge_model(Pixels(data.shape), data)
    assert "linear_probe" not in found.scores and "reconstruction" not in found.scores
    assert any("one class" in line for line in said)


def test_too_few_labels_leave_out_an_entry_and_say_so():
    labels = thirds(300)
    labels[labels == 2] = np.where(np.arange(100) < 8, 2, 0)
    with progress() as said:
        found = judge_model(Pixels((1, 4, 4)), Toy(labels, thirds(90)))
    assert found.scores["few_label"].keys() == {"1"}
    assert found.correct.keys() == {"linear_probe", "few_label_1"}
    assert any("10 per class" in line for line in said)


def test_a_class_without_test_images_is_named():
    with progress() as said:
        found = judge_model(Pixels((1, 4, 4)), Toy(thirds(300), np.arange(90) % 2))
    assert found.scores["linear_probe"]["untested"] == [2]
    assert len(found.scores["linear_probe"]["per_class"]) == 2
    assert found.scores["linear_probe"]["accuracy"] > 0.9
    assert any("no test image of 1 class (the first: class 2)" in line for line in said)


def test_k_is_the_number_of_classes_not_of_test_labels():
    found = judge_model(Pixels((1, 4, 4)), Toy(thirds(300), np.zeros(90, np.int64)))
    assert found.clusters.max() == 2


def test_k_counts_a_class_without_training_images():
    labels = np.arange(300) % 2
    found = judge_model(Pixels((1, 4, 4)), Toy(labels, np.arange(90) % 2))
    assert found.scores["clusters"]["k"] == 3 and found.clusters.max() == 2
    assert {one["k"] for one in found.scores["clusterings"].values()} == {3}


@pytest.mark.slow
def test_wide_codes_are_compressed_where_that_saves_minutes_and_the_scores_say_so(monkeypatch):
    data = Toy(thirds(300), thirds(90))
    whole = judge_model(Pixels((1, 4, 4)), data, extent="baseline", robustness=False)
    monkeypatch.setattr(diagnostics, "WIDE", 12)
    monkeypatch.setattr(diagnostics, "COMPRESSED", 6)
    with progress() as said:
        found = judge_model(Pixels((1, 4, 4)), Toy(thirds(300), thirds(90)))
    assert found.scores["reduced"] == {"dim": 6, "for": ["clusterings", "diagnostics"]}
    assert found.scores["code_dim"] == 16 and found.codes.shape == (90, 16)
    assert found.scores["rankme"] <= 6 and found.scores["knn"] == whole.scores["knn"]  # kNN sees all dimensions
    assert "probe_draws" not in found.scores and "imbalance" not in found.scores
    assert found.readout.centres.shape == (3, 6) and np.array_equal(found.readout.cluster(found.codes), found.clusters)
    assert any("16 dimensions" in line for line in said)


@pytest.mark.parametrize("broken", ["nan", "inf"])
def test_codes_that_are_not_finite_are_refused_by_name(broken):
    class Broken(Pixels):
        def encode(self, x):
            z = x.flatten(1).clone()
            z[5, 2] = float(broken)
            return z

    with pytest.raises(
        UserError, match=r"Broken: the codes are not finite for 1 of 270 train images \(the first: image 5\)"
    ):
        judge_model(Broken((1, 4, 4)), Toy(thirds(300), thirds(90)))


def test_codes_whose_squares_leave_float32_are_refused_by_name():
    class Huge(Pixels):
        def encode(self, x):
            return x.flatten(1) * 1e18

    with pytest.raises(UserError, match=r"Huge: the codes are beyond 1e\+15 for 270 of 270 train images"):
        judge_model(Huge((1, 4, 4)), Toy(thirds(300), thirds(90)))


@pytest.mark.parametrize("scale", [0, 1e-38, 1e-20, 1e12])
def test_codes_of_any_other_size_are_scored(scale):
    class Scaled(Pixels):
        def encode(self, x):
            return x.flatten(1) * scale

    scores = judge_model(Scaled((1, 4, 4)), Toy(thirds(300), thirds(90))).scores
    assert (scores["linear_probe"]["accuracy"] > 0.9) == (scale > 1e-30)


def test_codes_that_are_no_matrix_are_refused_by_name():
    class Maps(Pixels):
        def encode(self, x):
            return x

    with pytest.raises(
        UserError, match=r"Maps.encode returned torch.float32 \(270, 1, 4, 4\): it must be .*\(270, D\)"
    ):
        judge_model(Maps((1, 4, 4)), Toy(thirds(300), thirds(90)))


def test_a_collapsed_encoder_scores_the_majority_and_leaves_no_nan():
    class Collapsed(Pixels):
        def encode(self, x):
            return torch.ones(len(x), 5)

    labels = np.where(np.arange(300) % 10 < 6, 0, np.arange(300) % 3)
    test = np.where(np.arange(90) % 10 < 6, 0, np.arange(90) % 3)
    with warnings.catch_warnings(record=True) as warned, progress() as said:
        found = judge_model(Collapsed((1, 4, 4)), Toy(labels, test)).scores
    assert not [w for w in warned if "distinct clusters" in str(w.message)], "the score says it instead"
    assert found["clusters"]["used"] == 1
    assert found["linear_probe"]["accuracy"] == pytest.approx(np.mean(test == 0)) == found["kmeans"]["test"]["acc"]
    assert found["dead_units"] == 5 and found["rankme"] == pytest.approx(1)
    assert "silhouette" not in found
    assert any("no silhouette" in line for line in said)
    json.dumps(found, allow_nan=False)


def test_an_error_in_a_part_reaches_the_caller(monkeypatch):
    def fail(codes):
        raise UserError("RankMe: out of luck")

    monkeypatch.setattr(diagnostics, "rankme", fail)
    with pytest.raises(UserError, match="out of luck"):
        judge_model(Pixels((1, 4, 4)), Toy(thirds(300), thirds(90)))


def test_an_interrupt_stops_every_part():
    """All but one part would run for hours: none is left running once the interrupt has come through."""
    stopped = []
    running = threading.Barrier(3)

    def endless():
        try:
            running.wait(60)
            while True:
                time.sleep(0.01)
        finally:
            stopped.append(True)

    def interrupt():
        running.wait(60)  # for two of the others
        raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        parts = {"a": endless, "b": endless, "c": interrupt, "d": endless}
        run_side_by_side(parts, 3)
    assert len(stopped) == 2 and threading.active_count() == threads


def test_the_evaluator_passes_its_own_check():
    checks = selfcheck()
    assert len(checks) >= 12
    assert [name for name, passed, _ in checks if not passed] == []


@pytest.mark.slow
def test_the_own_check_notices_a_broken_evaluator(monkeypatch):
    from unsup.evaluation import selfcheck as check
    from unsup.metrics import clustering, generation

    def unmatched(counts, maximize):
        return (range(min(counts.shape)), range(min(counts.shape)))

    monkeypatch.setattr(clustering, "linear_sum_assignment", unmatched)

    def votes(train, labels, test, test_labels, without=None):
        right = np.ones(len(test), np.float32)
        return NeighbourVotes(20, 0.5, 0.5, 0.5, 200, 0.5, right, right)

    monkeypatch.setattr(check, "neighbour_votes", votes)
    monkeypatch.setattr(check, "calibration_errors", lambda confidence, correct: (0.0, 0.5))
    monkeypatch.setattr(generation, "precision_recall", lambda generated, real: (1.0, 1.0))
    failed = {name for name, passed, _ in selfcheck() if not passed}
    assert any("one image repeated" in name for name in failed)
    assert any("cluster ids: acc" in name for name in failed)
    for name in ("centred", "raw", "unit_length", "weighted"):
        assert {f"one-hot codes: kNN, {name} = 1", f"Gaussian noise: kNN, {name} = chance"} <= failed
    assert sum("calibrat" in name for name in failed) == 2
