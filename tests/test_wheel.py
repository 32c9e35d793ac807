"""The package from a wheel, in an empty folder: built without a network, installed without the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import release
from documents import README, files

TOP = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def run(words: list[str], folder: Path, path: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run this interpreter in a folder, the checkout not on its path."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"PYTHONPATH": str(path)} if path else {}
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a wheel is installed into, which was built from an sdist of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel, _ = release.build(folder / "dist")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index", "--no-compile"]
    installed = run([*pip, "--target", "site", str(wheel)], folder)
    assert installed.returncode == 0, installed.stderr
    return folder / "site"


def test_wheel_and_sdist_are_complete(site: Path) -> None:
    wheel, sdist = (next(site.parent.glob(f"dist/*{end}")) for end in (".whl", ".tar.gz"))
    packed = release.contents(wheel, sdist)
    assert not release.missing_files(*packed) and not release.foreign_files(*packed)
    assert not release.metadata_faults(wheel)


def test_recipes_and_templates_are_in_the_wheel(site: Path) -> None:
    for folder in ("model", "data"):
        recipes = {path.name for path in (TOP / "configs" / folder).glob("*.yaml")}
        assert {path.name for path in (site / "unsup" / "configs" / folder).iterdir()} == recipes
    assert (site / "unsup" / "configs" / "base.yaml").exists() and not (site / "configs").exists()
    assert list((site / "unsup" / "reports" / "templates").glob("*.j2"))


def test_it_trains_in_an_empty_folder_a_recipe_and_a_model_of_ones_own(site: Path, tmp_path: Path) -> None:
    def unsup(*words: str) -> str:
        done = run([str(site / "bin" / "unsup"), *words], tmp_path, site)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip(), words
        return done.stdout

    unsup("train", "ae", "--data", "digits", "--epochs", "1")
    for name, text in files(README).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    unsup("train", "my_ae", "--data", "digits", "--epochs", "1")
    for model in ("ae", "my_ae"):
        assert (tmp_path / "runs" / "digits" / model / "0-001" / "report.html").exists()
    listed = unsup("models").splitlines()
    assert [line for line in listed if line.startswith("ae ")]
    (mine,) = (line for line in listed if line.startswith("my_ae "))
    assert mine.endswith("(configs/model/my_ae.yaml of this folder)") and "A linear autoencoder" in mine
    assert "my_ae" in unsup("compare", "--data", "digits")
    assert "evaluator checked" in unsup("selfcheck")
    assert "models" in unsup("--help")


def test_what_needs_a_checkout_says_so(site: Path, tmp_path: Path) -> None:
    done = run([str(site / "bin" / "unsup"), "reproduce", "digits-pca"], tmp_path, site)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "in results/ of a checkout" in done.stderr
