"""Folders with few different images or many small classes have a report, in the project's own words."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unsup.cli.main import main
from unsup.runs.run import Run

EQUAL, FEW, SMALL_CLASSES = (2, 30, 1), (12, 5, 5), (60, 3, 180)  # classes, images of each, different images


def write(top: Path, classes: int, each: int, different: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (different, 8, 8), np.uint8)
    for c in range(classes):
        (top / f"{c:02}").mkdir(parents=True)
        for i in range(each):
            at = (c * each + i) % different if different > classes else c % different
            Image.fromarray(pictures[at]).save(top / f"{c:02}" / f"{i}.png")


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        pytest.param(EQUAL, "clusters   1 distinct code: k-means uses 1 of 2 clusters\n", marks=pytest.mark.slow),
        pytest.param(FEW, "clusters   5 distinct codes: k-means uses 5 of 12 clusters\n", marks=pytest.mark.nightly),
        pytest.param(SMALL_CLASSES, "", marks=pytest.mark.nightly),
    ],
)
def test_no_warning_of_a_library_reaches_the_user(
    folder: tuple[int, int, int],
    line: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    write(tmp_path / "pictures", *folder)
    size = ["--data.size", "8", "--data.channels", "1"]
    places = ["--images", str(tmp_path / "pictures"), "--data_root", str(tmp_path), "--runs", str(tmp_path / "runs")]
    assert main(["train", "pixels", *places, *size]) == 0
    text = capfd.readouterr()
    assert not [str(warning.message) for warning in recwarn]
    assert "Warning" not in text.err + text.out
    assert ("\nclusters   " in text.out) == bool(line) and line in text.out
    report = Run.find(str(tmp_path / "runs" / "folder-pictures" / "pixels" / "0-001"))
    assert not line or line.removeprefix("clusters   ").strip() in (report.folder / "report.md").read_text()
