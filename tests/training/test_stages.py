"""Methods in stages: a run that starts from another recipe's run, which is found, resumed or trained first."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from filelock import FileLock
from sample_reports import report, typed
from tiny import SHAPE
from toys import Coder

import unsup.training.train
from unsup.cli.main import main
from unsup.comparison.groups import dotted_options
from unsup.comparison.recorded.store import without_local_paths
from unsup.core.errors import UserError
from unsup.core.files import write_json
from unsup.data.base import ImageData
from unsup.evaluation.existing_runs import RunIndex
from unsup.evaluation.protocol import DRAFT, VERSION
from unsup.evaluation.run import started_from
from unsup.models.ae import AE
from unsup.models.parts.frozen import weights_hash
from unsup.runs.config import compose, resolve
from unsup.runs.init_from import source_config
from unsup.runs.origin import stages_cost
from unsup.runs.run import Run

AE_RECIPE = {"model": {"class_path": "unsup.models.ae.AE", "init_args": {"code_dim": 4}}, "trainer": {"max_epochs": 1}}
STAGES = {"first": {}, "second": {"init_from": "first"}, "third": {"init_from": "second"}}
WRONG = {"hen": {"init_from": "egg"}, "egg": {"init_from": "hen"}, "lost": {"init_from": "frist"}}


def current(model: str) -> dict[str, Any]:
    """A report of today's protocol."""
    return report(model) | {"protocol": VERSION, "draft": DRAFT}


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recipes of one's own that start from each other."""
    configs = tmp_path / "configs"
    (configs / "model").mkdir(parents=True)
    for name, further in (STAGES | WRONG).items():
        (configs / "model" / f"{name}.yaml").write_text(yaml.safe_dump(AE_RECIPE | further))
    monkeypatch.chdir(tmp_path)
    return configs / "model"


@pytest.fixture
def root(tmp_path: Path, recipes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of runs without pictures and evaluation: they take seconds."""

    def evaluated(run: Run, data: ImageData, quick: bool) -> None:
        write_json(run.folder / "report.json", current(run.config["recipe"]))

    monkeypatch.setattr(unsup.training.train, "evaluate_run", evaluated)
    monkeypatch.setattr(unsup.training.trainer, "callbacks", lambda throughput: [throughput])
    return tmp_path / "runs"


def train(root: Path, recipe: str, *words: str) -> int:
    return main(["train", recipe, "--data", "digits", "--runs", str(root), *words])


def made(root: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(root / "digits")) for path in root.glob("*/*/*/config.yaml"))


def versions(root: Path, run: str) -> dict[str, Any]:
    return dict(json.loads((root / "digits" / run / "versions.json").read_text()))


def test_one_command_trains_the_whole_chain_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(root, "third", "--seed", "3", "--epochs", "0", "--model.lr", ".01") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "training that first" in line]
    assert [line.split()[0] for line in lines] == ["third", "second"]
    assert made(root) == ["first/3-001", "second/3-001", "third/3-001"]
    first = Run(root / "digits/first/3-001").config  # neither epochs nor options of the model are the target's
    assert first["trainer"]["max_epochs"] == 1 and first["model"]["init_args"]["lr"] != 0.01
    weights = [Run(root / "digits" / name).model().state_dict() for name in ("second/3-001", "third/3-001")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])  # zero epochs change nothing
    assert not torch.equal(
        Run(root / "digits/first/3-001").model().state_dict()["encoder.1.weight"], weights[0]["encoder.1.weight"]
    )

    assert train(root, "third", "--seed", "3", "--epochs", "1") == 0  # what there is is taken
    assert made(root) == ["first/3-001", "second/3-001", "third/3-001", "third/3-002"]
    assert "from" in capsys.readouterr().out.splitlines()[0]
    assert train(root, "second", "--seed", "4") == 0  # another seed is another run
    assert made(root)[:2] == ["first/3-001", "first/4-001"]


def test_a_run_records_where_it_started(root: Path) -> None:
    assert train(root, "third") == 0
    origin = versions(root, "third/0-001")["init_from"]
    second = Run(root / "digits/second/0-001").model()
    assert origin["run"] == "digits/second/0-001" and origin["weights_sha256"] == weights_hash(second)
    seconds = [
        json.loads((root / f"digits/{name}/0-001/training.json").read_text())["train_seconds"] for name in STAGES
    ]
    assert origin["stages_seconds"] == pytest.approx(sum(seconds[:2]))
    cost = stages_cost(Run(root / "digits/third/0-001"))
    assert cost["stages_seconds"] == pytest.approx(sum(seconds)) and cost["stages_cpu_seconds"] > 0
    assert origin["data_sha256"] == versions(root, "third/0-001")["data_sha256"]
    assert origin["pretrained_on"] == {
        "images": ["these training images"],
        "supervision": ["none"],
        "text": "started from digits/first/0-001",
    }
    assert "init_from" not in versions(root, "first/0-001")


class Seeing(AE):
    """Has views of an image."""

    def __init__(self, shape: tuple[int, int, int], augmentation: str, code_dim: int = 4, lr: float = 1e-3) -> None:
        super().__init__(shape, code_dim=code_dim, lr=lr)

    def views(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


def test_what_the_first_stage_saw_the_last_one_owes_to_it(root: Path, recipes: Path) -> None:
    assert train(root, "third") == 0
    (recipes / "first.yaml").write_text(f"model: {{class_path: {__name__}.Seeing}}\ntrainer: {{max_epochs: 1}}")
    assert train(root, "third") == 0
    views = {name: Run(root / "digits" / name).training["views"] for name in made(root)}
    assert views == {f"{name}/0-00{i}": seen for name in STAGES for i, seen in ((1, "none"), (2, "digits"))}


def test_the_command_of_a_source_repeats_it(root: Path) -> None:
    assert train(root, "second", "--data_root", "else where") == 0
    command = versions(root, "first/0-001")["command"]
    assert command == f"unsup train first --data digits --seed 0 --data_root 'else where' --runs {root}"
    assert main(shlex.split(command)[1:]) == 0
    first = root / "digits/first"
    assert (first / "0-001/config.yaml").read_text() == (first / "0-002/config.yaml").read_text()
    assert train(root, "second", "--data.noise", ".1") == 0
    assert "--data.noise 0.1 " in versions(root, "first/0-003")["command"]


def test_a_class_of_images_needs_no_name(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data.class_path", "tiny.TinyDigits", "--runs", str(root)]
    assert main(["train", "second", *words]) == 0
    made = [Run(root / "tinydigits" / recipe / "0-001") for recipe in ("first", "second")]
    for run in made:  # what is recorded can be typed
        assert main(shlex.split(run.versions["command"])[1:]) == 0
        assert Run(run.folder.with_name("0-002")).config == run.config
    capsys.readouterr()
    assert main(["sweep", "first", "--seeds", "0", *words]) == 0
    assert "1 skipped" in capsys.readouterr().out


def test_a_command_that_would_name_other_images_is_not_recorded(root: Path, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("dataset: own\ndata: {class_path: tiny.TinyDigits}\n")
    assert main(["train", "second", "--config", str(tmp_path / "own.yaml"), "--runs", str(root)]) == 0
    assert Run(root / "own/first/0-001").versions["command"] == ""


def test_a_resolved_configuration_runs_again_and_a_sweep_knows_it(root: Path) -> None:
    assert train(root, "second") == 0
    run = root / "digits/second/0-001"
    assert main(["train", "--config", str(run / "config.yaml"), "--runs", str(root)]) == 0
    assert made(root) == ["first/0-001", "second/0-001", "second/0-002"]
    again = torch.load(root / "digits/second/0-002/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, again[name]) for name, value in Run(run).model().state_dict().items())
    config = resolve(compose("second", "digits", [], [("seed", 0)]))
    assert RunIndex(root).progress(config)[1].folder == root / "digits/second/0-002"


def test_a_source_that_has_changed_since_is_trained_anew(root: Path, recipes: Path) -> None:
    assert train(root, "second") == 0
    changed = yaml.safe_load((recipes / "first.yaml").read_text()) | {"trainer": {"max_epochs": 2}}
    (recipes / "first.yaml").write_text(yaml.safe_dump(changed))
    config = resolve(compose("second", "digits", [], [("seed", 0)]))
    assert RunIndex(root).progress(config) == ("new", None)  # its own options are the same
    assert train(root, "second") == 0
    assert versions(root, "second/0-002")["init_from"]["run"] == "digits/first/0-002"
    shutil.rmtree(root / "digits/first")  # what is gone cannot be asked
    assert RunIndex(root).progress(config)[1].folder == root / "digits/second/0-002"


def test_a_report_knows_what_its_start_was_worth(tmp_path: Path) -> None:
    run, source = tmp_path / "digits/second/0-001", tmp_path / "digits/first/0-001"
    source.mkdir(parents=True)
    assert started_from(Run(run), {}) is None
    origin = {"run": "digits/first/0-001", "weights_sha256": "ab" * 32}
    own = {"data_sha256": "images", "init_from": origin}
    record = {"data_sha256": "images", "versions": {}, "hardware": {}, "command": "unsup train first"}
    assert started_from(Run(run), own) is None  # no report
    (source / "report.json").write_text(json.dumps(current("first")))
    assert started_from(Run(run), own) is None  # no versions.json
    (source / "versions.json").write_text(json.dumps(record))
    found = started_from(Run(run), own)
    assert found is not None and found.run == origin["run"]
    kept = ("code_dim", "linear_probe", "few_label", "knn", "kmeans", "reconstruction", "rankme")
    assert found.scores == typed(report() | {"scores": {key: report()["scores"][key] for key in kept}}).scores
    assert started_from(Run(run), own | {"data_sha256": "others"}) is None
    assert started_from(Run(run), own | {"init_from": origin | {"weights_sha256": "cd" * 32}}) is None
    for damage in ({"protocol": 1}, {"draft": 99}, {"frozen": 3}, {"scores": [1]}, {"scores": 1}):
        (source / "report.json").write_text(json.dumps(current("first") | damage))
        assert started_from(Run(run), own) is None


def test_a_source_of_other_images_is_not_taken(root: Path) -> None:
    assert train(root, "first") == 0
    path = root / "digits/first/0-001/versions.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_sha256": "others"}))
    assert train(root, "second") == 0
    assert versions(root, "second/0-001")["init_from"]["run"] == "digits/first/0-002"


def test_a_source_that_was_interrupted_is_resumed_and_one_in_use_is_left_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(root, "first") == 0
    first = root / "digits/first/0-001"
    for name in ("training.json", "report.json"):
        (first / name).unlink()
    with FileLock(first / ".lock"):
        assert train(root, "second") == 1
    assert "another process is training" in capsys.readouterr().err and made(root) == ["first/0-001"]
    assert train(root, "second") == 0
    assert made(root) == ["first/0-001", "second/0-001"] and (first / "training.json").exists()


def test_a_run_is_resumed_without_its_source(root: Path) -> None:
    assert train(root, "second") == 0
    run = root / "digits/second/0-001"
    for name in ("training.json", "report.json"):
        (run / name).unlink()
    shutil.rmtree(root / "digits/first")
    assert main(["resume", str(run)]) == 0
    assert (run / "training.json").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lost"], "unknown model 'frist' (did you mean 'first'?); write a run folder with a slash"),
        (["hen"], "egg from hen from egg is a circle"),
        (["first", "--init_from", "hen"], "is a circle"),
        (["second", "--init_from", "frist"], "did you mean 'first'?"),
        (["first", "--init_from", "./nowhere"], "no run folder './nowhere'"),
        (["third", "--model.code_dim", "8"], "encoder.3.weight has shape (4, 32) in the other run, (8, 32) here"),
    ],
)
def test_a_wrong_start_is_one_line_before_anything_is_trained(
    words: list[str], expected: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(root, *words) in (1, 2)
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1
    assert not root.exists()


def test_the_command_line_overrides_the_recipe(root: Path) -> None:
    assert train(root, "first") == 0
    assert train(root, "third", "--init_from", str(root / "digits/first/0-001")) == 0
    assert versions(root, "third/0-001")["init_from"]["run"] == "digits/first/0-001"
    assert train(root, "third", "--init_from", "first") == 0
    assert train(root, "first", "--init_from", "first") == 0  # no circle: that recipe starts from nothing
    assert made(root) == ["first/0-001", "first/0-002", "third/0-001", "third/0-002"]


def test_a_source_sees_the_same_images(recipes: Path, tmp_path: Path) -> None:
    options = [("data.images", str(tmp_path)), ("data.size", 16), ("data.batch_size", 7), ("data.root", "there")]
    config = resolve(compose("second", "folder", [], options))
    source, _ = source_config(config)
    assert source["recipe"] == "first" and source["dataset"] == config["dataset"] == f"folder-{tmp_path.name}"
    arguments = source["data"]["init_args"]
    assert arguments["size"] == 16 and arguments["images"] == str(tmp_path) and arguments["root"] == "there"
    assert arguments["batch_size"] != 7


def test_comparisons_and_kept_reports_name_the_recipe_and_no_folder() -> None:
    for start in ("ae", "/of/runs/mnist/ae/3-001"):
        assert dotted_options({"dataset": "mnist", "init_from": start})["init_from"] == "mnist/ae"
    content = report()
    content["run"]["command"] = "unsup train dec --init_from /some/where/mnist/ae/3-001 --seed 3 --runs /some/where"
    content["provenance"]["config"] = {"init_from": "/some/where/mnist/ae/3-001"}
    content["provenance"]["init_from"] = {"run": "mnist/ae/3-001", "weights_sha256": "ab" * 32}
    made = without_local_paths(typed(content))
    kept = made.run.command + json.dumps(made.provenance.config)
    assert "some" not in kept and kept.count("runs/mnist/ae/3-001") == 2


@pytest.mark.parametrize("place", ["images", "file", "path"])
def test_no_place_of_images_or_loggers_is_recorded(place: str) -> None:
    content = report()
    content["run"]["command"] = f"unsup train ae --data.{place} /some/where/beans --logger csv --epochs 3"
    logger = {"class_path": "a.Logger", "init_args": {"save_dir": "/some/where"}}
    content["provenance"]["config"] = {
        "data": {"init_args": {place: "/some/where/beans"}},
        "trainer": {"max_epochs": 3, "logger": logger},
    }
    made = without_local_paths(typed(content))
    assert made.run.command == f"unsup train ae --data.{place} beans --epochs 3"
    assert made.provenance.config == {"data": {"init_args": {place: "beans"}}, "trainer": {"max_epochs": 3}}


# ---- models ----------------------------------------------------------------------------------------------------------


class Later(Coder):
    """Takes the encoder only, and cannot do without."""

    needs_init = True

    def initialise(self, state: dict[str, torch.Tensor]) -> None:
        super().initialise({name: value for name, value in state.items() if name.startswith("encoder.")})


def test_a_method_may_take_part_of_the_weights() -> None:
    torch.manual_seed(0)
    other, model = Coder(), Later()
    decoder = model.decoder[0].weight.clone()
    assert not model.initialised
    model.initialise(other.state_dict())
    assert model.initialised and torch.equal(model.encoder[1].weight, other.encoder[1].weight)
    assert torch.equal(model.decoder[0].weight, decoder)
    with pytest.raises(UserError, match="no weights that Later starts from"):
        model.initialise({"backbone.weight": torch.zeros(3)})
    message = r"encoder.1.weight has shape \(4, 64\) in the other run, \(8, 64\) here: give AE"
    with pytest.raises(UserError, match=message):
        AE(SHAPE, 8).initialise(AE(SHAPE, 4).state_dict())


def test_a_method_that_needs_a_start_says_so(root: Path, recipes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipes / "later.yaml").write_text(f"model: {{class_path: {__name__}.Later}}")
    assert train(root, "later") == 2
    error = capsys.readouterr().err
    assert "later starts from the weights of another run" in error and error.count("\n") == 1
    assert not root.exists()
