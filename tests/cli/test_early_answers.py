"""Mistakes in words and paths, answered before PyTorch is imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import used

from unsup.core.files import replace_file
from unsup.core.strict_yaml import dump_yaml
from unsup.runs.config import compose, resolve

PROGRAM = """
import sys
from unsup.cli.main import main
for words in eval(sys.argv[1]):
    print(main(words))
assert 'torch' not in sys.modules
"""
MISTAKES: list[tuple[str, int, str]] = [  # R: a run, not on a folder; P: 20 pictures
    ("train ae --images empty", 1, "empty holds no images (known are .png"),
    ("train ae --images notes", 1, "notes holds no images (left out: 1 .txt)"),
    ("train ae --data digits --model.lr -1", 2, "model.lr is -1.0: it must be above 0"),
    ("train ae --data digits --model.code_dim 0", 2, "model.code_dim is 0: it must be at least 1"),
    ("train ae --data digits --data.batch_size 0", 2, "data.batch_size is 0: it must be at least 1"),
    ("audit --images empty", 1, "empty holds no images"),
    ("start --images empty", 1, "empty holds no images"),
    ("classify R --images empty", 1, "empty holds no images"),
    (
        "classify R --images P --labels bad.csv",
        1,
        "bad.csv: the first line must name the columns file,name (it is a,b)",
    ),
    ("classify R --images P --labels one.csv", 1, "one.csv: at least two names are needed, all are called x"),
    ("encode R --images empty", 1, "empty holds no images"),
    ("label R", 2, "was not trained on a folder of images: give --images <folder>"),
    ("label R --images empty", 1, "empty holds no images"),
    ("label --encoder starter --images P --labels bad.csv", 1, "bad.csv: the first line must name"),
    ("evaluate R --images P --labels bad.csv", 1, "bad.csv: the first line must name"),
    ("evaluate --encoder starter --images P --labels bad.csv", 1, "bad.csv: the first line must name"),
    ("evaluate --encoder nosuch --images P", 2, "if it is a network of torchvision, give torchvision:nosuch"),
    ("similar R --picture nowhere.png", 2, "there is no file nowhere.png: --picture is one file"),
    ("similar R --picture P", 2, "is a folder: --picture is one file"),
    ("similar R --picture text.png", 1, "text.png cannot be read as an image: not an image"),
    ("similar R --picture P/0.png --images nowhere", 1, "nowhere is not a folder"),
    ("similar R --picture P/0.png --images empty", 1, "empty holds no images"),
    ("similar R --picture P/0.png --out P", 1, "exists and is not overwritten"),
    ("classify R --images P --out text.png/out", 1, "text.png/out cannot be made, since text.png is a file"),
    ("encode R --images P --out text.png/codes.npz", 1, "cannot be made, since text.png is a file"),
    ("label --encoder starter --images P --out text.png/page.html", 1, "cannot be made, since text.png is a file"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Exit code and line of each mistake."""
    here = tmp_path_factory.mktemp("here")
    for folder in ("empty", "notes", "R"):
        (here / folder).mkdir()
    replace_file(here / "R" / "config.yaml", dump_yaml(resolve(compose("ae", "digits"))))
    for i in range(20):
        used.write(here / "P" / f"{i}.png", np.full((1, 8, 8), i, np.uint8))
    texts = {"notes/a.txt": "", "text.png": "no image", "bad.csv": "a,b\n1,2\n", "one.csv": "file,name\n0.png,x\n"}
    for name, text in texts.items():
        (here / name).write_text(text)
    calls = repr([words.split() for words, *_ in MISTAKES])
    done = subprocess.run([sys.executable, "-c", PROGRAM, calls], capture_output=True, text=True, cwd=here)
    assert done.returncode == 0, done.stderr
    assert {Path(path).name for path in here.iterdir()} == {
        "empty",
        "notes",
        "R",
        "P",
        "text.png",
        "bad.csv",
        "one.csv",
    }
    return list(zip(map(int, done.stdout.split()), done.stderr.splitlines(), strict=True))


@pytest.mark.parametrize("i", range(len(MISTAKES)), ids=[words for words, *_ in MISTAKES])
def test_mistakes_are_one_line_without_pytorch(i: int, answers: list[tuple[int, str]]) -> None:
    _, code, text = MISTAKES[i]
    assert answers[i][0] == code and text in answers[i][1]
    assert len(answers) == len(MISTAKES)
