"""Recipes and modules of one's own: found in the working directory, file by file, hiding nothing by accident."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

import unsup.runs.lookup
from unsup.cli.main import main
from unsup.core.errors import UsageError, UserError
from unsup.runs.config import compose, load_class
from unsup.runs.lookup import SHIPPED, config_names, is_own, locate, results_folder, variants
from unsup.runs.provenance import git_state
from unsup.runs.recipes import how_chosen

TOP = Path(__file__).parents[2]
MINE = "# Mine\n# chosen: published\nmodel: {class_path: my_lookup_model.Mine}\ntrainer: {max_epochs: 1}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with recipes of one's own."""
    for kind in ("model", "data"):
        (tmp_path / "configs" / kind).mkdir(parents=True)
    (tmp_path / "configs" / "model" / "mine.yaml").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def test_recipes_of_this_folder_stand_next_to_those_of_the_package(folder: Path) -> None:
    assert {"mine", "ae"} <= set(config_names("model")) and "digits" in config_names("data")
    config = compose("mine", "digits")
    assert (config["recipe"], config["dataset"], config["trainer"]["max_epochs"]) == ("mine", "digits", 1)
    assert config["trainer"]["accelerator"] == "auto"  # of the package's base.yaml
    assert how_chosen(config) == "published"
    assert is_own(locate("model/mine.yaml")) and not is_own(locate("model/ae.yaml"))


def test_a_hidden_recipe_is_said_once_in_one_line(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = (SHIPPED / "model" / "ae.yaml").read_text().replace("hidden: 32", "hidden: 7")
    (folder / "configs" / "model" / "ae.yaml").write_text(own)
    with caplog.at_level(logging.WARNING):
        assert compose("ae", "mnist")["model"]["init_args"]["hidden"] == 7
        compose("ae", "mnist")
        compose("deep_ae", "mnist")
    assert caplog.messages == ["configs/model/ae.yaml of this folder is used, not the one of unsup"]
    assert variants("ae", "digits") == []  # the package's variant is of the recipe that is hidden
    assert variants("vae", "digits") == [SHIPPED / "model" / "vae@digits.yaml"]


def test_a_base_and_a_variant_of_this_folder_are_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "configs" / "base.yaml").write_text("seed: 5\n")
    (folder / "configs" / "model" / "mine@digits.yaml").write_text("trainer: {max_epochs: 9}\n")
    config = compose("mine", "digits")
    assert config["seed"] == 5 and config["trainer"] == {"max_epochs": 9}
    assert compose("mine", "mnist")["trainer"] == {"max_epochs": 1}


def test_in_a_checkout_both_are_the_same_file(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(TOP)
    compose("ae", "digits")
    assert locate("model/ae.yaml") == SHIPPED / "model" / "ae.yaml" and not caplog.messages


def test_modules_of_this_folder_come_after_all_others(folder: Path) -> None:
    (folder / "my_lookup_model.py").write_text("from unsup.models.pixels import Pixels as Mine\n")
    (folder / "random.py").write_text("raise RuntimeError\n")
    assert load_class("my_lookup_model.Mine", unsup.Model).__name__ == "Pixels"
    assert sys.path[-1] == str(folder) and sys.path.count(str(folder)) == 1
    load_class("my_lookup_model.Mine", unsup.Model)
    assert sys.path.count(str(folder)) == 1


def test_options_of_a_model_in_this_folder_are_known_without_torch(folder: Path) -> None:
    (folder / "my_lookup_model.py").write_text(
        "from unsup.models.base import Model\n\n\nclass Mine(Model):\n"
        "    def __init__(self, shape: tuple[int, int, int], code_dim: int = 3):\n        super().__init__(shape)\n"
    )
    words = ["train", "mine", "--data", "digits", "--model.dim", "1"]
    script = "import sys; from unsup.cli.main import main; sys.exit(main())"  # as the console script does it
    command = [sys.executable, "-P", "-X", "importtime", "-c", script, *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "did you mean 'code_dim'" in done.stderr
    assert not re.search(r"\| +torch\b", done.stderr)


def test_a_module_that_is_no_python_is_one_line(folder: Path) -> None:
    (folder / "broken_lookup_model.py").write_text("class Mine(:\n")
    with pytest.raises(UsageError, match=r"class_path broken_lookup_model.Mine: .*broken_lookup_model.py, line 1"):
        load_class("broken_lookup_model.Mine", unsup.Model)


@pytest.mark.parametrize("command", [["-m", "unsup"], ["-c", "import sys; from unsup.cli.main import main; main()"]])
def test_a_users_random_hides_nothing_from_the_libraries(folder: Path, command: list[str]) -> None:
    (folder / "random.py").write_text("raise RuntimeError('the one of the user')\n")
    if command[0] == "-c":  # as the console script does it
        command = ["-P", *command]
    done = subprocess.run([sys.executable, *command, "models"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    mine = done.stdout[done.stdout.index("mine ") :].splitlines()[0]
    assert (
        mine.split() == ["mine", "Mine", "(configs/model/mine.yaml", "of", "this", "folder)"]
        and "\nvae " in done.stdout
    )


def test_an_installed_package_says_where_recorded_results_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unsup.runs.lookup, "SHIPPED", unsup.runs.lookup.PACKAGE / "configs")
    with pytest.raises(UserError, match="in results/ of a checkout"):
        results_folder()
    assert main(["reproduce", "digits-pca"]) == 1 and "clone the repository" in capsys.readouterr().err
    assert git_state() == {}  # a repository around the installed package is another project's
