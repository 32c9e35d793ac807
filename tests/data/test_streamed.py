"""Images streamed by litdata: order, shares of several processes, whole runs. Skipped where it is not installed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import synthetic
import torch
from torch import Tensor

from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.data.streamed import Streamed

pytest.importorskip("litdata")
N = 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("stream")
    synthetic.stream(top, learn=N, probe=200, test=60)
    return top


def numbers(x: Tensor) -> list[int]:
    pixels = (x * 255).round().long()[:, 0, 0]
    return (pixels[:, 0] + 256 * pixels[:, 1]).tolist()


def epoch(data: Streamed, number: int = 0) -> list[tuple[Tensor, Tensor]]:
    loader = data.train_dataloader()
    loader.set_epoch(number)
    return list(loader)


def test_an_epoch_is_every_image_once_in_an_order_of_its_own(folder: Path) -> None:
    data = Streamed(str(folder), batch_size=100)
    first, again, second = epoch(data), epoch(data), epoch(data, 1)
    order = [i for x, _ in first for i in numbers(x)]
    assert sorted(order) == list(range(N)) and len(first) == data.steps_per_epoch == 10
    assert all(numbers(x) == index.tolist() for x, index in first)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, again, strict=True))
    assert order != [i for x, _ in second for i in numbers(x)]
    data.seed = 1
    assert order != [i for x, _ in epoch(data) for i in numbers(x)]
    data.steps_per_call, data.seed = 4, 0
    calls = epoch(data)
    assert [len(call) for call in calls] == [4, 4, 2]
    assert [call.num_images for call in calls] == [400, 400, 200]  # type: ignore[attr-defined]
    assert torch.equal(next(iter(calls[1]))[0], first[4][0])


def test_what_is_left_after_whole_batches_sits_out(folder: Path) -> None:
    data = Streamed(str(folder), batch_size=300)
    assert [len(x) for x, _ in epoch(data)] == [300, 300, 300]


def test_a_pass_is_in_order_and_probes_see_their_own_images(folder: Path) -> None:
    data = Streamed(str(folder))
    data.setup()
    assert [i for x in data.batches("learn", batch_size=300) for i in numbers(x)] == list(range(N))
    assert [data.size(split) for split in ("learn", "train", "val", "test")] == [N, 180, 20, 60]  # type: ignore[arg-type]
    assert data.class_names == ("0", "1", "2") and data.shape == (1, 8, 8)
    images, labels = data.load(False)
    assert (
        labels is not None and np.array_equal(images[:, 0, 0, 0], np.arange(60)) and labels.tolist()[:4] == [0, 1, 2, 0]
    )


def test_what_is_no_stream_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path}/test is not what litdata's optimize writes"):
        Streamed(str(tmp_path))


@pytest.mark.slow
def test_a_run_from_a_stream(folder: Path, tmp_path: Path) -> None:
    words = [
        "train",
        "ae",
        "--data",
        "streamed",
        "--data.stream",
        str(folder),
        "--epochs",
        "1",
        "--runs",
        str(tmp_path),
    ]
    assert main([*words, "--data.batch_size", "50"]) == 0
    assert (tmp_path / "streamed" / "ae" / "0-001" / "report.json").exists()


SHARES = """
import sys, torch.distributed as dist
from pathlib import Path
from unsup.data.streamed import Streamed
rank, folder, out = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{out}/meet", rank=rank, world_size=2)
data = Streamed(folder, batch_size=100)
data.trainer = type("T", (), {"world_size": 2, "strategy": type("S", (), {"root_device": "cpu"})})()
loader = data.train_dataloader()
seen = [i for _, index in loader for i in index.tolist()]
assert len(loader) == 5 and data.size("learn") == 1000, (len(loader), data.size("learn"))
(out / f"{rank}.txt").write_text(" ".join(map(str, seen)))
"""


@pytest.mark.slow
def test_two_processes_take_disjoint_shares(folder: Path, tmp_path: Path) -> None:
    script = [sys.executable, "-c", SHARES]
    both = [subprocess.Popen([*script, str(rank), str(folder), str(tmp_path)]) for rank in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    first, second = ([int(i) for i in (tmp_path / f"{rank}.txt").read_text().split()] for rank in range(2))
    assert len(first) == len(second) == N // 2 and sorted(first + second) == list(range(N))
