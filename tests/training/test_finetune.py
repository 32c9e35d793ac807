"""Labels train the encoder of a run further, in a result of its own that no frozen probe is mixed with."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from interruptions import start, state

import unsup.training.finetune
from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.models.base import Model
from unsup.models.parts.frozen import weights_hash
from unsup.reports.report import read_report
from unsup.runs.build import build_model, load_data
from unsup.runs.config import compose, resolve
from unsup.runs.finetuned import finetuned_results
from unsup.runs.lookup import config_names
from unsup.runs.run import Run
from unsup.training.classifier import Classifier, LabelledBatches
from unsup.training.finetune import finetune_run, refuse_fixed

WORDS = ("--data", "digits", "--trainer.accelerator", "cpu", "--trainer.log_every_n_steps", "1")
WITHOUT_GRADIENT = {"closed_form", "compressed", "hidden", "patches", "pca", "pixels"}
NARROW = {"simclr_resnet18": [("model.width", 8)]}  # a network that is made for a GPU
OTHERS = ("target.", "teacher.", "decoder", "generator.", "projector.", "predictor.", "head.", "to_pixels", "centres")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, of which `gan` is evaluated."""
    root = tmp_path_factory.mktemp("runs")
    for model, evaluate in (("gan", "quick"), ("pca", "no")):
        assert start(root, model, *WORDS, "--epochs", "1", "--evaluate", evaluate)[0] == 0
    return root / "digits"


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the evaluated run."""
    return Path(shutil.copytree(trained / "gan" / "0-001", tmp_path / "digits" / "gan" / "0-001"))


def built(recipe: str) -> Model:
    config = resolve(compose(recipe, "digits", options=NARROW.get(recipe, [])))
    return build_model(config, load_data(config))


@pytest.mark.parametrize("recipe", [name for name in config_names("model") if name not in WITHOUT_GRADIENT])
def test_labels_change_the_encoder_of_every_recipe_and_nothing_else(recipe: str) -> None:
    model = built(recipe)
    data = load_data(resolve(compose(recipe, "digits")))
    network = Classifier(model, 10, None, seed=0).train()
    x, labels = next(iter(LabelledBatches(data, "train", np.arange(20), 20)))
    torch.nn.functional.cross_entropy(network(x), labels).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved and not [name for name in moved if name.startswith(OTHERS)]
    with torch.no_grad():
        before = model.encode(x)
        for p in model.parameters():
            p -= 0 if p.grad is None else 1e-3 * p.grad.sign()
        assert not torch.equal(model.encode(x), before)


@pytest.mark.parametrize("recipe", sorted(WITHOUT_GRADIENT))
def test_codes_without_a_gradient_are_refused(recipe: str, trained: Path) -> None:
    run = Run(trained / "pca" / "0-001")
    with pytest.raises(UserError, match="depend on no trained weight"):
        refuse_fixed(run, built(recipe))


def test_refusals_are_one_line_and_leave_nothing(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pca = trained / "pca" / "0-001"
    assert main(["finetune", str(pca), "--share", "0.1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "has nothing to fine-tune: the codes of pca" in line and not (pca / "finetuned").exists()
    for words in (["--share", "0.5"], ["--epochs", "0"], ["--seed", "-1"], ["--labels", "x"]):
        assert main(["finetune", str(pca), *words]) == 2
    assert main(["finetune", str(tmp_path / "none")]) == 1


def test_an_encoder_from_elsewhere_is_refused(trained: Path) -> None:
    from unsup.models.foreign.encoder import ModuleEncoder
    from unsup.models.foreign.loaded import Preparation

    encoder = ModuleEncoder.of(torch.nn.Flatten(), (1, 8, 8), Preparation())
    with pytest.raises(UserError, match="judged, not trained"):
        refuse_fixed(Run(trained / "pca" / "0-001"), encoder)


def test_the_result_is_written_and_reported_apart(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, report = state(run), read_report(run / "report.json")
    assert main(["finetune", str(run), "--share", "0.1", "--epochs", "3", "--seed", "4"]) == 0
    out = capsys.readouterr().out
    assert "fine-tuned: labels trained the encoder" in out and "finetuned/0.1-run-4" in out
    after = state(run)["state_dict"]
    assert all(torch.equal(after[name], value) for name, value in before["state_dict"].items())

    folder = run / "finetuned" / "0.1-run-4"
    (result,) = finetuned_results(run)
    assert json.loads((folder / "finetune.json").read_text())["scratch"] is False
    assert (result.labelled, result.epochs, result.steps, result.test_reads) == (117, 3, 6, 1)
    assert result.low <= result.accuracy <= result.high and 1 <= result.best_epoch <= 3
    weights = torch.load(folder / "weights.ckpt", weights_only=True)
    changed = {name for name, value in weights["state_dict"].items() if not torch.equal(value, after[name])}
    assert any(name.startswith("discriminator.convolutions.0") for name in changed)
    assert not any(name.startswith("generator") for name in changed) and weights["head"].keys() == {"weight", "bias"}

    new = read_report(run / "report.json")
    assert new.finetuned == [result] and (new.scores, new.comparisons) == (report.scores, report.comparisons)
    page = (run / "report.md").read_text()
    title = page.index("## Fine-tuned")
    assert page.index("**Fine-tuned: labels trained the encoder.**") > title > page.index("## Summary")
    assert (
        "earlier weights" not in page and "Fine-tuned: labels trained the encoder" in (run / "report.html").read_text()
    )
    assert f"{result.labelled:,}" not in page[:title].partition("## Summary")[2].partition("##")[0]


def test_the_saved_weights_are_those_that_were_tested(run: Path) -> None:
    result = finetune_run(Run(run), share=1, epochs=2)
    weights = torch.load(run / "finetuned" / "1-run-0" / "weights.ckpt", weights_only=True)
    data, model = Run(run).data(), Run(run).model()
    model.load_state_dict(weights["state_dict"])
    head = torch.nn.Linear(weights["head"]["weight"].shape[1], 10)
    head.load_state_dict(weights["head"])
    with torch.no_grad():
        predicted = torch.cat([head(model.eval().encode(x)).argmax(1) for x in data.batches("test")]).numpy()
    assert np.mean(predicted == data.labels("test")) == pytest.approx(result.accuracy)


def test_the_same_seed_gives_the_same_network_and_scratch_another(run: Path) -> None:
    def tuned(**options: bool | int) -> tuple[float, dict[str, torch.Tensor], str]:
        result = finetune_run(Run(run), share=0.01, epochs=3, **options)  # type: ignore[arg-type]
        (folder,) = (run / "finetuned").iterdir()
        weights = torch.load(folder / "weights.ckpt", weights_only=True)["state_dict"]
        shutil.rmtree(run / "finetuned")
        return result.accuracy, weights, result.weights_sha256

    first, again, other = tuned(), tuned(), tuned(scratch=True)
    assert first[0] == again[0] and all(torch.equal(value, again[1][name]) for name, value in first[1].items())
    assert first[2] == again[2] == weights_hash(Run(run).model()) != other[2]
    assert other[2] != tuned(scratch=True, seed=1)[2]


def test_one_percent_has_an_image_of_each_class(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        result = finetune_run(Run(run), share=0.01, epochs=1)
    assert result.labelled == 12 and "12 labelled images of 1,167" in caplog.text
    labels = Run(run).data().labels("train")
    chosen = unsup.training.finetune.labelled_images(labels, 0.01, seed=0)
    assert set(labels[chosen]) == set(range(10))
    assert not np.array_equal(chosen, unsup.training.finetune.labelled_images(labels, 0.01, seed=1))
    assert len(unsup.training.finetune.labelled_images(labels[:300], 0.001, seed=0)) == 10


@pytest.mark.slow
def test_an_evaluation_keeps_the_result_and_marks_earlier_weights(run: Path) -> None:
    finetune_run(Run(run), share=0.1, epochs=1)
    finetune_run(Run(run), share=0.1, scratch=True, epochs=1)
    kept = {path: path.read_bytes() for path in (run / "finetuned").rglob("*") if path.is_file()}
    assert main(["evaluate", str(run), "--evaluate", "quick"]) == 0
    assert len(read_report(run / "report.json").finetuned) == 2
    assert "earlier weights" not in (run / "report.md").read_text()
    assert main(["resume", str(run), "--epochs", "2"]) == 0
    assert {path: path.read_bytes() for path in (run / "finetuned").rglob("*") if path.is_file()} == kept
    lines = [line for line in (run / "report.md").read_text().splitlines() if line.startswith("| from ")]
    assert ["earlier weights" in line for line in lines] == [True, False]  # the run's, and from scratch


def test_an_interruption_leaves_nothing(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}

    def interrupted(self: Classifier) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "on_validation_epoch_end", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main(["finetune", str(run), "--epochs", "2"])
    assert stopped.value.code == 130
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"} == before


def test_a_damaged_result_is_left_out_with_a_warning(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    finetune_run(Run(run), share=0.1, epochs=1)
    (run / "finetuned" / "0.1-run-0" / "finetune.json").write_text('{"share": ')
    assert finetuned_results(run) == [] and "is damaged and left out" in caplog.text


def test_the_best_epoch_is_kept() -> None:
    network = Classifier(built("ae"), 10, None, seed=0)
    network._trainer = type("Trainer", (), {"current_epoch": 0, "max_epochs": 3, "global_step": 1})()  # type: ignore[assignment]
    for epoch, (right, loss) in enumerate([(0.5, 1.0), (1.0, 2.0), (1.0, 1.5), (0.5, 0.1)]):
        network.trainer.current_epoch = epoch  # type: ignore[misc]
        with torch.no_grad():
            network.head.bias.fill_(epoch)
        network._held_out = [(torch.tensor([right]), torch.tensor([loss]))]
        network.on_validation_epoch_end()
    assert (network.best.epoch, network.best.accuracy, network.best.loss) == (3, 1.0, 1.5)
    assert (network.best.state["head.bias"] == 2).all()
