"""How many cores are idle, by what Linux says; and how threads wait, in every entry to the program."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
import pytest

from unsup.core import threads
from unsup.core.errors import UsageError
from unsup.core.threads import Cores, busy_ticks, checked_threads, cores_now, wait_briefly

TOP = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


# ---- idle cores ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cores", "most", "idle", "note"),
    [
        (Cores(4), 4, 4, ""),
        (Cores(4, busy=0.4), 4, 4, ""),  # a moment's work of others takes no thread away
        (Cores(4, busy=2), 4, 2, "2 of 4 cores are busy: 2 threads (--threads sets a number)"),
        (Cores(2, busy=0.9), 2, 1, "1 of 2 cores is busy: 1 thread (--threads sets a number)"),
        (Cores(2, busy=2), 2, 1, "2 of 2 cores are busy: 1 thread (--threads sets a number)"),
        (Cores(2, busy=2.3), 2, 1, "2 of 2 cores are busy: 1 thread (--threads sets a number)"),
        (Cores(1, busy=1), 1, 1, ""),  # there is no smaller number
        (Cores(8), 4, 4, ""),  # two logical cores each: torch takes one of them
        (Cores(8, busy=6), 4, 2, "6 of 8 cores are busy: 2 threads (--threads sets a number)"),
        (Cores(64, quota=2), 64, 2, ""),  # all that the container grants
        (Cores(64, quota=2.5), 64, 2, ""),
        (Cores(64, quota=0.5), 64, 1, ""),
        (Cores(64, busy=63, quota=2), 64, 1, "63 of 64 cores are busy: 1 thread (--threads sets a number)"),
    ],
)
def test_as_many_threads_as_cores_are_idle(cores: Cores, most: int, idle: int, note: str) -> None:
    assert cores.idle(most) == idle and cores.note(most) == note


def stat(proc: Path, **ticks: str) -> None:
    """/proc/stat: a line for all cores, one for each core, others."""
    proc.mkdir(exist_ok=True)
    lines = ["cpu 1 1 1 1 1 1 1 1 1 1", *(f"{core} {columns}" for core, columns in ticks.items()), "intr 3 0", ""]
    (proc / "stat").write_text("\n".join(lines))


#       user nice system idle iowait irq softirq steal guest guest_nice
OF_0 = "100   20      30 9000     70   4       5     6    50          7"
OF_1 = "  1    0       0 9000      0   0       0     0     0          0"


def test_busy_is_what_is_neither_idle_nor_waiting_nor_counted_twice(tmp_path: Path) -> None:
    stat(tmp_path, cpu0=OF_0, cpu1=OF_1)
    assert busy_ticks(tmp_path / "stat", {0}) == 100 + 20 + 30 + 4 + 5 + 6
    assert (
        busy_ticks(tmp_path / "stat", {0, 1}) == 166 and busy_ticks(tmp_path / "stat", {1, 2}) == 1
    )  # a core that is not listed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, float]]:
    """Two cores; the time moves only while the process sleeps, and then runs `later`."""
    now = {"wall": 10.0, "own": 3.0}
    monkeypatch.setattr(threads.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(threads.time, "process_time", lambda: now["own"])
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    yield now


def test_the_processor_time_of_others_is_measured(
    tmp_path: Path, clock: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(seconds: float) -> None:  # one core is busy all the time, the other a quarter of it with this process
        clock["wall"] += seconds
        clock["own"] += seconds / 4
        ticks = [round(seconds * TICKS * 100), round(seconds * TICKS * 25)]
        stat(tmp_path, cpu0=f"{1000 + ticks[0]} 0 0 0 0 0 0 0", cpu1=f"{500 + ticks[1]} 0 0 0 0 0 0 0")

    monkeypatch.setattr(threads.time, "sleep", sleep)
    stat(tmp_path, cpu0="1000 0 0 0 0 0 0 0", cpu1="500 0 0 0 0 0 0 0", cpu2="7 0 0 0 0 0 0 0")
    cores = cores_now(tmp_path / "stat", seconds=0.2)
    assert cores is not None
    assert cores.usable == 2 and cores.quota == joblib.cpu_count()
    assert cores.busy == pytest.approx(100 + 25 - 0.25)  # a hundred times as much, to count in whole ticks


@pytest.mark.parametrize("text", ["", "cpu0 1 2\ncpu1 1 2\n", "cpu0 a b c d e f g h i j\n"])
def test_a_system_that_does_not_tell_is_none(tmp_path: Path, clock: dict[str, float], text: str) -> None:
    if not text:
        assert cores_now(tmp_path / "nowhere", seconds=0) is None
        return
    (tmp_path / "stat").write_text(text)
    assert cores_now(tmp_path / "stat", seconds=0) is None


def test_another_system_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores_now() is None


# ---- the option ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, 1025, 2.0, True, None, "two", "1", [2]])
def test_a_number_that_cannot_be_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="threads: expected auto or a whole number from 1 to 1024, got"):
        checked_threads(value)


def test_numbers_and_auto_are_taken() -> None:
    assert [checked_threads(value) for value in (1, 1024, "auto")] == [1, 1024, "auto"]


# ---- how threads wait ------------------------------------------------------------------------------------------------

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.mark.parametrize("given", [{}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}])
def test_what_the_environment_says_stays(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    wait_briefly()
    waiting = {name: os.environ[name] for name in WAITING if name in os.environ}
    assert waiting == (given or {"GOMP_SPINCOUNT": "1000"})


@pytest.fixture
def stand_ins(tmp_path: Path) -> dict[str, str]:
    """An environment in which the libraries that load OpenMP end the process and print how threads would wait."""
    for name in ("torch", "lightning", "sklearn"):
        (tmp_path / f"{name}.py").write_text(
            "import os\nprint('threads wait', os.environ.get('GOMP_SPINCOUNT'), flush=True)\nos._exit(0)\n"
        )
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    return environment | {"PYTHONPATH": os.pathsep.join(map(str, (tmp_path, TOP, TOP / "benchmarks")))}


def loads(environment: dict[str, str], *words: str) -> str:
    done = subprocess.run([sys.executable, *words], cwd=TOP, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1] if done.stdout else ""


TRAIN = ("train", "ae", "--data", "digits", "--print_config")
RUN = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='benchmark')"  # stops before `if __name__ == …`
BENCHMARKS = sorted(
    path.name for path in (TOP / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text()
)


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "unsup", *TRAIN),
        ("-c", f"from unsup.cli.main import main; main({list(TRAIN)})"),  # what the console script runs
        ("-c", "import unsup; unsup.load_encoder('nowhere')"),
        ("-c", "import unsup; import torch"),
        ("-c", "import unsup; import sklearn"),
        ("-c", "import runpy; runpy.run_path('tests/conftest.py'); import torch"),
    ],
    ids=["module", "script", "interface", "before torch", "before scikit-learn", "tests"],
)
def test_threads_wait_briefly_in_every_entry(words: tuple[str, ...], stand_ins: dict[str, str]) -> None:
    assert loads(stand_ins, *words) == "threads wait 1000"
    if words[0] == "-m":
        assert loads(stand_ins | {"GOMP_SPINCOUNT": "5"}, *words) == "threads wait 5"
        assert loads(stand_ins | {"OMP_WAIT_POLICY": "ACTIVE"}, *words) == "threads wait None"


@pytest.mark.parametrize("name", BENCHMARKS)
def test_threads_wait_briefly_in_benchmarks(name: str, stand_ins: dict[str, str]) -> None:
    told = loads(stand_ins, "-c", f"{RUN}; import unsup, torch", f"benchmarks/{name}")
    assert told == "threads wait 1000"


def test_children_inherit_it(stand_ins: dict[str, str]) -> None:
    child = "import subprocess, sys, unsup; subprocess.run([sys.executable, '-c', 'import torch'])"
    assert loads(stand_ins, "-c", child) == "threads wait 1000"


def test_notebooks_import_the_package_before_anything_that_loads_openmp() -> None:
    notebooks = sorted((TOP / "notebooks").glob("*.ipynb"))
    assert notebooks
    for path in notebooks:
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        imported = re.findall(r"^(?:from|import) (\w+)", "\n".join("".join(cell["source"]) for cell in cells), re.M)
        heavy = [name in ("torch", "torchvision", "lightning", "sklearn") for name in imported]
        assert not any(heavy[: imported.index("unsup")]), path


@pytest.mark.skipif(sys.platform != "linux", reason="OpenMP of another system does not spin")
@pytest.mark.parametrize("library", ["torch", "sklearn.cluster"])
def test_openmp_has_read_it(library: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run(
        [sys.executable, "-c", f"import unsup, {library}"],
        cwd=TOP,
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
    )
    counts = re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
    assert counts and set(counts) == {"1000"}, done.stderr
