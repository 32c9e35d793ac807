"""The Makefile's install rule, on a stand-in interpreter that writes down what it is asked to do."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]

# Logs its arguments; `-m venv D` makes D/bin/python a copy of itself; FAIL=<word> fails commands holding that word.
STAND_IN = """#!/bin/sh
echo "$*" >> "$LOG"
if [ -n "$FAIL" ]; then case "$*" in *"$FAIL"*) exit 1;; esac; fi
if [ "$1 $2" = "-m venv" ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi
"""


class Project:
    """A copy of the Makefile in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copy(TOP / "Makefile", folder)
        for name in ("pyproject.toml", "constraints.txt"):
            (folder / name).write_text("")
        self.python = folder / "python-stand-in"
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)
        self.log = folder / "log"

    def make(self, *words: str, fail: str = "") -> tuple[int, list[str]]:
        """Exit code, and the commands that the interpreter was given."""
        self.log.write_text("")
        environment = {"PATH": os.environ["PATH"], "LOG": str(self.log), "FAIL": fail}  # nothing of an outer make
        command = ["make", f"PYTHON={self.python}", *words]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        return done.returncode, self.log.read_text().splitlines()

    def later(self, name: str) -> None:
        """Change a file so that it is newer than the stamp."""
        stamp = (self.folder / ".venv" / ".installed").stat().st_mtime
        os.utime(self.folder / name, (stamp + 2, stamp + 2))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def installs(commands: list[str]) -> int:
    return sum("pip install" in command for command in commands)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "deep_ae"], "train deep_ae: make takes words with a name, as in MODEL=deep_ae"),
        (["evaluate", "runs/x"], "evaluate runs/x: make takes words with a name, as in RUN=runs/x"),
        (["selfcheck", "x"], "selfcheck x: selfcheck takes no words"),
        (["train", "EPOCH=1"], "train takes no EPOCH=: did you mean EPOCHS=?"),
        (["train", "MODLE=ae"], "train takes no MODLE=: did you mean MODEL=?"),
        (["train", "SEEDS=1"], "train takes no SEEDS=: did you mean SEED=?"),
        (["train", "dataset=digits"], "train takes no dataset=: did you mean DATA=?"),
        (["train", "FOO=1"], "train takes no FOO=: give it MODEL DATA"),
    ],
)
def test_words_that_a_verb_does_not_take_are_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    shutil.copy(TOP / "Makefile", tmp_path)
    done = subprocess.run(["make", f"PY={sys.executable}", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_a_misspelt_target_is_told_where_targets_are_listed(tmp_path: Path) -> None:
    shutil.copy(TOP / "Makefile", tmp_path)
    for target, hint in (("lable", "did you mean make label? "), ("xyzzy", "")):
        done = subprocess.run(["make", target], cwd=tmp_path, capture_output=True, text=True)
        first = f"make has no target '{target}': {hint}make help lists them"
        assert done.returncode == 2 and done.stderr.splitlines()[0] == first


def test_first_command_installs_and_the_second_does_not(project: Project) -> None:
    code, commands = project.make("models")
    assert code == 0 and installs(commands) == 1
    assert any("--constraint constraints.txt" in command for command in commands)
    assert any("torchvision.ops.nms" in command for command in commands)  # they belong together
    assert commands[-1] == "-m unsup models"
    assert project.make("models") == (0, ["-m unsup models"])


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_installs_once_more(project: Project, name: str) -> None:
    project.make("install")
    project.later(name)
    assert installs(project.make("install")[1]) == 1


@pytest.mark.parametrize("step", ["pip install", "pip check", "torchvision"])
def test_a_failed_install_is_tried_again(project: Project, step: str) -> None:
    code, commands = project.make("models", fail=step)
    assert code != 0 and "-m unsup models" not in commands
    assert not (project.folder / ".venv" / ".installed").exists()
    code, commands = project.make("models")
    assert code == 0 and installs(commands) == 1


@pytest.mark.parametrize("path", ["a$b", "$HOME", "$(shell exit)", "it's", 'a "b" `c` #d', "a\\b"])
def test_a_path_reaches_the_program_as_it_was_typed(project: Project, path: str) -> None:
    project.python.write_text('#!/bin/sh\nprintf "%s|" "$@" >> "$LOG"\n')
    (command,) = project.make("classify", f"PY={project.python}", "RUN=r", f"IMAGES={path}")[1]
    assert command == f"-m|unsup|classify|r|--images|{path}|"
    (command,) = project.make("bench", f"PY={project.python}", f"DATA_ROOT={path}")[1]
    assert command == f"benchmarks/bench.py|--data_root|{path}|"


def test_a_ready_environment_is_used_as_it_is(project: Project) -> None:
    code, commands = project.make("models", f"PY={project.python}")
    assert (code, commands) == (0, ["-m unsup models"])
    assert not (project.folder / ".venv").exists()


def test_variables_become_options(project: Project) -> None:
    py = f"PY={project.python}"
    words = ["MODEL=ae", "DATA=digits", "SEED=3", "EPOCHS=2", "DATA_ROOT=d", "ARGS=--model.lr 0.1"]
    (command,) = project.make("train", py, *words)[1]
    assert command == "-m unsup train ae --data digits --seed 3 --epochs 2 --data_root d --runs runs --model.lr 0.1"
    (command,) = project.make("compare", py, "DATA=mnist", "RUNS=r", "SORT=few-label 10")[1]
    assert command == "-m unsup compare --data mnist --sort few-label 10 --runs r"
    assert project.make("compare", py)[1] == ["-m unsup compare --runs runs"]
    (command,) = project.make("train", py, "MODEL=ae", "IMAGES=my pictures")[1]
    assert command == "-m unsup train ae --images my pictures --runs runs"
    words = ["RUN=r", "IMAGES=my pictures", "OUT=o", "LABELS=names.csv", "SORT=copy"]
    (command,) = project.make("classify", py, *words)[1]
    assert command == "-m unsup classify r --images my pictures --out o --labels names.csv --sort copy"
    (command,) = project.make("label", py, "ENCODER=x", "IMAGES=my pictures", "LABELS=l.csv", "OUT=o.html")[1]
    assert command == "-m unsup label --encoder x --images my pictures --labels l.csv --out o.html --runs runs"
    assert project.make("label", py, "RUN=r")[1] == ["-m unsup label r --runs runs"]
    (command,) = project.make("encode", py, "RUN=r", "IMAGES=i", "OUT=codes.parquet")[1]
    assert command == "-m unsup encode r --images i --out codes.parquet"
    (command,) = project.make("start", py, "IMAGES=my pictures", "ENCODER=starter timm:resnet18")[1]
    assert command == "-m unsup start --images my pictures --encoder starter timm:resnet18 --runs runs"
    assert project.make("export", py, "RUN=r", "ONNX=1")[1] == ["-m unsup export r --onnx"]
    (command,) = project.make("reproduce", py, "CARD=mnist-ae", "SEEDS=0 2", "DATA_ROOT=d")[1]
    assert command == "-m unsup reproduce mnist-ae --seeds 0 2 --data_root d --runs runs/reproduced"


@pytest.mark.parametrize(
    "words", [["train", "MODEL=ae", "DAT=digits"], ["train", "MODEL=ae", "SEEDS=7"], ["models", "MODEL=ae"]]
)
def test_a_variable_that_a_verb_does_not_take_is_refused(project: Project, words: list[str]) -> None:
    code, commands = project.make(*words, f"PY={project.python}")
    assert code == 2 and not any("unsup" in command for command in commands)


def test_every_verb_takes_the_variables_that_its_help_names(project: Project) -> None:
    assert project.make("sweep", "MODEL=ae", "SEEDS=0", "ARGS=", "RUNS=r", f"PY={project.python}")[0] == 0
    assert project.make("compare", "DATA=digits", "SORT=kNN", f"PY={project.python}")[0] == 0


def test_variables_of_a_sweep_and_of_a_resumed_run_become_options(project: Project) -> None:
    py = f"PY={project.python}"
    words = ["MODELS=ae deep_ae", "SEEDS=0 1", "GRID=model.code_dim=10,30 model.widths=[500,250],[100]", "EPOCHS=2"]
    (command,) = project.make("sweep", py, *words, "DATA=digits", "DATA_ROOT=d", "ARGS=--model.lr 0.1")[1]
    assert command == (
        "-m unsup sweep ae deep_ae --seeds 0 1 --data digits --grid model.code_dim=10,30 model.widths=[500,250],[100] "
        "--epochs 2 --data_root d --runs runs --model.lr 0.1"
    )
    (command,) = project.make("sweep", py, "MODELS=ae", "IMAGES=my pictures", "RUNS=r")[1]
    assert command == "-m unsup sweep ae --images my pictures --runs r"
    (command,) = project.make("resume", py, "RUN=a b", "DATA_ROOT=d")[1]
    assert command == "-m unsup resume a b --data_root d"
    (command,) = project.make("resume", py, "RUN=r", "EPOCHS=9")[1]
    assert command == "-m unsup resume r --epochs 9"
    (command,) = project.make("finetune", py, "RUN=r", "SHARE=0.1", "SCRATCH=1", "SEED=2")[1]
    assert command == "-m unsup finetune r --share 0.1 --scratch --seed 2"


def test_a_port_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        for port in (str(taken.getsockname()[1]), "http", "99999"):
            words = ["make", "dashboard", f"PY={sys.executable}", f"RUNS={tmp_path}", f"PORT={port}"]
            clean = {"PATH": os.environ["PATH"]}  # nothing of an outer make
            done = subprocess.run(words, cwd=TOP, env=clean, capture_output=True, text=True)
            error, *rest = done.stderr.splitlines()
            assert done.returncode == 2 and "make dashboard PORT=" in error
            assert error.startswith(f"PORT={port} is in use")
            assert len(rest) == 1 and rest[0].startswith("make: ") and not done.stdout


def test_the_manual_is_built_without_and_with_executed_notebooks(project: Project) -> None:
    py = f"PY={project.python}"
    ((plain,), (executed,)) = (project.make(verb, py, "ARGS=-b linkcheck")[1] for verb in ("docs", "notebooks"))
    assert plain.startswith("-m sphinx ") and plain.endswith(" -b linkcheck build/docs/source build/docs/html")
    assert "--fail-on-warning" in plain and "nb_execution_mode" not in plain
    assert executed == plain.replace("-b linkcheck", "-D nb_execution_mode=cache -b linkcheck")
    assert project.make("release-check", py)[1][1:] == ["tests/release.py build/release"]


def test_help_lists_every_verb() -> None:
    clean = {"PATH": os.environ["PATH"]}
    listed = subprocess.run(["make"], cwd=TOP, env=clean, capture_output=True, text=True, check=True).stdout
    for verb in (
        "install",
        "train",
        "resume",
        "sweep",
        "finetune",
        "audit",
        "evaluate",
        "label",
        "classify",
        "similar",
        "encode",
        "export",
        "models",
        "compare",
        "results",
        "reproduce",
        "dashboard",
        "docs",
        "notebooks",
        "release-check",
        "test",
        "test-all",
        "test-nightly",
        "check",
    ):
        assert f"make {verb} " in listed
