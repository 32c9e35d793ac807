"""Sweeps: what is to be done, what is there already, and going on past runs that crash."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sample_reports import report
from torch.utils.tensorboard import SummaryWriter

import unsup.training.children
import unsup.training.sweep
from unsup.cli.main import main
from unsup.core.errors import UsageError, UserError
from unsup.core.files import write_json
from unsup.core.strict_yaml import dump_yaml
from unsup.evaluation.existing_runs import RunIndex, progress_of
from unsup.evaluation.protocol import DRAFT, VERSION
from unsup.runs.config import Config, compose, resolve
from unsup.runs.init_from import source_config
from unsup.runs.run import Run
from unsup.training.children import exit_text
from unsup.training.claims import Claimed, claim
from unsup.training.plan import Job, parse_grid, plan
from unsup.training.standings import Standings
from unsup.training.sweep import seconds_left

# Writes down what it is asked to do; kills itself where that holds the word CRASH, sleeps where it holds SLEEP, says
# why it fails where it holds REFUSE. `train` leaves the run that lies in MADE.
STAND_IN = """#!/bin/sh
echo "$*" >> "$LOG"
echo "this is $*"
if [ -n "$REFUSE" ]; then case "$*" in *"$REFUSE"*) echo "unsup: the reason" >&2; exit 1;; esac; fi
if [ -n "$CRASH" ]; then case "$*" in *"$CRASH"*) kill -SEGV $$;; esac; fi
if [ -n "$SLEEP" ]; then case "$*" in *"$SLEEP"*) echo $$ > "$LOG.pid"; exec sleep 60;; esac; fi
if [ -n "$MADE" ]; then sleep 0.3; mkdir -p "$ROOT/digits/$4"; cp -r "$MADE/digits/$4/$8-001" "$ROOT/digits/$4"; fi
exit 0
"""


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a.b=1", [1]),
        ("a.b=1,2.5,.1", [1, 2.5, 0.1]),
        ("a.b=[500,250],[100]", [[500, 250], [100]]),
        ("a.b=[500, 250]", [[500, 250]]),
        ("a.b=hinge,minimax", ["hinge", "minimax"]),
        ("a.b='x,y',null,true", ["x,y", None, True]),
        ("a.b=x=1", ["x=1"]),
    ],
)
def test_values_of_a_grid_are_a_yaml_list(word: str, expected: list[Any]) -> None:
    assert parse_grid([word]) == {"a.b": expected}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["model.code_dim"], "write KEY=VALUE,VALUE"),
        (["code_dim=3"], "made of dotted options"),
        (["seed=3"], "seeds are given with --seeds"),
        (["model.lr=[1"], "cannot read the values '[1'"),
        (["model.lr="], "has no values"),
        (["model.lr=1", "model.lr=2"], "--grid has model.lr twice"),
    ],
)
def test_mistakes_in_a_grid_are_named(words: list[str], expected: str) -> None:
    with pytest.raises(UsageError) as mistake:
        parse_grid(words)
    assert expected in str(mistake.value)


def jobs(*models: str, seeds: tuple[int, ...] = (0, 1), grid: str = "", root: Path = Path("runs")) -> list[Job]:
    return plan(models, "digits", seeds, parse_grid(grid.split()), [("trainer.max_epochs", 1)], root)


def test_every_combination_is_run_all_of_the_first_seed_first() -> None:
    names = [job.name for job in jobs("ae", "vae", grid="model.code_dim=2,3")]
    first = [f"{model} seed 0 model.code_dim={dim}" for model in ("ae", "vae") for dim in (2, 3)]
    assert names == first + [name.replace("seed 0", "seed 1") for name in first]


def test_the_command_of_a_run_gives_its_configuration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Also as the run records it: `unsup train` alone repeats it."""
    options = [("trainer.max_epochs", 2), ("data.root", "123"), ("model.lr", "2e-3"), ("model.activation", "relu")]
    grid = parse_grid(["model.widths=[30,20],[40]", "model.mask=0,.1", "matmul_precision=high"])
    planned = plan(["deep_ae"], "digits", [4], grid, options, tmp_path)
    assert len({dump_yaml(job.config) for job in planned}) == 4
    for job in planned:
        assert main([*job.words, "--print_config"]) == 0
        assert capsys.readouterr().out == dump_yaml(job.config)
    own = plan(["ae"], "folder", [0], {}, [("data.images", str(tmp_path))], tmp_path)[0]
    assert main([*own.words, "--print_config"]) == 0
    assert capsys.readouterr().out == dump_yaml(own.config)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ae", "deepae"], "unknown model 'deepae' (did you mean 'deep_ae'?)"),
        (["deep_ae", "ae", "--grid", "model.mask=0,.1"], "ae model.mask=0: model: AE has no option 'mask'"),
        (["ae", "--grid", "model.code_dim=3,many"], "ae model.code_dim=many: model.code_dim: expected int"),
        (["ae", "--grid", "model.code_dim=3,0"], "ae model.code_dim=0: model.code_dim is 0: it must be at least 1"),
        (["ae", "--grid", "model.lr=1", "--model.lr", "2"], "model.lr is an option of all runs and in the grid"),
        (["ae", "--seeds", "0", "-1"], "ae: seed: expected a whole number"),
        (["ae", "--trainer.max_epochs", "-1"], "trainer.max_epochs is -1: say how long to train"),
    ],
)
def test_a_mistake_anywhere_is_found_before_the_first_run(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *words, "--data", "digits", "--runs", str(tmp_path / "runs")]) == 2
    text = capsys.readouterr().err
    assert expected in text and text.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def made(root: Path, config: Config, state: str) -> Path:
    """A run folder in this state."""
    run = Run.create(root, config, "", "").folder
    if state in ("begun", "trained", "finished", "outdated", "damaged"):
        (run / "checkpoints" / "last.ckpt").write_bytes(b"weights")
    if state in ("trained", "finished", "outdated", "damaged"):
        write_json(run / "training.json", {"epochs": 1})
    if state == "finished":
        write_json(run / "report.json", report() | {"protocol": VERSION, "draft": DRAFT})
    if state == "outdated":
        write_json(run / "report.json", report() | {"protocol": VERSION, "draft": DRAFT + 1})
    if state == "damaged":
        (run / "report.json").write_text(json.dumps(report())[:-20])
    return run


def folder_of(found: tuple[str, Run | None]) -> tuple[str, Path | None]:
    state, run = found
    return state, run and run.folder


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("new", "new"),
        ("begun", "begun"),
        ("trained", "trained"),
        ("finished", "finished"),
        ("outdated", "trained"),
        ("damaged", "trained"),
    ],
)
def test_how_far_a_run_is_shows_in_its_folder(state: str, expected: str, tmp_path: Path) -> None:
    run = made(tmp_path, jobs("ae")[0].config, state)
    assert progress_of(Run(run)) == expected
    with Run(run).lock():
        assert progress_of(Run(run)) == ("finished" if state == "finished" else "in use")


def test_a_run_is_found_by_its_configuration_wherever_the_data_lie(tmp_path: Path) -> None:
    job = jobs("ae", seeds=(0,))[0]
    run = made(tmp_path, job.config, "finished")

    def look(*options: tuple[str, Any], data: str = "digits", model: str = "ae") -> tuple[str, Path | None]:
        config = resolve(compose(model, data, [], [("seed", 0), ("trainer.max_epochs", 1), *options]))
        return folder_of(RunIndex(tmp_path).progress(config))

    assert look() == look(("data.root", "elsewhere")) == ("finished", run)
    for other in (("model.code_dim", 3), ("trainer.max_epochs", 2), ("data.batch_size", 5), ("seed", 1)):
        assert look(other) == ("new", None)
    assert look(data="mnist") == look(model="vae") == ("new", None)
    mine = resolve(compose("ae", "folder", [], [("data.images", "a/pictures"), ("trainer.max_epochs", 1)]))
    made(tmp_path, mine, "finished")
    assert look(("data.images", "a/pictures"), data="folder")[0] == "finished"
    assert look(("data.images", "b/pictures"), data="folder")[0] == "new"


def test_the_furthest_of_several_runs_counts_and_unknown_ones_do_not(tmp_path: Path) -> None:
    config = jobs("ae")[0].config
    older = made(tmp_path, config, "new")
    (older / "config.yaml").write_text((older / "config.yaml").read_text().replace("code_dim", "an_option_of_old"))
    (older.parent / "0-000").mkdir()
    index = RunIndex(tmp_path)
    assert index.progress(config) == ("new", None)
    begun = made(tmp_path, config, "begun")
    made(tmp_path, config, "new")
    assert folder_of(index.progress(config)) == ("begun", begun)
    newer = made(tmp_path, config, "begun")
    assert folder_of(index.progress(config)) == ("begun", newer)
    with Run(begun).lock():
        assert folder_of(index.progress(config)) == ("in use", begun)


def test_the_time_left_is_that_of_runs_like_those_to_come() -> None:
    a0, a1 = jobs("ae", seeds=(0,), grid="model.code_dim=2,3")
    v = jobs("vae", seeds=(0,))[0]
    assert seconds_left([a0], []) is None
    assert seconds_left([a0, a1, v], [(a0, 10.0)]) == 30
    assert seconds_left([a0, a1, v], [(a0, 10.0), (a1, 20.0)]) == 10 + 20 + 15
    assert seconds_left([a0, v], [(a1, 20.0), (v, 100.0)]) == 20 + 100


def test_exit_codes_are_written_for_people() -> None:
    assert exit_text(2) == "exit code 2"
    assert exit_text(-signal.SIGSEGV).startswith("exit code 139 (Segmentation fault")


class Children:
    """A stand-in for the children's interpreter, and what it was asked to do."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = folder / "log"
        self.root = folder / "runs"
        program = folder / "stand-in"
        program.write_text(STAND_IN)
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        monkeypatch.setattr(unsup.training.children, "GRACE", 0.2)
        monkeypatch.setenv("LOG", str(self.log))
        monkeypatch.setenv("ROOT", str(self.root))
        self.env = monkeypatch.setenv

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def sweep(self, *words: str) -> int:
        return main(["sweep", *words, "--data", "digits", "--epochs", "1", "--runs", str(self.root)])


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Children:
    return Children(tmp_path, monkeypatch)


def test_each_run_gets_what_it_lacks_and_a_crash_does_not_end_the_sweep(
    children: Children, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = jobs("ae", "vae", seeds=(0, 1, 2), root=children.root)
    made(children.root, planned[0].config, "finished")
    trained = made(children.root, planned[1].config, "trained")
    begun = made(children.root, planned[2].config, "begun")
    busy = made(children.root, planned[3].config, "begun")
    children.env("CRASH", "train ae --data digits --seed 2")
    with FileLock(busy / ".lock"):
        assert children.sweep("ae", "vae", "--data_root", "d") == 1
    end = f"--epochs 1 --data_root d --runs {children.root}"
    assert children.asked() == [
        f"-m unsup evaluate {trained} --data_root d",
        f"-m unsup resume {begun} --data_root d",
        f"-m unsup train ae --data digits --seed 2 {end}",
        f"-m unsup train vae --data digits --seed 2 {end}",
    ]
    out, err = capsys.readouterr()
    assert err == "unsup: 1 of 6 runs failed\n"
    lines = [line for line in out.splitlines() if line]
    (log,) = (children.root / "digits" / "ae").glob("sweep-*.log")
    crashed = f"this is -m unsup train ae --data digits --seed 2 {end}"
    assert lines[:5] == [
        f"sweep: 6 runs in {children.root} (1 finished already)",
        "2 of 6, vae seed 0 · evaluated, no validation score · 0 s",
        "3 of 6, ae seed 1 · resumed, no validation score · 0 s",
        f"5 of 6, ae seed 2 · failed: exit code 139 (Segmentation fault), {crashed} (output: {log})",
        f"    {crashed}",
    ]
    assert lines[5] == "6 of 6, vae seed 2 · no validation score · 0 s"
    assert lines[6].startswith("sweep: 6 runs in ")
    assert lines[6].endswith(": 1 skipped, 1 evaluated, 1 resumed, 1 trained, 1 failed, 1 left alone")
    assert lines[7].startswith("  failed: ae seed 2: exit code 139")
    assert lines[8] == f"  left alone: vae seed 1: another process works on {busy}"


def test_the_reason_of_a_failure_is_the_last_line(children: Children, capsys: pytest.CaptureFixture[str]) -> None:
    children.env("REFUSE", "seed 0")
    assert children.sweep("ae", "--seeds", "0") == 1
    lines = capsys.readouterr().out.splitlines()
    (log,) = children.root.glob("digits/ae/sweep-*.log")
    assert lines[1] == f"1 of 1, ae seed 0 · failed: the reason (output: {log})"
    assert log.read_text().startswith("this is -m unsup train ae") and log.read_text().endswith("unsup: the reason\n")
    assert "  failed: ae seed 0: the reason" in lines and not any(line.startswith("    ") for line in lines)


def prepared(children: Children, *models: str, seeds: tuple[int, ...]) -> None:
    """Let trainings of the stand-in leave finished runs."""
    folder = children.root.with_name("made")
    children.env("MADE", str(folder))
    for job in jobs(*models, seeds=seeds, root=children.root):
        made(folder, job.config, "finished")


def forked(children: Children, output: Path, *words: str) -> Any:
    """A sweep in another process, which has imported everything already."""

    def run() -> None:
        with output.open("w") as out, contextlib.redirect_stdout(out):
            code = children.sweep(*words)
        os._exit(code)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


def test_two_sweeps_at_once_divide_the_work(children: Children, tmp_path: Path) -> None:
    prepared(children, "ae", "vae", seeds=(0, 1, 2))
    outputs = [tmp_path / "one", tmp_path / "two"]
    sweeps = [forked(children, output, "ae", "vae") for output in outputs]
    for sweep in sweeps:
        sweep.join()
        assert sweep.exitcode == 0
    asked = [line.partition("--seed ")[0] + line.partition("--seed ")[2][0] for line in children.asked()]
    assert len(asked) == len(set(asked)) == 6
    done = [re.findall(r"^(\d) of 6, ", output.read_text(), re.M) for output in outputs]
    assert sorted(done[0] + done[1]) == list("123456") and min(map(len, done)) > 1
    assert len(list(children.root.glob("digits/*/*/sweep.log"))) == 6 and not list(children.root.glob("*/*/*.log"))


def test_a_job_is_free_again_once_its_sweep_and_its_process_are_dead(children: Children, tmp_path: Path) -> None:
    prepared(children, "ae", seeds=(0,))
    children.env("SLEEP", "seed 0")
    first = forked(children, tmp_path / "first", "ae", "--seeds", "0")
    pid = tmp_path / "log.pid"
    while not (pid.exists() and pid.read_text()):
        time.sleep(0.02)
    first.kill()
    first.join()
    children.env("SLEEP", "")
    second = forked(children, tmp_path / "second", "ae", "--seeds", "0")
    second.join()  # the orphan goes on
    assert "1 left to another sweep\n  left to another sweep: ae seed 0" in (tmp_path / "second").read_text()
    assert len(children.asked()) == 1
    os.kill(int(pid.read_text()), signal.SIGKILL)
    wait_for_end(int(pid.read_text()))
    assert children.sweep("ae", "--seeds", "0") == 0
    assert len(children.asked()) == 2 and (children.root / "digits" / "ae" / "0-001" / "sweep.log").exists()


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not a child is gone, or waits to be buried."""
    stat = Path(f"/proc/{pid}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.02)


def test_a_claimed_job_whose_sweep_dies_is_taken_over_by_the_other_one(children: Children, tmp_path: Path) -> None:
    """A job that was claimed when its turn came is looked at again."""
    prepared(children, "ae", seeds=(0, 1))
    with claim(children.root, jobs("ae", root=children.root)[0].config):
        process = forked(children, tmp_path / "out", "ae", "--seeds", "0", "1")
        while not children.asked():
            time.sleep(0.02)
    process.join()
    assert [line.partition("--seed ")[2][0] for line in children.asked()] == ["1", "0"]
    assert "2 trained" in (tmp_path / "out").read_text()


def test_a_claim_is_by_configuration_and_exclusive(tmp_path: Path) -> None:
    config, other = (job.config for job in jobs("ae"))
    moved = config | {"data": config["data"] | {"init_args": config["data"]["init_args"] | {"root": "elsewhere"}}}
    with claim(tmp_path, config) as held, claim(tmp_path, other):
        with pytest.raises(Claimed), claim(tmp_path, moved):
            pass
        held.file.write(b"output\n")
    assert held.path.read_text() == "output\n"
    with claim(tmp_path, moved) as again:
        assert again.path == held.path and not held.path.read_text()
    assert not list(tmp_path.rglob("*.log"))  # empty ones are removed


def test_a_run_that_others_start_from_is_claimed_with_them(children: Children, tmp_path: Path) -> None:
    """Two methods that start from one run do not train it twice; the later one waits."""
    (dec,) = plan(["dec"], "digits", [0], {}, [("trainer.max_epochs", 1)], children.root)
    source, _ = source_config(dec.config)
    with claim(children.root, source):
        process = forked(children, tmp_path / "out", "dec", "--seeds", "0")
        time.sleep(1)
        assert process.is_alive() and not children.asked()
    process.join()
    assert len(children.asked()) == 1 and not process.exitcode


def test_nothing_to_do_is_no_failure_and_the_time_left_is_told(
    children: Children, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert children.sweep("ae", "--seeds", "0", "1") == 0
    assert "1 of 2, ae seed 0 · no validation score · 0 s · about 0 s left" in capsys.readouterr().out
    for job in jobs("ae"):
        made(children.root, job.config, "finished")
    assert children.sweep("ae", "--seeds", "0", "1") == 0
    assert len(children.asked()) == 2
    assert ": 2 skipped\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        (
            [{"online/linear_probe": 0.5}, {"online/linear_probe": 0.75}, {"online/linear_probe": 0.625}, {}],
            "ae model.code_dim=3 (validation probe .750, of 2 configurations); without a validation score: vae",
        ),
        (
            [{"online/linear_probe": 0.5}, {"online/linear_probe": 0.5}, {"online/linear_probe": 0.5}, {}],
            "ae model.code_dim=2 and ae model.code_dim=3 (validation probe .500, mean of 2 seeds, of 2",
        ),
        (
            [{"val/loss": 2.0}, {"val/loss": 1.75}, {"val/loss": 1.0}, {"val/loss": 9.0}],
            ", without labels: ae model.code_dim=2 (validation loss 1.5, mean of 2 seeds, of 2 configurations); "
            "vae model.code_dim=2 (validation loss 9); losses compare only within a method",
        ),
        ([{}, {}, {}, {}], "nothing can be said, no run has a validation score"),
    ],
)
def test_the_best_is_that_of_the_validation_scores(
    curves: list[dict[str, float]], expected: str, tmp_path: Path
) -> None:
    """Also where the test scores say otherwise; over seeds the mean counts."""
    two, three = jobs("ae", seeds=(0,), grid="model.code_dim=2,3")
    again, other = (
        jobs("ae", seeds=(1,), grid="model.code_dim=2")[0],
        jobs("vae", seeds=(0,), grid="model.code_dim=2")[0],
    )
    standings = Standings()
    for job, values in zip((two, three, again, other), curves, strict=True):
        run = made(tmp_path, job.config, "finished")
        content = json.loads((run / "report.json").read_text())
        content["curves"] = {name: [[1, 0.1], [5, value]] for name, value in values.items()}
        write_json(run / "report.json", content)
        standings.add(job, Run(run))
    assert expected in standings.best()


def test_a_run_without_a_report_has_its_validation_score(tmp_path: Path) -> None:
    (job, *_) = jobs("ae")
    run = made(tmp_path, job.config, "trained")
    with SummaryWriter(run) as board:
        for step, value in ((1, 0.3), (2, 0.8125)):
            board.add_scalar("online/linear_probe", value, step)
    standings = Standings()
    assert standings.add(job, Run(run)) == "validation probe .812, place 1 of 1"


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_sweep_and_its_child(
    sent: signal.Signals, code: int, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        unsup.training.children.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1]
    )
    children.env("SLEEP", "seed 1")

    def interrupt() -> None:
        while len(started) < 2 or len(children.asked()) < 2:
            time.sleep(0.02)
        time.sleep(0.2)  # the second one is waited for by now
        os.kill(os.getpid(), sent)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        ended: Any = children.sweep("ae")
    except SystemExit as e:
        ended = e.code
    finally:
        signal.signal(signal.SIGINT, usual)
    assert ended == code
    assert [child.poll() for child in started] == [0, -signal.SIGTERM]
    assert len(children.asked()) == 2  # the third never began


def test_data_that_are_not_at_hand_cost_one_line(
    children: Children, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unsup.data.mnist import MNIST

    def offline(self: MNIST) -> None:
        raise UserError("MNIST is not in nowhere and cannot be downloaded")

    monkeypatch.setattr(MNIST, "prepare_data", offline)
    words = ["sweep", "ae", "--seeds", "0", "--epochs", "1", "--runs", str(tmp_path)]
    assert main([*words, "--data", "mnist"]) == 1
    assert capsys.readouterr().err == "unsup: MNIST is not in nowhere and cannot be downloaded\n"
    assert not children.asked()
    assert main(words) == 0  # none named: digits, once and for all runs
    assert "(no --data given, and MNIST is not in nowhere" in capsys.readouterr().out
    assert children.asked() == [f"-m unsup train ae --data digits --seed 0 --epochs 1 --runs {tmp_path}"]


@pytest.mark.slow
def test_real_children_leave_reports_and_are_skipped_then(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "pca", "--seeds", "0", "--data", "digits", "--grid", "model.code_dim=4", "--runs", str(tmp_path)]
    assert main(words) == 0
    run = tmp_path / "digits" / "pca" / "0-001"
    command = json.loads((run / "report.json").read_text())["run"]["command"]
    assert command == f"unsup train pca --data digits --seed 0 --model.code_dim 4 --runs {tmp_path}"
    out = capfd.readouterr().out
    assert "1 trained" in out and "reconstruction" in out
    assert "linear probe" in (run / "sweep.log").read_text()
    assert main(words) == 0
    assert ": 1 skipped" in capfd.readouterr().out
    assert [p.name for p in run.parent.iterdir()] == ["0-001"]
