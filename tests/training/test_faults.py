"""Faults end a training with one line that names cause and remedy, and nothing that was saved is lost."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from interruptions import OPTIONS, curves, equal, start, state
from tiny import SHAPE, TinyDigits
from torch import Tensor, nn

import unsup
import unsup.training.trainer
from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.models.base import Model
from unsup.models.parts.loss_guard import LossGuard
from unsup.runs.checkpoints import AtomicCheckpoints, load_checkpoint

TOP = Path(__file__).parents[2]

# Trains `ae` in a process that dies, or meets a full disk, as it writes the checkpoint of the second epoch.
IN_A_WRITE = """
import os, resource, signal, sys, torch
import unsup.training.train
from unsup.cli.main import main

unsup.training.train.evaluate_run = lambda *args, **kwargs: None
usual, written = torch.save, []
def save(content, file):
    written.append(file)
    if len(written) == 2:
        if sys.argv[2] == "kill":
            file.write(b"half of a checkpoint")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    usual(content, file)
torch.save = save
sys.exit(main(["train", "ae", *{OPTIONS}, "--runs", sys.argv[1]]))
""".replace("{OPTIONS}", repr(OPTIONS))


class Mistaken(Model):
    """Returns as its losses whatever the test wants."""

    values: Any = None

    def __init__(self, shape: tuple[int, int, int], lr: float = 1e-3) -> None:
        super().__init__(shape, lr)
        self.weight = nn.Parameter(torch.ones(()))

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return self.values

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)


@pytest.mark.parametrize("sanity_steps", [0, 2])
@pytest.mark.parametrize(
    ("values", "mistake"),
    [
        (torch.zeros(()), "returned Tensor"),
        (None, "returned NoneType"),
        ({}, "returned an empty dictionary"),
        ({"mse": torch.zeros(()), "l1": torch.zeros(())}, "returned the keys mse, l1"),
        ({"loss": 0.5}, 'returned float as "loss"'),
        ({"loss": torch.zeros(()), "mse": 0.5}, 'returned float as "mse"'),
        ({"loss": torch.zeros(32)}, 'returned a tensor of shape (32,) as "loss"'),
    ],
)
def test_mistakes_in_losses_are_one_line(
    values: Any, mistake: str, sanity_steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mistaken, "values", values)
    options = {"trainer.num_sanity_val_steps": sanity_steps}
    with pytest.raises(UserError) as error:
        unsup.train(Mistaken, "digits", options=options, epochs=1, runs=tmp_path)
    fix = 'it must be a dictionary of scalar tensors with the key "loss"'
    assert str(error.value) == f"Mistaken.losses {mistake}: {fix}"
    assert not list(tmp_path.glob("*/*/0-*"))


def train_with(fault: str, root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", IN_A_WRITE, str(root), fault]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `ae` that nothing interrupted."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unsup.training.train.evaluate_run", lambda *args, **kwargs: None)
        return start(root, "ae")[1]


def assert_ends_like(run: Path, whole: Path) -> None:
    assert main(["resume", str(run)]) == 0
    ours, theirs = state(run), state(whole)
    assert all(equal(ours[key], theirs[key]) for key in ("state_dict", "optimizer_states", "global_step", "epoch"))


@pytest.mark.slow
def test_a_process_that_dies_while_it_writes_a_checkpoint(tmp_path: Path, whole: Path, unjudged: None) -> None:
    assert train_with("kill", tmp_path).returncode == -signal.SIGKILL
    run = tmp_path / "digits" / "ae" / "0-001"
    assert state(run)["epoch"] == 0
    assert_ends_like(run, whole)


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path, whole: Path, unjudged: None) -> None:
    done = train_with("full", tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("unsup: cannot write") and "File too large" in last and "Traceback" not in done.stderr
    run = tmp_path / "digits" / "ae" / "0-001"
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["last.ckpt"]  # no half one beside it
    assert_ends_like(run, whole)


def test_a_damaged_checkpoint_is_passed_over(
    tmp_path: Path, whole: Path, stop: Callable[..., None], unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    stop("on_train_end", UserError("stopped"))
    _, run = start(tmp_path, "ae")
    stop()
    last = run / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    last.write_bytes(content[: len(content) // 2])
    assert_ends_like(run, whole)
    told = capsys.readouterr().err
    assert f"{last} cannot be read" in told and "continuing from the previous one" in told


def test_of_two_damaged_checkpoints_there_is_no_way_on(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "training.json").unlink()
    for name in ("last.ckpt", "previous.ckpt"):
        (run / "checkpoints" / name).write_bytes(b"PK damaged")
    assert main(["resume", str(run)]) == 1
    told = capsys.readouterr().err
    assert "last.ckpt cannot be read as a checkpoint" in told and "train this run again" in told
    assert not (run / "training.json").exists()


def test_a_finished_run_gets_its_damaged_checkpoint_back(
    tmp_path: Path, whole: Path, unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    before = state(run)
    (run / "checkpoints" / "last.ckpt").write_bytes(b"PK damaged")
    with pytest.raises(UserError, match=f"it is damaged or of another kind; unsup resume {run} continues from"):
        unsup.load_encoder(run)
    assert main(["resume", str(run)]) == 0
    assert "continuing from the previous one" in capsys.readouterr().err
    assert equal(state(run)["state_dict"], before["state_dict"]) and (run / "training.json").exists()
    assert main(["resume", str(run)]) == 0
    assert "continu" not in capsys.readouterr().err  # it is evaluated


def test_a_checkpoint_of_another_layout_is_refused_and_kept(
    tmp_path: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "training.json").unlink()
    last = run / "checkpoints" / "last.ckpt"
    torch.save(state(run) | {"layout": 2}, last)
    assert main(["resume", str(run)]) == 1
    assert "has the layout 2, this version of unsup reads 1" in capsys.readouterr().err
    assert last.exists()


class Breaks(Model):
    """Its loss, or its weight after the step, is not finite at one step."""

    def __init__(
        self, shape: tuple[int, int, int] = SHAPE, step: int = 7, part: str = "loss", lr: float = 1e-3
    ) -> None:
        super().__init__(shape, lr)
        self.weight = nn.Parameter(torch.ones(1))
        self.step, self.part = step, part

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        now = self.training and self.iteration == self.step
        if now and self.part == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB")
        return {"loss": self.weight.square().sum() * (float("nan") if now and self.part == "loss" else 1.0)}

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def on_train_epoch_end(self) -> None:
        if self.part == "weight" and self.iteration > self.step:
            with torch.no_grad():
                self.weight.fill_(float("inf"))


def broken(root: Path, **options: Any) -> tuple[int, Path]:
    """Five steps an epoch; nothing is logged before the tenth."""
    config = root / "breaks.yaml"
    words = ", ".join(f"{key}: {value}" for key, value in options.items())
    config.write_text(
        f"recipe: breaks\ndataset: tiny\nmodel: {{class_path: {__name__}.Breaks, init_args: {{{words}}}}}\n"
        "data: {class_path: tiny.TinyDigits}\n"
    )
    code = main(["train", "--config", str(config), "--epochs", "3", "--runs", str(root), *ROUNDS])
    return code, root / "tiny" / "breaks" / "0-001"


ROUNDS = ("--trainer.log_every_n_steps", "10")


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("loss", "unsup: the loss is nan at step 7 on the training images "),
        ("weight", "unsup: the weights weight are not finite after epoch 2: lower model.lr"),
        ("memory", "unsup: out of memory with batches of 32 images: lower data.batch_size; unsup resume"),
    ],
)
def test_what_breaks_stops_the_run_with_finite_checkpoints(
    part: str, told: str, tmp_path: Path, unjudged: None, capsys: pytest.CaptureFixture[str]
) -> None:
    code, run = broken(tmp_path, part=part)
    assert code == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(told)
    checkpoints = list((run / "checkpoints").iterdir())
    assert [p.name for p in checkpoints] == ["last.ckpt"]
    assert load_checkpoint(checkpoints[0])["state_dict"]["weight"].isfinite().all()
    assert not (run / "training.json").exists()


def test_the_images_of_a_bad_batch_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken(tmp_path, step=0)
    told = capsys.readouterr().err
    data = TinyDigits()
    data.setup()
    first = next(iter(data.train_dataloader()))[1]
    assert f"images {', '.join(map(str, first[:5].tolist()))}, … ({len(first)} in the batch)" in told


def test_on_an_accelerator_the_first_bad_step_is_kept_and_read_later() -> None:
    """The meta device stands in for one in `see`; what it would have counted is put in its place for `check`."""
    guard = LossGuard(0.1)
    guard.observe(torch.ones((), device="meta"), 3)
    assert guard._bad is not None and guard._bad.device.type == "meta"  # nothing was waited for
    guard._bad = torch.tensor(-1)
    guard.check()
    for step, loss in enumerate([1.0, float("inf"), 1.0, float("nan")], start=5):
        bad = torch.tensor(loss).isfinite() | (guard._bad >= 0)  # as in `observe`
        guard._bad = torch.where(bad, guard._bad, step)
    with pytest.raises(UserError, match="no longer finite at step 6: lower model.lr"):
        guard.check()
    guard._bad = torch.tensor(0)  # the first step of all
    with pytest.raises(UserError, match=r"no longer finite at step 0: lower model.lr \(now 0.1\)"):
        guard.check()


def test_a_run_folder_that_vanishes(
    tmp_path: Path, unjudged: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Vanish(L.Callback):
        def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            if trainer.current_epoch == 1:
                shutil.rmtree(trainer.default_root_dir)

    usual = unsup.training.trainer.callbacks
    monkeypatch.setattr(unsup.training.trainer, "callbacks", lambda throughput: [*usual(throughput), Vanish()])
    code = main(["train", "ae", *OPTIONS, "--runs", str(tmp_path)])
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 1 and told.startswith("unsup: cannot read or write") and "No such file or directory" in told


@pytest.mark.slow
def test_an_interrupt_between_the_two_players_of_a_gan(
    tmp_path: Path, stop: Callable[..., None], unjudged: None
) -> None:
    _, whole = start(tmp_path / "whole", "gan")
    stop("on_before_optimizer_step", KeyboardInterrupt())
    with pytest.raises(SystemExit) as stopped:
        start(tmp_path / "half", "gan")
    assert stopped.value.code == 130
    stop()
    run = tmp_path / "half" / "digits" / "gan" / "0-001"
    assert_ends_like(run, whole)
    assert curves(run) == curves(whole)


# Trains the GAN twice, in processes that send themselves a signal between its two players in the second epoch.
SIGNALLED = """
import os, signal, sys
import lightning.pytorch as L
import unsup.training.train, unsup.training.trainer
from unsup.cli.main import main

class Signal(L.Callback):
    def __init__(self, number):
        self.number = number
    def on_before_optimizer_step(self, trainer, model, optimizer):
        if trainer.current_epoch == 1 and optimizer is trainer.optimizers[0]:
            os.kill(os.getpid(), self.number)

usual = unsup.training.trainer.callbacks
for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        unsup.training.trainer.callbacks = lambda throughput: [*usual(throughput), Signal(number)]
        sys.exit(main(["train", "gan", *{OPTIONS}, "--runs", f"{sys.argv[1]}/{code}"]))
    found = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert found == code, (found, code)
"""


@pytest.mark.slow
def test_signals_leave_a_run_that_goes_on(tmp_path: Path, unjudged: None) -> None:
    script = SIGNALLED.replace("{OPTIONS}", repr(OPTIONS))
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    _, whole = start(tmp_path / "whole", "gan")
    for code in (143, 130):
        run = tmp_path / str(code) / "digits" / "gan" / "0-001"
        assert f"unsup resume {run} continues after the last whole epoch" in done.stderr
        assert state(run)["epoch"] == 0
        assert_ends_like(run, whole)


def test_a_best_checkpoint_stands_beside_the_last_two(tmp_path: Path, unjudged: None) -> None:
    best = "{class_path: lightning.pytorch.callbacks.ModelCheckpoint, init_args: {monitor: val/loss, filename: best}}"
    config = tmp_path / "best.yaml"
    config.write_text(f"trainer: {{callbacks: [{best}]}}\n")
    _, run = start(tmp_path, "ae", *OPTIONS, "--config", str(config))
    found = {path.name: torch.load(path, weights_only=True)["epoch"] for path in (run / "checkpoints").iterdir()}
    assert found == {"last.ckpt": 2, "previous.ckpt": 1, "best.ckpt": 2}


def test_the_checkpoint_before_is_kept(tmp_path: Path) -> None:
    io, path = AtomicCheckpoints(), tmp_path / "last.ckpt"
    for epoch in range(3):
        content = {"state_dict": {"w": torch.full((2,), float(epoch))}, "hyper_parameters": {}, "global_step": epoch}
        io.save_checkpoint(content | {"epoch": epoch}, path)
    found = {p.name: load_checkpoint(p)["global_step"] for p in tmp_path.iterdir()}
    assert found == {"last.ckpt": 2, "previous.ckpt": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert main(["train", "ae", "--data", "digits", "--runs", str(tmp_path / "runs")]) == 1
    assert "cannot write the run folder" in capsys.readouterr().err


def test_a_run_that_trained_nothing_leaves_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "patches", "--data", "digits", "--model.centroids", "500000", "--runs", str(tmp_path / "runs")]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "fewer than centroids: lower model.centroids" in error and error.count("\n") == 1
    assert not list(tmp_path.glob("runs/*/*/*"))
