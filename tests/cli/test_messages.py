"""What is suggested where something is misspelt, in the form that is typed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unsup.cli.main import main
from unsup.core.errors import nearest

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("MNIST", ["mnist", "digits"], "mnist"),
        ("optimizer", ["compile", "epochs", "seed"], None),
        ("digits-foo", ["digits-byol", "digits-ae"], None),
        ("digits-deepae", ["digits-deep_ae", "digits-ae"], "digits-deep_ae"),
        ("dim", ["code_dim", "hidden"], "code_dim"),
        ("batchsize", ["batch_size", "epochs"], "batch_size"),
        ("x", [], None),
    ],
)
def test_a_name_is_near_or_none_is(name: str, known: list[str], expected: str | None) -> None:
    assert nearest(name, known) == expected


@pytest.mark.parametrize(
    ("words", "by_program", "by_make"),
    [
        ("train deep_ae --lr .1", "no option --lr (did you mean '--model.lr'?)", ""),
        ("train deep_ae --batch_size 9", "(did you mean '--data.batch_size'?)", ""),
        ("train deep_ae --batchsize 9", "(did you mean '--data.batch_size'?)", ""),
        ("train deep_ae --optimizer adam", "train has no option --optimizer\n", ""),
        ("train ae --data MNIST", "unknown data 'MNIST' (did you mean 'mnist'?)", ""),
        ("train ae --data folder", "must be given: --images <folder>\n", "must be given: IMAGES=<folder>\n"),
        ("train ae --data npz", "must be given: --data.file <file>\n", 'must be given: ARGS="--data.file <file>"\n'),
        ("train ae --data digits --epochs -1", "max_epochs is -1: say how long", "such as EPOCHS=20, or"),
        ("train ae vae", "'vae': unsup sweep ae vae trains several", "'vae': make sweep 'MODELS=ae vae' trains"),
        ("train deep_ae+vae", "vae' is no recipe: unsup sweep deep_ae vae trains", "make sweep 'MODELS=deep_ae vae'"),
        ("sweep deep_ae --grid code_dim=8,16", "did you mean model.code_dim?", ""),
        ("sweep deep_ae --grid epochs=8,16", "did you mean trainer.max_epochs?", ""),
        ("sweep deep_ae --grid colour=8,16", "such are model.lr", ""),
        ("sweep deep_ae --grid seed=8,16", "seeds are given with --seeds", "seeds are given with SEEDS"),
        ("train ae --data folder --data.images 2024", "2024: YAML reads it so; --images <text>", "IMAGES=<text> takes"),
        ("train ae --data folder --data.images no", "False: YAML reads it so; --images <text>", "IMAGES=<text> takes"),
        ("train ae --data npz --data.file 7", "so; in two pairs of quotes, --data.file '\"…\"',", ""),
        ("train ae --data digits --images .", "--images goes with --data folder,", "IMAGES goes with DATA=folder,"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_what_was_meant(
    words: str, by_program: str, by_make: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for via, expected in (("", by_program), ("make", by_make or by_program.replace("--grid ", "GRID= "))):
        monkeypatch.setenv("UNSUP_VIA", via)
        assert main([word.replace("+", " ") for word in words.split()]) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1


def test_a_folder_of_runs_is_answered_with_its_newest_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for age, name in enumerate(("digits/ae/0-001", "digits/ae/1-001", "mnist/vae/0-001")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.yaml").touch()
        os.utime(tmp_path / "runs" / name / "config.yaml", (age, age))
    for typed, top, newest in (
        ("runs/digits/ae", "runs/digits/ae", "runs/digits/ae/1-001"),
        ("runs/digits/ae/0-009", "runs/digits/ae", "runs/digits/ae/1-001"),
        ("runs/digits", "runs/digits", "runs/digits/ae/1-001"),
        ("runs/nothing/ae", "runs", "runs/mnist/vae/0-001"),
        ("nothing", "runs", "runs/mnist/vae/0-001"),
    ):
        assert main(["resume", typed]) == 1
        assert capsys.readouterr().err == f"unsup: no run folder {typed!r} (newest in {top}: {newest})\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model=deep_ae"], "train takes no model=: did you mean MODEL=?."),
        (["MODEL=ae", "epochs=3"], "train takes no epochs=: did you mean EPOCHS=?."),
        (["MODEL=ae", "CARD=3"], "train takes no CARD=: give it MODEL DATA"),
        (["MODEL=ae", "PY=/no/such"], "PY=/no/such is no program: leave it out, or name a Python"),
    ],
)
def test_variables_of_make_are_answered_too(words: list[str], expected: str, tmp_path: Path) -> None:
    shutil.copy(TOP / "Makefile", tmp_path)
    command = ["make", "train", f"PY={sys.executable}", *words]
    done = subprocess.run(command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert done.returncode == 2 and expected in done.stderr and done.stderr.count("\n") == 1


def test_help_lists_the_options_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["simclr", "--data", "cifar10", "--help"], ["--help", "simclr"]):
        with pytest.raises(SystemExit):
            main(["train", *words])
        text = " ".join(capsys.readouterr().out.split())
        assert "options of simclr, with their values on" in text
        temperature = "0.2" if "cifar10" in words else "0.5"
        assert f"--model.temperature {temperature} divides the cosines between projections." in text
        assert "--model.lr 0.002 peak learning rate, warmed up" in text  # inherited
        assert "--model.shape" not in text and "--model.augmentation" not in text
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert "options of" not in capsys.readouterr().out
