"""Lightning's options in pairs, through training and evaluation."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from random import Random

import pytest
import yaml

from unsup.cli.main import main
from unsup.runs.lookup import config_names

CALLBACKS = {
    "early stopping": ("EarlyStopping", {"monitor": "val/loss"}),
    "averaging": ("EMAWeightAveraging", {"decay": 0.9}),
    "stochastic averaging": ("StochasticWeightAveraging", {"swa_lrs": 0.01, "swa_epoch_start": 1}),
    "checkpoints": ("ModelCheckpoint", {"monitor": "val/loss", "filename": "best", "every_n_train_steps": 3}),
}
FACTORS: dict[str, tuple[str, ...]] = {  # option -> values, "" for the default
    "trainer.callbacks": ("", *CALLBACKS),
    "logger": ("", "csv"),
    "trainer.precision": ("", "bf16-mixed"),
    "trainer.accumulate_grad_batches": ("", "2"),
    "trainer.gradient_clip_val": ("", "0.5"),
    "trainer.limit_train_batches": ("", "4"),
    "trainer.overfit_batches": ("", "3"),
    "trainer.limit_val_batches": ("", "1"),
    "trainer.val_check_interval": ("", "0.5"),
    "trainer.deterministic": ("", "true"),
    "trainer.max_time": ("", "00:00:30:00"),
    "optimizer.name": ("", "SGD"),
    "data.steps_per_call": ("1", "16"),
}
NIGHTLY = ("deep_ae", "simclr", "dec", "mae")  # at most ten minutes of the others together
METHODS = ("ae", "gan", "pca", *(pytest.param(name, marks=pytest.mark.nightly) for name in NIGHTLY))
PLAYERS = {  # of a method with two optimizers
    ("trainer.callbacks", "stochastic averaging"),
    ("trainer.accumulate_grad_batches", "2"),
    ("trainer.gradient_clip_val", "0.5"),
    ("optimizer.name", "SGD"),
    ("data.steps_per_call", "16"),
}
REFUSED = {
    "gan": PLAYERS,
    "pca": {("optimizer.name", "SGD")},
    "dec": {("data.steps_per_call", "16")},
}
MOST_ROWS = 12  # of a method
TRIES = 20_000


def covering(factors: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return MOST_ROWS rows in which each two values of different factors occur together.

    Random rows are changed to have a missing pair as long as no more pairs are missing than before.
    """
    random = Random(0)
    pairs = {((a, x), (b, y)) for a, b in combinations(factors, 2) for x, y in product(factors[a], factors[b])}
    rows = [{name: random.choice(values) for name, values in factors.items()} for _ in range(MOST_ROWS)]
    of_rows = [set(combinations(row.items(), 2)) for row in rows]
    missing = pairs - set().union(*of_rows)
    for _ in range(TRIES):
        if not missing:
            return rows
        place, pair = random.randrange(MOST_ROWS), random.choice(sorted(missing))
        row = rows[place] | dict(pair)
        of_row = set(combinations(row.items(), 2))
        now = pairs - of_row.union(*(others for i, others in enumerate(of_rows) if i != place))
        if len(now) <= len(missing):
            rows[place], of_rows[place], missing = row, of_row, now
    raise AssertionError(f"{len(missing)} pairs do not fit in {MOST_ROWS} rows")


def accepted(method: str) -> dict[str, list[str]]:
    refused = REFUSED.get(method, set())
    return {name: [v for v in values if (name, v) not in refused] for name, values in FACTORS.items()}


def words(row: Mapping[str, str], folder: Path) -> list[str]:
    """Return a row as words of a command line, with its callback in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    given = [
        word for name, value in row.items() if value and name != "trainer.callbacks" for word in (f"--{name}", value)
    ]
    if callback := row.get("trainer.callbacks"):
        name, arguments = CALLBACKS[callback]
        layer = {
            "trainer": {"callbacks": [{"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": arguments}]}
        }
        path = folder / "callbacks.yaml"
        path.write_text(yaml.safe_dump(layer), encoding="utf-8")
        given += ["--config", str(path)]
    return given


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that dec starts from."""
    root = tmp_path_factory.mktemp("source")
    options = ["--data", "digits", "--epochs", "1", "--evaluate", "no", "--runs", str(root)]
    assert main(["train", "dae_wide", *options]) == 0
    return root / "digits" / "dae_wide" / "0-001"


def command(method: str, row: Mapping[str, str], folder: Path, source: Path, evaluate: str = "quick") -> list[str]:
    narrow = ["--model.code_dim", "16"]  # as wide codes take long to judge
    further = {"dec": ["--init_from", str(source)], "gan": narrow}
    epochs = [] if method == "pca" else ["--epochs", "2"]
    options = [
        "--data",
        "digits",
        *epochs,
        "--evaluate",
        evaluate,
        "--runs",
        str(folder / "runs"),
        *further.get(method, []),
    ]
    return ["train", method, *options, *words(row, folder)]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_accepted_options_go_together(
    method: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    for i, row in enumerate(covering(accepted(method))):
        folder = tmp_path / str(i)
        code = main(command(method, row, folder, source))
        text = capsys.readouterr().err
        assert code == 0, (row, text)
        assert not [str(one.message) for one in recwarn if "site-packages" in one.filename], row
        report = json.loads((folder / "runs" / "digits" / method / "0-001" / "report.json").read_text(encoding="utf-8"))
        assert report["quick"] and 0 <= report["scores"]["linear_probe"]["accuracy"] <= 1
        averaged = {"averaging": "EMAWeightAveraging", "stochastic averaging": "StochasticWeightAveraging"}
        expected = None if method == "pca" else averaged.get(row["trainer.callbacks"])
        assert report["run"].get("averaged_by") == expected, row


@pytest.mark.parametrize(
    ("method", "option"), [(method, pair) for method in REFUSED for pair in sorted(REFUSED[method])]
)
def test_others_are_refused_in_one_line_and_leave_nothing(
    method: str, option: tuple[str, str], source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(method, dict([option]), tmp_path, source, evaluate="no")) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("unsup: ")
    assert not list((tmp_path / "runs").glob("*/*/*"))


@pytest.mark.nightly
@pytest.mark.parametrize("method", config_names("model"))
def test_every_recipe_takes_each_option(
    method: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, (name, value) in enumerate((name, value) for name, values in FACTORS.items() for value in values if value):
        code = main(command(method, {name: value}, tmp_path / str(i), source))
        text = capsys.readouterr().err
        assert code == 0 or (code == 2 and text.splitlines()[-1].startswith("unsup: ")), (name, value, text)
