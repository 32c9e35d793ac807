"""The page on which people name pictures: what it holds, how large it is, and the commands that write and read it."""

import base64
import csv
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import foreign
import labelling
import numpy as np
import pytest
import used
import yaml
from documents import TOP, arguments, shell_commands

from unsup.cli.main import main
from unsup.data.asked_names import ASKED, ask_for_names, drawn_at_random
from unsup.data.pixels import Reading
from unsup.inference import label_page as page_module
from unsup.inference.label_page import AskList, label_page, map_places, partitions, shown_pictures, small_codes
from unsup.inference.names import Name
from unsup.inference.thumbnail_sheets import thumbnail_sheets

ENCODER = "own_nets.py:Averages"


def content_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found
    return dict(json.loads(found[1]))


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return labelling.pictures(tmp_path_factory.mktemp("label") / "pictures", 120)[0]


# ---- the page --------------------------------------------------------------------------------------------------------


def test_the_page_loads_nothing_and_runs_only_its_own_script(encoded: Any) -> None:
    page = label_page(encoded, [labelling.at_random(encoded)], {})
    assert not re.findall(r"https?://|<link|@import|<img src=x", page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in policy
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_the_page_has_every_picture_once_in_each_level(encoded: Any) -> None:
    given = {encoded.files[3]: Name("a", "chosen"), "gone.png": Name("b", "")}
    content = content_of(label_page(encoded, [labelling.at_random(encoded)], given))
    assert content["files"] == encoded.files
    assert [sorted(i for members in level for i in members) for level in content["levels"]] == [[*range(120)]]
    assert sorted(content["slots"]) == [*range(120)] and len(content["sheets"]) == 2
    assert len(base64.b64decode(content["codes"])) == 120 * 16 and len(content["places"]) == 240
    (asked,) = content["lists"]
    assert asked["asked"] == "random" and asked["images"] == drawn_at_random(encoded.files)
    assert len(asked["pictures"]) == len(asked["images"]) == ASKED
    assert content["given"]["names"] == [[3, "a", "chosen"]]


def test_the_key_is_of_the_encoder_and_the_pictures(encoded: Any) -> None:
    def key(**changes: Any) -> str:
        return str(content_of(label_page(type(encoded)(**vars(encoded) | changes), [], {}))["key"])

    assert key() == key(codes=encoded.codes * 1.0001)
    assert len({key(), key(identity="1"), key(files=[*encoded.files[:-1], encoded.files[0]])}) == 3


def test_of_too_many_pictures_the_asked_and_the_named_are_on_the_page(
    encoded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST", 30)
    lists, given = (
        [AskList("x", "chosen", [5, 100], ["near the middle", "unlike others"])],
        {encoded.files[77]: Name("a", "")},
    )
    shown = shown_pictures(encoded.files, lists, given)
    assert len(shown) == len({*shown.tolist()}) == 30 and {5, 77, 100} <= {*shown.tolist()}
    page = label_page(encoded, lists, given)
    assert "30 pictures of 120, drawn at random with those that are asked for or named" in page
    content = content_of(page)
    assert [content["files"][i] for i in content["lists"][0]["images"]] == [encoded.files[5], encoded.files[100]]
    assert content["lists"][0]["reasons"] == ["near the middle", "unlike others"]
    assert [content["files"][i] for i, *_ in content["given"]["names"]] == [encoded.files[77]]


def test_uniform_clusters_come_first() -> None:
    draw = np.random.default_rng(0)
    tight, loose = draw.normal(8, 0.1, (40, 4)), draw.normal(0, 1, (60, 4))
    (level,) = partitions(np.concatenate([loose, tight]).astype(np.float32))
    assert min(level[0]) >= 60 and sorted(i for members in level for i in members) == [*range(100)]
    assert [len(level) for level in partitions(draw.normal(size=(1000, 4)).astype(np.float32))] == [100, 40, 15]
    assert partitions(np.zeros((7, 2), np.float32)) == [[[*range(7)]]]


def test_small_codes_have_the_directions_of_the_codes() -> None:
    codes = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    centred = codes - codes.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    small = small_codes(codes) / 127
    assert np.abs(small @ small.T - centred @ centred.T).max() < 0.03


def test_pictures_beyond_the_map_are_beside_their_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unsup.reports.figures.codes.POINTS", 100)
    codes = np.random.default_rng(0).normal(size=(150, 2)).astype(np.float32)
    codes = np.concatenate([codes, codes])
    whole = map_places(codes)
    places = np.array(whole["places"]).reshape(-1, 2)
    assert whole["mapped"] == 100 and places.min() >= 0 and places.max() <= page_module.SCALE
    assert np.median(np.linalg.norm(places[:150] - places[150:], axis=1)) < 0.1 * page_module.SCALE


def test_thumbnails_get_smaller_where_bytes_are_few(encoded: Any) -> None:
    paths = [encoded.images / file for file in encoded.files]
    large = thumbnail_sheets(paths, Reading(), 10**7)
    assert {sheet.width for sheet in large} == {80}  # the pictures have 72 pixels
    assert [sheet.columns for sheet in large] == [10, 5]
    total = sum(len(sheet.uri) for sheet in large)
    small = thumbnail_sheets(paths, Reading(), total // 2)
    assert sum(len(sheet.uri) for sheet in small) <= total // 2 and small[0].width < 80
    assert thumbnail_sheets(paths, Reading(), 0)[0].width == 16


# ---- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(here: Path) -> Path:
    for i in range(40):
        foreign.photograph(here / "pictures" / f"{i:02}.png", (60, 50), i)
    return here / "pictures"


def test_an_encoder_makes_a_page_whose_names_start_and_evaluate_share(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert main(["label", "--encoder", ENCODER, "--images", "pictures"]) == 0
    file = Path("runs", "folder-pictures", "label", "own_nets.Averages.html")
    assert f"page   {file}" in capsys.readouterr().out
    content = content_of(file.read_text())
    assert len(content["files"]) == 40
    ask_for_names(Path("names.csv"), content["files"])
    with Path("names.csv").open(newline="") as table:
        asked = [row["file"] for row in csv.DictReader(table)]
    assert [content["files"][i] for i in content["lists"][0]["images"]] == asked

    Path("names.csv").write_text("file,name,asked\n03.png,cat,random\n04.png,dog,\n")
    words = ["label", "--encoder", ENCODER, "--images", "pictures", "--labels", "names.csv", "--out", "mine.html"]
    assert main(words) == 0
    names = content_of(Path("mine.html").read_text())["given"]["names"]
    assert [(content["files"][i], *rest) for i, *rest in names] == [("03.png", "cat", "random"), ("04.png", "dog", "")]
    assert main(words) == 1, "a file of one's own is not overwritten"


def test_a_run_makes_a_page_of_its_own_folder_or_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images, _ = used.digits()
    for i in range(40):
        used.write(here / "pictures" / f"{i:02}.png", images[i])
    run = used.finished(here / "runs", epochs=1)
    assert main(["label", str(run)]) == 2
    assert "was not trained on a folder of images" in capsys.readouterr().err
    assert main(["label", str(run), "--images", "pictures"]) == 0
    content = content_of((run / "label.html").read_text())
    assert len(content["files"]) == 40 and content["side"] == 16
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"] = {"class_path": "unsup.data.folder.Folder", "init_args": {"images": "pictures"}}
    (run / "config.yaml").write_text(yaml.safe_dump(config | {"dataset": "folder-pictures"}))
    assert main(["label", str(run)]) == 0
    assert content_of((run / "label.html").read_text())["key"] == content["key"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "label takes one of two: a run or --encoder"),
        (["run", "--encoder", "starter"], "label takes one of two"),
        (["--encoder", "starter"], "needs --images <folder>"),
        (["--encoder", "starter", "--images", "gone"], "gone is not a folder"),
        (["--encoder", "resnet18", "--images", "pictures"], "resnet18"),
        (["--encoder", "starter", "--images", "pictures", "--model.lr", "1"], "there is no option --model.lr here"),
        (["--encoder", "starter", "--images", "pictures", "--labels", "gone.csv"], "cannot read gone.csv"),
        (["--encoder", "starter", "--images", "pictures", "--out", "own_nets.py"], "exists and is not overwritten"),
        (["gone"], "gone"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", *words]) in (1, 2)
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


@pytest.mark.slow
def test_the_commands_of_the_guide_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(40):
        foreign.photograph(here / "path" / "to" / "pictures" / f"{i:02}.png", (60, 50), i)
    rows = [f"{i:02}.png,{'ab'[i % 2]},random" for i in range(20)]
    Path("labels.csv").write_text("\n".join(["file,name,asked", *rows]), encoding="utf-8")
    assert main(["train", "simclr", "--images", "path/to/pictures", "--epochs", "1", "--evaluate", "quick"]) == 0
    commands = shell_commands(TOP / "docs" / "guide" / "label.md")
    assert len(commands) == 5
    for command in commands:
        words = arguments(command)
        assert words and main(words) == 0, (command, capsys.readouterr().err)
    shutil.rmtree("runs")
