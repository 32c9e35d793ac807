"""Configuration and command line: layers, strictness, one-line errors, exit codes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from unsup.cli.main import COMMANDS, main
from unsup.cli.parser import split_options
from unsup.core.errors import UsageError
from unsup.core.strict_yaml import as_plain as listed
from unsup.core.strict_yaml import dump_yaml
from unsup.runs.config import compose, merge, precheck, read_layer, resolve
from unsup.runs.lookup import SHIPPED, config_names, variants

MODELS, DATA = config_names("model"), config_names("data")


def line(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line on stderr that a wrong command ends with."""
    assert main(list(argv)) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("model", MODELS)
def test_every_recipe_goes_with_every_data_set(model: str, data: str) -> None:
    places = {
        "folder": ("images", "somewhere"),
        "streamed": ("stream", "elsewhere"),
        "npz": ("file", "a/cells.npz"),
        "hf": ("path", "b/beans"),
    }
    options = [(f"data.{places[data][0]}", places[data][1])] if data in places else []
    resolved = resolve(compose(model, data, [], options))
    name = {"folder": "folder-somewhere", "npz": "npz-cells", "hf": "hf-beans"}.get(data, data)
    assert resolved["recipe"] == model and resolved["dataset"] == name
    assert resolved["seed"] == 0


def test_later_layers_win(tmp_path: Path) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text("seed: 3\ntrainer: {max_epochs: 7}\nmodel: {init_args: {lr: 0.5}}\n")
    merged = compose("ae", "digits", [extra], [("model.lr", 0.25)])
    assert merged["seed"] == 3 and merged["trainer"]["max_epochs"] == 7
    assert merged["model"]["init_args"]["lr"] == 0.25
    assert merged["trainer"]["accelerator"] == "auto"  # from base.yaml


def test_pair_file_is_found_and_keeps_the_recipe_name() -> None:
    pairs = sorted(SHIPPED.glob("model/*@*.yaml"))
    assert any("+" in path.stem for path in pairs) and any("+" not in path.stem for path in pairs), "both are checked"
    for path in pairs:
        model = path.stem.partition("@")[0]
        for data in path.stem.partition("@")[2].split("+"):
            assert model in MODELS and data in DATA, path
            assert variants(model, data) == [path], "one file for one pair"
            merged = compose(model, data, [], [])
            assert merged["recipe"] == model and merged["dataset"] == data
            assert merge(merged, read_layer(path)) == merged  # it is in there, on top


def test_another_class_drops_the_arguments_of_the_one_before() -> None:
    first = {"model": {"class_path": "a.A", "init_args": {"width": 3}}}
    assert merge(first, {"model": {"class_path": "b.B"}})["model"] == {"class_path": "b.B"}
    assert merge(first, {"model": {"class_path": "a.A"}})["model"]["init_args"] == {"width": 3}


def test_resolved_config_can_be_run_again(tmp_path: Path) -> None:
    first = resolve(compose("deep_ae", "digits", [], [("seed", 4), ("model.lr", "2e-3")]))
    assert first["model"]["init_args"]["lr"] == 2e-3  # YAML reads 2e-3 as text; the signature says float
    saved = tmp_path / "config.yaml"
    saved.write_text(dump_yaml(first))
    assert plain(resolve(compose(None, None, [saved], []))) == plain(first)


def plain(value: object) -> object:
    return yaml.safe_load(yaml.safe_dump(listed(value)))


def test_options_are_split_from_words() -> None:
    options, rest = split_options(["train", "--model.lr", "-0.5", "ae", "--data.sizes=[3, 4]", "--seed", "1"])
    assert options == [("model.lr", -0.5), ("data.sizes", [3, 4])]
    assert rest == ["train", "ae", "--seed", "1"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["train", "deepae"], "unknown model 'deepae' (did you mean 'deep_ae'?)"),
        (["train", "ae", "--data", "minst"], "unknown data 'minst' (did you mean 'mnist'?)"),
        (["train"], "no model given"),
        (["train", "ae", "--sed", "3"], "--sed (did you mean '--seed'?)"),
        (["train", "ae", "mnist"], "train: unexpected argument 'mnist' (did you mean --data mnist?)"),
        (["train", "ae", "3"], "train: unexpected argument '3'"),
        (["train", "simclr", "--lr", "0.1"], "train has no option --lr (did you mean '--model.lr'?)"),
        (["sweep", "ae", "--batch_size", "3"], "sweep has no option --batch_size (did you mean '--data.batch_size'?)"),
        (["train", "ae", "--max_epochs", "3"], "(did you mean '--trainer.max_epochs'?)"),
        (["train", "ae", "--xyz", "3"], "train has no option --xyz\n"),
        (["train", "ae", "--seed", "x"], "--seed x: give an integer"),
        (["train", "ae", "--seed", "-1"], "seed: expected a whole number from 0 to 4294967295, got -1"),
        (
            ["train", "ae", "--data", "digits", "--model.code_dmi", "3"],
            "no option 'code_dmi' (did you mean 'code_dim'?)",
        ),
        (["train", "ae", "--data", "digits", "--model.code_dim", "eight"], "model.code_dim: expected int, got 'eight'"),
        (["train", "ae", "--data", "digits", "--model.code_dim", "null"], "model.code_dim: expected int, got None"),
        (["train", "ae", "--data", "digits", "--model.code_dim"], "--model.code_dim needs a value"),
        (["train", "ae", "--data", "digits", "--model.code_dim", "[3"], "cannot read the value '[3'"),
        (["train", "ae", "--data", "digits", "--model.shape", "[1, 8, 8]"], "model.shape comes from the data set"),
        (["train", "ae", "--data", "digits", "--data.batch_sise", "3"], "(did you mean 'batch_size'?)"),
        (["train", "ae", "--data", "digits", "--trainer.max_epoch", "3"], "(did you mean 'max_epochs'?)"),
        (["train", "ae", "--data", "digits", "--trainer.max_epochs", "x"], "trainer.max_epochs: expected"),
        (
            ["train", "ae", "--data", "digits", "--trainer.logger", "false"],
            "trainer.logger is False: TensorBoard's is always there",
        ),
        (["train", "ae", "--data", "digits", "--modell.lr", "3"], "unknown key 'modell' (did you mean 'model'?)"),
        (["train", "ae", "--data", "digits", "--matmul_precision", "low"], "'highest', 'high', 'medium'"),
        (["train", "ae", "--data", "digits", "--compile", "fast"], "'default', 'reduce-overhead', 'max-autotune'"),
        (["train", "gan", "--data", "digits", "--compile", "default"], "compile: GAN has its own training_step"),
        (["train", "ae", "--data", "folder"], "data.images must be given"),
        (["train", "ae", "--data", "mnist", "--images", "x"], "--images goes with --data folder"),
        (["train", "ae", "--config", "nope.yaml"], "cannot read configuration nope.yaml: No such file"),
        (["train", "ae", "--data", "digits", "--model.class_path", "unsup.models.pca.PCA"], "give one of the two"),
        (["train", "ae", "--data", "digits", "--seed", "5000000000"], "from 0 to 4294967295"),
        (["train", "ae", "--threads", "0"], "threads: expected auto or a whole number from 1 to 1024, got 0"),
        (["train", "ae", "--threads", "many"], "--threads many: give an integer, or auto"),
        (["sweep", "ae", "--threads", "1.5"], "--threads 1.5: give an integer, or auto"),
        (["evaluate", "x", "--threads", "2"], "evaluate has no option --threads"),
        (["evaluate", "x", "--model.lr", "3"], "--model.lr goes with --encoder, not with a run"),
        (["sweep"], "required: MODEL"),
        (["sweep", "ae", "--seeds", "0", "x"], "--seeds x: give integers"),
        (["sweep", "ae", "--data", "mnist", "--images", "x"], "--images goes with --data folder"),
        (["trian"], "invalid choice: 'trian'"),
        ([], "required: VERB"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], argv: list[str], expected: str) -> None:
    assert expected in line(capsys, *argv)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: [1, 2\n", "extra.yaml is not valid YAML: line"),
        ("modle: {}\n", "extra.yaml: unknown key 'modle' (did you mean 'model'?)"),
        ("- 3\n", "extra.yaml: expected keys such as model, data, trainer"),
        ("model: 3\n", "extra.yaml: model holds keys, got 3"),
        ("model: {lr: 3}\n", "extra.yaml: model.lr: put options of the model under model.init_args"),
        ("model: {class_path: null}\n", "extra.yaml: model.class_path is an import path, got None"),
        ("model: {class_path: unsup.models.pca.PCA}\n", "extra.yaml sets another model.class_path than ae"),
        ("\x00", "extra.yaml is not valid YAML"),
        ("threads: 1.5\n", "threads: expected auto or a whole number from 1 to 1024, got 1.5"),
        ("threads: null\n", "threads: expected auto or a whole number from 1 to 1024, got None"),
    ],
)
def test_broken_files_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "extra.yaml"
    path.write_text(text)
    assert expected in line(capsys, "train", "ae", "--data", "digits", "--config", str(path))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("unsup.models.ae.Nope", "class_path unsup.models.ae.Nope: no Model of that name there"),
        ("unsup.models.nope.AE", "class_path unsup.models.nope.AE: No module named"),
        ("pathlib.Path", "class_path pathlib.Path: no Model of that name there"),
    ],
)
def test_classes_that_are_none_are_one_line(capsys: pytest.CaptureFixture[str], path: str, expected: str) -> None:
    assert expected in line(capsys, "train", "--data", "digits", "--model.class_path", path)


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNSUP_DEBUG", "1")
    with pytest.raises(UsageError, match="deepae"):
        main(["train", "deepae"])


def test_print_config_is_the_resolved_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "ae", "--data", "digits", "--epochs", "2", "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["trainer"]["max_epochs"] == 2 and printed["recipe"] == "ae"
    assert printed == plain(resolve(compose("ae", "digits", [], [("trainer.max_epochs", 2)])))


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> None:
        """Fail."""
        raise OSError(28, "No space left on device", "a\nfile")

    monkeypatch.setitem(COMMANDS, "full", full)
    assert main(["full"]) == 1
    assert capsys.readouterr().err == "unsup: a\\nfile: No space left on device\n"


def test_a_range_that_its_source_does_not_tell_is_left_to_the_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "user_ranges.py").write_text(
        "from typing import Annotated\nfrom unsup.core.ranges import AtLeast\nfrom far.away import LEAST\n"
        "class Own(Model):\n  def __init__(self, size: Annotated[int, AtLeast(LEAST)]): pass"
    )
    config = compose("ae", "digits")
    precheck(config | {"model": {"class_path": "user_ranges.Own", "init_args": {"size": 3}}})
    with pytest.raises(UsageError, match="size: expected int, got 'x'"):
        precheck(config | {"model": {"class_path": "user_ranges.Own", "init_args": {"size": "x"}}})


def test_help_and_typos_answer_without_torch() -> None:
    code = """
import sys
from unsup.cli.main import main
assert main(["train", "deepae"]) == 2
assert main(["train", "ae", "--data", "digits", "--modell.lr", "3"]) == 2
assert main(["sweep", "ae", "deepae"]) == 2
assert main(["sweep", "ae", "--data", "digits", "--grid", "modell.lr=1,2"]) == 2
assert main(["train", "ae", "--data", "digits", "--model.lrr", "1"]) == 2
assert main(["train", "ae", "--model.lr", "x"]) == 2
assert main(["train", "deep_ae", "--data", "digits", "--model.shape", "[1, 8, 8]"]) == 2
assert main(["train", "ae", "--data", "folder"]) == 2
assert main(["train", "ae", "--data", "digits", "--model.hidden", "0"]) == 2
assert main(["train", "conv_ae", "--data", "digits", "--model.blocks", "1000000"]) == 2
assert main(["train", "ae", "--trainer.max_epoch", "1"]) == 2
assert main(["train", "ae", "--trainer.max_epochs", "x"]) == 2
assert main(["train", "ae", "--trainer.logger", "false"]) == 2
assert main(["train", "ae", "--seed", "-1"]) == 2
assert main(["train", "ae", "--images", "no/such"]) == 1
assert main(["sweep", "ae", "--data", "digits", "--model.lrr", "1"]) == 2
assert main(["sweep", "ae", "deep_ae", "--data", "digits", "--grid", "model.mask=0,1"]) == 2
assert main(["sweep", "ae", "--images", "no/such"]) == 1
for verb in ("resume", "evaluate", "export"):
    assert main([verb, "no/such/run"]) == 1
for verb in ("classify", "encode"):
    assert main([verb, "no/such/run", "--images", "x"]) == 1
assert main(["zero_shot", "no/such/run", "--words", "a", "b", "--text_encoder", "x"]) == 1
assert main(["compare", "--runs", "no/such"]) == 1
assert main(["reproduce", "no-such-card"]) == 2
assert not {"torch", "lightning"} & set(sys.modules)
assert main(["models"]) == 0
try:
    main(["train", "--help"])
except SystemExit as e:
    assert e.code == 0
heavy = {"torch", "lightning", "sklearn", "torchvision"} & set(sys.modules)
assert not heavy, heavy
"""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "deep_ae" in done.stdout
    assert time.perf_counter() - started < 5  # 0.5 s on a quiet machine; importing torch and Lightning takes 7
