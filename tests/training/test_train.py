"""The main job, end to end on digits: train, checkpoints, TensorBoard, evaluation, baselines, report."""

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.runs.run import Run

EPOCHS = 3


def train(root: Path, model: str, *words: str, data: str = "digits") -> Path:
    before = set(root.glob("*/*/*/config.yaml"))
    assert main(["train", model, "--data", data, "--runs", str(root), *words]) == 0
    (made,) = set(root.glob("*/*/*/config.yaml")) - before
    return made.parent


def report_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "report.json").read_text()))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    return train(root, "deep_ae_layerwise", "--epochs", str(EPOCHS))


def test_report_has_every_promised_key(run: Path) -> None:
    report = report_of(run)
    assert report["run"]["model"] == "deep_ae_layerwise" and report["run"]["data"] == "digits"
    assert report["run"]["epochs"] == EPOCHS and report["run"]["code_dim"] == 16
    assert report["run"]["chosen"] == "validation" and report["run"]["views"] == "none"
    assert sum(report["run"]["images"].values()) == 1797
    assert report["run"]["parameters"] > 10_000 and report["run"]["images_per_second"] > 0
    assert {"versions", "commit", "dirty", "hardware", "config"} <= set(report["provenance"])
    records = {name: json.loads((run / f"{name}.json").read_text()) for name in ("training", "versions")}
    records["versions"].pop("command")
    assert records["training"].items() <= report["run"].items()  # what has no field in the schema would be lost
    assert records["versions"].items() <= report["provenance"].items()
    assert report["selfcheck"]["passed"] == report["selfcheck"]["total"] > 5
    assert report["frozen"]["before"] == report["frozen"]["after"] and len(report["frozen"]["before"]) == 64
    assert report["test_reads"] == 1
    for scores in (report["scores"], *report["baselines"].values()):
        assert {"accuracy", "low", "high", "C"} <= set(scores["linear_probe"])
        assert scores["linear_probe"]["low"] <= scores["linear_probe"]["accuracy"] <= scores["linear_probe"]["high"]
        assert scores["knn"]["k"] == 20
        assert {"mean", "std", "draws"} <= set(scores["few_label"]["1"]) & set(scores["few_label"]["10"])
        assert {"acc", "nmi", "ari"} <= set(scores["kmeans"]["train"]) & set(scores["kmeans"]["test"])
        assert {"acc_mean", "acc_std"} <= set(scores["kmeans"]["restarts"])
        assert {"raw", "transductive"} <= set(scores["kmeans"])
        assert scores["rankme"] >= 1
    assert "l2" in report["scores"]["kmeans"]
    assert set(report["baselines"]) == {"pixels", "pca", "pca_chosen", "statistics", "untrained"}
    for scores in (report["scores"], report["baselines"]["pca"], report["baselines"]["untrained"]):
        assert scores["reconstruction"]["sse_per_image"] == pytest.approx(
            scores["reconstruction"]["mse_per_pixel"] * 64, rel=1e-5
        )
    assert "reconstruction" not in report["baselines"]["pixels"]
    for scores in (report["scores"], report["baselines"]["untrained"]):
        assert set(scores["layers"]) == {"hidden_1", "hidden_2"}
        assert all({"dim", "linear_probe", "few_label"} <= set(layer) for layer in scores["layers"].values())


def test_report_holds_finite_numbers_only(run: Path) -> None:
    for path, value in leaves({k: v for k, v in report_of(run).items() if k != "provenance"}):
        assert value is not None, path
        if isinstance(value, float):
            assert math.isfinite(value), path
        if path.endswith(("accuracy", "acc", "low", "high")) and "comparisons" not in path and "curves" not in path:
            assert 0 <= value <= 1, path


def test_learned_codes_beat_every_untrained_twin(run: Path) -> None:
    """Three epochs are too few for an interval that holds the spread over initialisations."""
    report = report_of(run)
    each = report["baselines"]["untrained"]["by_initialisation"]["linear_probe"]
    assert len(each) == 3 and report["scores"]["linear_probe"]["accuracy"] > max(each)
    assert report["comparisons"]["untrained"]["linear_probe"]["difference"] > 0


def test_report_md_shows_its_figures(run: Path) -> None:
    text = (run / "report.md").read_text()
    for name in ("reconstructions", "interpolations", "traversals", "clusters", "confusion", "map"):
        assert f"figures/{name}.png" in text
        assert (run / "figures" / f"{name}.png").stat().st_size > 5_000


def test_tensorboard_has_every_promised_tag(run: Path) -> None:
    events = EventAccumulator(str(run), size_guidance={"images": 0}).Reload()
    scalars, tensors = set(events.Tags()["scalars"]), set(events.Tags()["tensors"])
    terms = {"loss", "reconstruction", "layers", "relative_1", "norm_1", "relative_2", "norm_2"}
    assert {f"{split}/{name}" for split in ("train", "val") for name in terms} <= scalars
    assert {"train/lr", "report/linear_probe/accuracy", "report/kmeans/test/acc"} <= scalars
    assert {"train/grad_norm", "train/images_per_second"} <= scalars
    assert {f"online/{name}" for name in ("linear_probe", "kmeans_acc", "kmeans_nmi", "effective_rank")} <= scalars
    pictures = {f"pictures/{name}" for name in ("reconstructions", "traversals", "filters", "confusion")}
    assert pictures == set(events.Tags()["images"])
    assert {"custom_scalars__config__", *(f"probe/{c}" for c in range(10))} == tensors
    assert "_hparams_/session_start_info" in events.summary_metadata
    final = events.Scalars("report/linear_probe/accuracy")[-1].value
    assert final == pytest.approx(report_of(run)["scores"]["linear_probe"]["accuracy"])
    steps = [event.step for event in events.Scalars("val/loss")]
    assert len(steps) == EPOCHS and steps == sorted(set(steps))


@pytest.mark.slow
def test_evaluate_repeats_scores_and_floors_bit_for_bit(run: Path) -> None:
    before, figures = report_of(run), {p: p.read_bytes() for p in (run / "figures").iterdir()}
    kept = sorted((run.parents[1] / "baselines").iterdir())
    shutil.rmtree(run.parents[1] / "baselines")
    assert main(["evaluate", str(run)]) == 0
    after = report_of(run)
    events = EventAccumulator(str(run)).Reload()
    assert len(list(run.glob("events.*"))) == 2  # the curves, and what the last evaluation found
    assert len(events.Scalars("report/linear_probe/accuracy")) == len(events.Tensors("probe/3")) == 1
    assert after["scores"] == before["scores"]
    assert after["baselines"] == before["baselines"]  # computed anew, without the kept ones
    assert after["comparisons"] == before["comparisons"]
    assert after["figures"] == before["figures"]
    assert {p: p.read_bytes() for p in (run / "figures").iterdir()} == figures
    assert after["test_reads"] == 1
    assert sorted((run.parents[1] / "baselines").iterdir()) == kept


def test_the_run_can_be_started_again_from_its_config(
    run: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--config", str(run / "config.yaml"), "--runs", str(root), "--print_config"]) == 0
    assert capsys.readouterr().out == (run / "config.yaml").read_text()


@pytest.mark.slow
def test_same_seed_same_weights_other_seed_others(run: Path, root: Path) -> None:
    again = train(root, "deep_ae_layerwise", "--epochs", str(EPOCHS))
    other = train(root, "deep_ae_layerwise", "--epochs", str(EPOCHS), "--seed", "1", "--evaluate", "no")
    first, second, third = (Run(r).model().state_dict() for r in (run, again, other))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["to_code.weight"], third["to_code.weight"])
    assert report_of(run)["scores"] == report_of(again)["scores"]


@pytest.mark.slow
def test_kept_floors_serve_the_next_run(run: Path, root: Path) -> None:
    folder = root / "digits" / "baselines"
    stamps = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    again = train(root, "deep_ae_layerwise", "--epochs", "1", "--seed", "2")
    assert {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == stamps
    assert report_of(again)["baselines"] == report_of(run)["baselines"]


@pytest.mark.slow
def test_pca_and_pixels_are_models_like_any_other(root: Path, run: Path) -> None:
    for model in ("pca", "pixels"):
        made = train(root, model)
        report = report_of(made)
        assert report["run"]["epochs"] == 0 and "untrained" not in report["baselines"]
        assert (made / "checkpoints" / "last.ckpt").exists()
        assert not report["comparisons"][model]["linear_probe"]["separable"]  # from itself
        if model == "pixels":
            # not counted for baselines
            scores, baseline = report["scores"], report["baselines"]["pixels"]
            own = {key: scores[key] for key in ("clusters", "copies", "new_images")}
            for name, part in {"label_curve": "balanced", "kmeans": "l2", "silhouette": "l2"}.items():
                own[name] = baseline[name] | {part: scores[name][part]}
            assert scores == baseline | own


@pytest.mark.slow
def test_own_unlabelled_images(root: Path, tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(60):
        Image.fromarray(rng.integers(0, 255, (20, 24), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    words = ["--epochs", "1", "--data.size", "16", "--images", str(tmp_path), "--data_root", str(tmp_path / "cache")]
    run = train(root, "ae", *words, data="folder")
    report = report_of(run)
    assert {"reconstruction", "rankme"} <= set(report["scores"])
    assert not {"linear_probe", "knn", "few_label"} & set(report["scores"])
    assert "label" in (run / "report.md").read_text()


@pytest.mark.slow
def test_other_images_than_those_of_the_training_are_refused(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for i in range(60):
        Image.new("L", (16, 16), 4 * i).save(tmp_path / f"{i:02}.png")
    words = ["--epochs", "1", "--data.size", "8", "--images", str(tmp_path), "--data_root", str(tmp_path / "cache")]
    run = train(root, "ae", *words, data="folder")
    assert run.parents[1].name == f"folder-{tmp_path.name}"  # every folder is a data set of its own
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert main(["evaluate", str(run), "--images", str(moved)]) == 0
    Image.new("L", (16, 16), 9).save(moved / "one more.png")  # the split is another now: training images in test
    assert main(["evaluate", str(run), "--images", str(moved)]) == 1
    assert "are not those that" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_was_moved_is_evaluated_where_it_is(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "kept"
    shutil.copytree(run, moved)
    assert main(["evaluate", str(moved)]) == 0
    assert report_of(moved)["scores"] == report_of(run)["scores"]
    assert (moved / "baselines").is_dir() and not (tmp_path / "baselines").exists()


def test_a_trainer_that_refuses_its_options_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "ae", "--data", "digits", "--runs", str(tmp_path)]
    assert main([*words, "--trainer.limit_train_batches", "2.5"]) == 2
    text = capsys.readouterr().err
    assert text.startswith("unsup: trainer: ") and text.count("\n") == 1
    assert not list(tmp_path.glob("*/*/*"))


@pytest.mark.parametrize(
    "words",
    [
        ("--trainer.gradient_clip_val", "1"),
        ("--trainer.accumulate_grad_batches", "2"),
        ("--data.steps_per_call", "4"),
    ],
)
def test_options_that_do_not_go_with_a_model_are_one_line_and_leave_nothing(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "gan", "--data", "digits", "--epochs", "1", "--runs", str(tmp_path), *words]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unsup: ")]
    assert words[0].rpartition(".")[2] in line
    assert not list(tmp_path.glob("*/*/*"))


@pytest.mark.parametrize(
    "model", [pytest.param("vae", marks=pytest.mark.slow), pytest.param("gan", marks=pytest.mark.nightly)]
)
def test_a_generator_stands_between_real_images_and_its_untrained_twin(model: str, root: Path) -> None:
    run = train(root, model, "--epochs", "2")
    report = report_of(run)
    assert report["test_reads"] == 1 and report["frozen"]["before"] == report["frozen"]["after"]
    for holder in (report["scores"], report["baselines"]["real"], report["baselines"]["untrained"]):
        found = holder["generation"]
        assert set(found) == {"space", "frechet", "kernel", "precision", "recall", "n"} and found["n"] == 500
    real, untrained = report["baselines"]["real"]["generation"], report["baselines"]["untrained"]["generation"]
    assert real["frechet"] < min(report["scores"]["generation"]["frechet"], untrained["frechet"])
    assert ("likelihood" in report["scores"]) == (model == "vae")
    shown = {Path(name).stem for name in report["figures"]}
    assert {"samples", "progress", "nearest", "interpolations"} <= shown
    assert ("traversals" in shown) == ("reconstructions" in shown) == (model == "vae")
    events = EventAccumulator(str(run)).Reload()
    assert len(events.Images("pictures/samples")) == 2
    if model == "gan":
        game = {"d_loss", "g_loss", "log_d_real", "d_fake"}
        assert {f"train/{name}" for name in game | {"grad_norm_d", "grad_norm_g"}} <= set(events.Tags()["scalars"])
        assert {f"val/{name}" for name in game} <= set(events.Tags()["scalars"])


@pytest.mark.slow
def test_the_last_weights_are_judged_whatever_the_validation_cadence(root: Path) -> None:
    run = train(root, "ae", "--epochs", "3", "--trainer.check_val_every_n_epoch", "2")
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 3 * 19  # also after the last validation, in epoch 2


def test_a_missing_checkpoint_or_a_damaged_one_is_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "digits" / "deep_ae" / "0-001"
    shutil.copytree(run, broken)
    checkpoint = broken / "checkpoints" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert main(["evaluate", str(broken)]) == 1
    assert "last.ckpt cannot be read as a checkpoint" in capsys.readouterr().err
    checkpoint.unlink()
    assert main(["evaluate", str(broken)]) == 1
    assert "has no checkpoints/last.ckpt" in capsys.readouterr().err


@pytest.mark.slow
def test_weights_of_another_run_start_a_new_one(run: Path, root: Path) -> None:
    started = train(root, "deep_ae_layerwise", "--epochs", "0", "--init_from", str(run))
    first, second = Run(run).model().state_dict(), Run(started).model().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    report, before = report_of(started), report_of(run)
    assert report["provenance"]["config"]["init_from"] == str(run)
    origin = report["provenance"]["init_from"]
    assert origin["run"] == "digits/deep_ae_layerwise/0-001"
    assert origin["weights_sha256"] == before["frozen"]["after"] == report["frozen"]["before"]
    seconds = before["run"]["train_seconds"]
    assert before["run"]["stages_seconds"] == seconds
    assert report["run"]["stages_seconds"] == pytest.approx(seconds + report["run"]["train_seconds"])
    assert f"`{origin['run']}`" in (started / "report.md").read_text()
    with pytest.raises(UserError, match="no run folder"):
        Run.find("nowhere")


@pytest.mark.slow
def test_no_data_named_and_no_mnist_at_hand_takes_digits(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unsup.data.mnist import MNIST

    def offline(self: MNIST) -> None:
        raise UserError("MNIST is not in nowhere and cannot be downloaded")

    monkeypatch.setattr(MNIST, "prepare_data", offline)
    words = ["--epochs", "1", "--runs", str(root), "--data_root", str(tmp_path)]
    assert main(["train", "ae", *words]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("ae on digits (no --data given, and MNIST is not in nowhere")
    assert main(["train", "ae", "--data", "mnist", *words]) == 1  # a named one never turns into another
    assert not (root / "mnist").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_runs_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert main(["train", "ae", "--data", "digits", "--runs", str(tmp_path / "runs")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("option", ["max_epochs", "max_steps"])
def test_no_training_of_a_model_that_learns_in_steps_is_refused(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", "digits", f"--trainer.{option}", "0", "--runs", str(tmp_path)]
    assert main(["train", "ae", *words]) == 2
    assert f"trainer.{option} is 0: ae would learn nothing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["pca", "pixels"])
def test_models_that_learn_without_steps_train_for_no_epochs(model: str, tmp_path: Path, unjudged: None) -> None:
    assert main(["train", model, "--data", "digits", "--epochs", "0", "--runs", str(tmp_path)]) == 0
    assert (tmp_path / "digits" / model / "0-001" / "checkpoints" / "last.ckpt").exists()
