"""The public interface: loaded lazily, without torch, with examples that run."""

import ast
import doctest
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from tiny import TinyDigits

import unsup
from unsup.core.errors import UsageError, UserError
from unsup.data.batches import to_unit
from unsup.models.pca import PCA
from unsup.models.pixels import Pixels

TOP = Path(__file__).parents[1]
FUNCTIONS = ("train", "evaluate", "compare", "load_encoder")


def python(script: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_is_light() -> None:
    heavy = "('torch', 'lightning', 'numpy', 'yaml', 'rich')"
    before = "import sys, time; start = time.process_time(); import unsup; spent = time.process_time() - start"
    seconds, loaded = python(f"{before}; print(spent, [name for name in {heavy} if name in sys.modules])").split(" ", 1)
    assert float(seconds) < 0.1 and loaded == "[]"


def test_every_public_name_is_there_and_listed() -> None:
    assert dir(unsup) == sorted(unsup.__all__)
    for name in set(unsup.__all__) - {"testing"}:
        assert getattr(unsup, name) is not None
    assert unsup.Model.__module__ == "unsup.models.base" and unsup.ImageData.__module__ == "unsup.data.base"
    with pytest.raises(AttributeError, match="has no attribute 'tarin'"):
        unsup.tarin  # noqa: B018


def test_type_checkers_see_what_is_loaded_later() -> None:
    (block,) = (
        node for node in ast.parse((TOP / "unsup" / "__init__.py").read_text()).body if isinstance(node, ast.If)
    )
    imported = {a.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert imported == unsup.WHERE | {"testing": "unsup"}


def test_public_functions_state_shapes_errors_and_an_example() -> None:
    for name in FUNCTIONS:
        text = inspect.getdoc(getattr(unsup, name)) or ""
        assert "Raises:" in text and "Args:" in text and ">>> " in text, name


@pytest.mark.slow
def test_the_examples_of_the_docstrings_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for name in FUNCTIONS:
        examples = doctest.DocTestParser().get_examples(inspect.getdoc(getattr(unsup, name)) or "")
        assert examples
        for example in examples:
            if example.options.get(doctest.SKIP):  # it needs a network
                continue
            exec(compile(example.source, f"<{name}>", "exec"), names)
    assert (tmp_path / "runs" / "digits" / "ae" / "1-001" / "report.json").exists()
    assert names["codes"].shape == (5, 16)


@pytest.mark.parametrize("path", sorted((TOP / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_use_the_public_interface_alone(path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    source = "\n".join(re.sub(r"^%.*$", "", cell, flags=re.M) for cell in cells)
    names = [name for node in ast.walk(ast.parse(source)) for name in imported(node)]
    assert "unsup" in names
    assert not [name for name in names if name.startswith("unsup.")], "import unsup, and nothing else of it"


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []


# ---- evaluate -------------------------------------------------------------------------------------------------------


def pixels(data: unsup.ImageData, train: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    images, labels = data.load(train)
    assert labels is not None
    return to_unit(torch.from_numpy(images)).flatten(1).numpy(), labels


@pytest.fixture(scope="module")
def of_model() -> Any:
    return unsup.evaluate(Pixels((1, 8, 8)), TinyDigits(400))


@pytest.mark.slow
def test_codes_get_the_scores_of_the_model_that_made_them(of_model: Any) -> None:
    data = TinyDigits(400)
    (codes, labels), (test_codes, test_labels) = pixels(data, True), pixels(data, False)
    scores = unsup.evaluate(codes, labels, test_codes, test_labels).scores
    expected = of_model.scores
    assert scores.keys() >= {"linear_probe", "few_label", "knn", "kmeans", "rankme", "clusterings"}
    assert scores == {key: expected[key] for key in scores} and expected.keys() - scores.keys() <= {
        "copies",
        "layers",
        "reconstruction",
        "robustness",
    }
    names = np.array([f"digit {label}" for label in range(10)])
    data.setup()
    val = data._get_rows("val")
    rest = np.setdiff1d(np.arange(len(codes)), val)
    given = {"val_codes": codes[val].tolist(), "val_labels": names[labels[val]].tolist()}
    again = unsup.evaluate(codes[rest], names[labels[rest]], test_codes, names[test_labels].astype(object), **given)
    assert again.scores == scores, "with names for labels, and the validation images that are set aside by default"
    assert again.baselines == {}


@pytest.mark.slow
def test_codes_are_judged_without_torch() -> None:
    script = """
import sys
import unsup
from sklearn.datasets import load_digits
codes, labels = load_digits(return_X_y=True)
result = unsup.evaluate(codes[:300], labels[:300], codes[300:500], labels[300:500])
assert "torch" not in sys.modules and "lightning" not in sys.modules
print(result)
"""
    table = python(script)
    assert table.count("\n") == 2 and "| this encoder | 64 |" in table and "linear probe" in table


@pytest.mark.slow
def test_a_result_prints_the_baselines_next_to_the_scores(of_model: Any) -> None:
    assert of_model.baselines.keys() == {"pixels", "pca", "pca_chosen", "statistics"}  # nothing of it starts at random
    assert of_model.baselines["pixels"]["linear_probe"] == of_model.scores["linear_probe"]
    lines = str(of_model).splitlines()
    names = ["this encoder", "PCA-36", "chosen PCA-32", "raw pixels", "image statistics"]
    assert [line.split("|")[1].strip() for line in lines[2:]] == names
    json.dumps(of_model.scores, allow_nan=False)


def test_codes_without_labels_get_what_needs_none() -> None:
    codes, _ = pixels(TinyDigits(200), True)
    scores = unsup.evaluate(codes[:150], None, codes[150:], None).scores
    assert "linear_probe" not in scores and scores["clusters"]["by"] == "silhouette"


GOOD = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.arange(40) % 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((GOOD[:, 0], LABELS, GOOD, LABELS), r"codes have shape \(40,\): they must be a matrix"),
        ((GOOD, LABELS, GOOD[None], LABELS), r"test_codes have shape \(1, 40, 3\)"),
        ((GOOD, LABELS, GOOD[:, :2], LABELS), "test_codes have 2 dimensions and codes 3"),
        ((np.where(GOOD > 1, np.nan, GOOD), LABELS, GOOD, LABELS), "codes are not finite for .* of 40 train images"),
        ((GOOD, LABELS, GOOD * 1e300, LABELS), "test_codes are not finite"),
        ((GOOD, LABELS[1:], GOOD, LABELS), r"labels have shape \(39,\) for 40 codes"),
        ((GOOD, LABELS, GOOD, LABELS + 1), "test_labels hold 4, a class without training images"),
        ((GOOD, LABELS - 1, GOOD, LABELS - 1), "labels hold -1: leave out"),
        ((GOOD, LABELS / 2, GOOD, LABELS), "labels are of type float64"),
        ((GOOD, LABELS.astype(str), GOOD, LABELS), "test_labels are of type int64 and labels of <U"),
        ((GOOD, LABELS, GOOD, None), "test_labels are missing"),
        ((GOOD, LABELS * 0, GOOD, LABELS * 0), "all labels are 0"),
        ((GOOD, np.arange(40), GOOD, np.arange(40)), "every class needs at least two images"),
        ((GOOD[:5], LABELS[:5], GOOD, LABELS), "codes are of 5 images: at least 10"),
        (([["a", "b"]] * 40, LABELS, GOOD, LABELS), "codes are no array of numbers"),
        (([[1, 2], [3]] * 20, LABELS, GOOD, LABELS), "codes are no array of numbers"),
        ((torch.ones(40, 3, requires_grad=True), LABELS, GOOD, LABELS), "codes are no array of numbers"),
    ],
)
def test_codes_that_cannot_be_judged_are_refused_in_one_line(arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        unsup.evaluate(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((GOOD, LABELS), {}),
        ((GOOD,), {}),
        ((Pixels((1, 8, 8)), GOOD), {}),
        ((Pixels((1, 8, 8)), TinyDigits()), {"val_codes": GOOD}),
        ((GOOD, LABELS, GOOD, LABELS), {"val_labels": LABELS}),
    ],
)
def test_other_arguments_are_a_usage_error(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        unsup.evaluate(*arguments, **keywords)


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder"):
        unsup.evaluate(tmp_path / "none")


# ---- train ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unjudged")
def test_training_by_names_is_the_commands_training(tmp_path: Path) -> None:
    first = unsup.train("ae", "digits", options={"model.lr": 0.01}, seed=3, epochs=1, runs=tmp_path)
    assert first.folder == tmp_path / "digits" / "ae" / "3-001"
    assert first.config["model"]["init_args"]["lr"] == 0.01 and first.config["data"]["init_args"]["batch_size"] == 64
    words = "unsup train ae --data digits --model.lr 0.01 --seed 3 --epochs 1 --runs"
    assert first.versions["command"] == f"{words} {tmp_path}"
    again = unsup.train(first.config, seed=4, runs=tmp_path)
    assert again.config == first.config | {"seed": 4} and again.folder.name == "4-001"
    of_classes = unsup.train(PCA, TinyDigits, options={"dataset": "tiny"}, epochs=1, runs=tmp_path)
    assert of_classes.folder == tmp_path / "tiny" / "pca" / "0-001" and not of_classes.versions["command"]


@pytest.mark.parametrize(
    ("model", "data", "options", "said"),
    [
        ("aee", "digits", {}, "unknown model 'aee' .*did you mean 'ae'"),
        ("ae", "digits", {"model.lrr": 1}, "has no option 'lrr'"),
        ("ae", None, {}, "no data given"),
        (3, "digits", {}, "model is 3: name a recipe"),
        ({"recipe": "ae"}, "digits", {}, "data is part of a configuration"),
        ({"recipe": "ae"}, None, {}, "lacks dataset, model, data, trainer"),
    ],
)
def test_mistakes_are_one_line(model: Any, data: Any, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        unsup.train(model, data, options=options, runs=tmp_path)
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


# ---- examples -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_minimal_example_runs_and_is_seeded() -> None:
    source = (TOP / "examples" / "minimal.py").read_text()
    assert len(source.splitlines()) <= 30
    probes = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "examples/minimal.py"], cwd=TOP, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        probes.append(ast.literal_eval(done.stdout.strip().splitlines()[-1]))
    assert probes[0] == probes[1] and probes[0]["accuracy"] > 0.6
