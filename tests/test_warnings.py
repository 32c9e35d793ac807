"""No warning of a library reaches the user, whatever the recipe and however few or equal the images."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unsup.runs.lookup import config_names

CLASSES, IMAGES, EQUAL = 12, 6, 3  # of the folder; in some classes half of the images are equal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top, rng = tmp_path_factory.mktemp("few"), np.random.default_rng(0)
    for c in range(CLASSES):
        (top / f"class{c:02d}").mkdir()
        first = rng.integers(0, 256, (16, 16, 3), np.uint8)
        for i in range(IMAGES):
            equal = i < EQUAL and c < 5
            pixels = first if equal else rng.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(top / f"class{c:02d}" / f"{i}.png")
    return top


def errors_of(*words: str) -> str:
    """What a command that ends well prints on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "unsup", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def check(text: str) -> None:
    """Only lines of this project: progress, and remarks without the name of a warning."""
    assert "Warning" not in text and "warnings.warn" not in text and "site-packages" not in text, text
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) == len(set(lines)), text  # each remark once


@pytest.mark.nightly
def test_no_library_warns_of_few_and_equal_images(folder: Path, tmp_path: Path) -> None:
    words = ("--data.size", "16", "--data_root", str(tmp_path / "root"), "--runs", str(tmp_path / "runs"))
    check(errors_of("train", "ae", "--images", str(folder), "--epochs", "1", *words))


@pytest.mark.nightly
@pytest.mark.parametrize("recipe", config_names("model"))
def test_no_recipe_warns(recipe: str, folder: Path, tmp_path: Path) -> None:
    end = ("--epochs", "1", "--data_root", str(tmp_path / "root"), "--runs", str(tmp_path / "runs"))
    check(errors_of("train", recipe, "--data", "digits", *end))
    check(errors_of("train", recipe, "--images", str(folder), "--data.size", "16", *end))
