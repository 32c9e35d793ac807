"""Encoders judged on a few named images."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import used
import yaml
from sklearn.linear_model import LogisticRegression

from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.inference.judge_names import NamedScores, compare_names, cross_validated, judge_names
from unsup.inference.names import read_names
from unsup.metrics.probes import FEW_LABEL_C
from unsup.runs.run import Run

IMAGES, LABELS = used.digits()
NAMED = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(used.finished(tmp_path_factory.mktemp("runs"), "dae", labelled=False))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("pictures")
    for i in range(NAMED + 40):
        used.write(top / f"{i:03}.png", IMAGES[i])
    return top


def labels_file(path: Path, asked: dict[int, str], names: dict[int, str] | None = None) -> Path:
    rows = [f"{i:03}.png,{(names or {}).get(i, str(LABELS[i]))},{how}" for i, how in asked.items()]
    path.write_text("\n".join(["file,name,asked", *rows]), encoding="utf-8")
    return path


def judged(run: Run, pictures: Path, labels: Path) -> NamedScores:
    return judge_names(run, pictures, read_names(labels, pictures))


def test_images_named_at_random_carry_the_estimate(run: Run, pictures: Path, tmp_path: Path) -> None:
    asked = {i: "random" if i % 3 else "chosen" for i in range(NAMED)}
    scores = judged(run, pictures, labels_file(tmp_path / "labels.csv", asked))
    assert len(scores.files) == NAMED and scores.counted.sum() == sum(i % 3 > 0 for i in range(NAMED))
    for classifier in ("probe", "knn"):
        accuracy, low, high = scores.accuracy(classifier)
        right = [scores.predicted[classifier][i] == str(LABELS[i]) for i in range(NAMED) if i % 3]
        assert accuracy == pytest.approx(np.mean(right)) and low < accuracy < high
        assert accuracy > 0.3, "chance is .1"
    rows = list(csv.DictReader(io.StringIO(scores.table().decode())))
    assert [row["counted"] for row in rows] == ["yes" if i % 3 else "no" for i in range(NAMED)]


def test_the_images_that_a_run_trained_on_change_no_accuracy_of_names(run: Run, pictures: Path, tmp_path: Path) -> None:
    labels, other = labels_file(tmp_path / "labels.csv", dict.fromkeys(range(NAMED), "random")), Run(run.folder)
    other.readout = replace(run.readout, reference=3 * run.readout.reference[:7])
    first, second = (judged(one, pictures, labels).predicted for one in (run, other))
    assert all(np.array_equal(first[classifier], second[classifier]) for classifier in first)


def test_a_table_of_classify_is_no_table_of_names(run: Run, pictures: Path, tmp_path: Path) -> None:
    assert main(["classify", str(run.folder), "--images", str(pictures), "--out", str(tmp_path / "out")]) == 0
    table = tmp_path / "out" / "classes.csv"
    with pytest.raises(UserError, match="must name the columns file,name"):
        read_names(table, pictures)
    table.write_text(table.read_text().replace("cluster_name", "name", 1))  # as earlier versions wrote it
    with pytest.raises(UserError, match="is a table that classify wrote"):
        read_names(table, pictures)


def test_files_that_are_gone_are_left_out_and_counted(
    pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "labels.csv").write_text("file,name\n000.png,x\n0000.png,y\n001.png,y\ngone.png,y\n")
    assert list(read_names(tmp_path / "labels.csv", pictures)) == ["000.png", "001.png"]
    assert "labels.csv: left out: 2 files that are not images in" in caplog.text and "0000.png" in caplog.text


def test_all_unknown_files_are_counted(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,name\nnope.jpg,x\n0000.png,y\n")
    with pytest.raises(UserError, match=r"names 2 files that are not images in .*: nope.jpg, 0000.png \("):
        read_names(tmp_path / "labels.csv", pictures)


def test_all_named_images_count_if_none_is_said_to_be_random(run: Run, pictures: Path, tmp_path: Path) -> None:
    scores = judged(run, pictures, labels_file(tmp_path / "labels.csv", dict.fromkeys(range(NAMED), "")))
    assert scores.counted.all()


def test_an_image_is_classified_without_itself() -> None:
    """By hand, with fewer images than folds; a name of a single image is always wrong."""
    rng = np.random.default_rng(0)
    names = np.array(["b", "a"] * 15 + ["once"])
    codes = rng.normal(size=(31, 4)).astype(np.float32) + 2 * (names == "a")[:, None].astype(np.float32)
    predicted = cross_validated(codes, names)
    for i in range(31):
        rest = np.delete(np.arange(31), i)
        probe = LogisticRegression(C=FEW_LABEL_C, max_iter=10_000).fit(codes[rest], names[rest])
        assert predicted["probe"][i] == probe.predict(codes[i : i + 1])[0]
        unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
        assert predicted["knn"][i] == names[rest[np.argmax(unit[rest] @ unit[i])]]
    assert predicted["probe"][30] != "once"


def test_codes_without_information_are_separably_worse() -> None:
    rng = np.random.default_rng(1)
    names = rng.choice(["a", "b"], 80)
    files, counted = [f"{i}.png" for i in range(80)], np.ones(80, np.bool_)
    good = (names == "a")[:, None] * np.ones((1, 3)) * 5 + rng.normal(size=(80, 3))
    encoders = [
        NamedScores(files, names, counted, True, cross_validated(codes.astype(np.float32), names))
        for codes in (rng.normal(size=(80, 3)), good, good + 0.01 * rng.normal(size=(80, 3)))
    ]
    best, differences = compare_names(encoders, "probe")
    assert best == 1 and [row["separable"] for row in differences] == [True, False, False]
    fewer = NamedScores(files[1:], names[1:], counted[1:], True, encoders[0].predicted)
    with pytest.raises(UserError, match="different named images"):
        compare_names([encoders[0], fewer], "probe")


@pytest.mark.parametrize(
    ("asked", "names", "message"),
    [
        (dict.fromkeys(range(9), ""), {}, "9 images are named: an accuracy needs 10"),
        (dict.fromkeys(range(20), "chosen") | {30: "random"}, {}, "1 named images are marked as random"),
        (
            dict.fromkeys(range(20), "random"),
            dict.fromkeys(range(20), "x"),
            "at least two names are needed, all are called x",
        ),
        ({0: "perhaps"}, {}, "asked is 'perhaps' for 000.png"),
    ],
)
def test_labels_that_say_too_little_are_one_line(
    asked: dict[int, str], names: dict[int, str], message: str, run: Run, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        judged(run, pictures, labels_file(tmp_path / "labels.csv", asked, names))


def test_the_column_asked_may_be_missing(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,name\n000.png,x\n001.png,\n")
    assert {file: tuple(name) for file, name in read_names(tmp_path / "labels.csv", pictures).items()} == {
        "000.png": ("x", "")
    }


def test_the_commands_judge_runs_on_named_images(
    run: Run, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    for name in ("0-001", "1-001", "0-002"):
        shutil.copytree(run.folder, runs / "folder-digits" / "dae" / name)
    config = yaml.safe_load((run.folder / "config.yaml").read_text())
    config["data"] = {"class_path": "unsup.data.folder.Folder", "init_args": {"images": str(pictures)}}
    for folder in (runs / "folder-digits" / "dae").iterdir():
        (folder / "config.yaml").write_text(yaml.safe_dump(config | {"dataset": "folder-digits"}))
        report = json.loads((folder / "report.json").read_text())
        report["run"]["seed"] = int(folder.name[0])
        report["provenance"]["config"] = {"data": config["data"], "model": {"noise": report["run"]["seed"] / 2}}
        (folder / "report.json").write_text(json.dumps(report))
    labels = str(labels_file(tmp_path / "labels.csv", dict.fromkeys(range(NAMED), "random")))
    assert main(["compare", "--runs", str(runs), "--labels", labels]) == 0
    out, err = capsys.readouterr()
    assert "dae/0-001 is left out" in err and "dae/0-002 is newer, of the same options and seed" in err
    assert re.search(r"dae/0-002 \(noise=0.0\) +\.\d+ \[\.\d+, \.\d+\] .* the best", out)
    assert f"files  {runs / 'folder-digits' / 'named.csv'}" in out
    table = list(csv.DictReader((runs / "folder-digits" / "named.csv").read_text().splitlines()))
    assert [row["run"] for row in table] == ["dae/0-002", "dae/1-001"] and table[0]["images"] == str(NAMED)
    assert [row["options"] for row in table] == ["noise=0.0", "noise=0.5"]
    assert re.search(r"dae/1-001 .*\+0\.000 \[.*\], not\s+(\(noise=0.5\)\s+)?separable", out) and "(noise=0.5)" in out
    assert f"Accuracy on {NAMED} images named at random, each classified by the other named ones" in out

    assert main(["compare", "--runs", str(runs), "--data", "folder-digit", "--labels", labels]) == 1
    assert "has no evaluated run on folder-digit (did you mean 'folder-digits'?)" in capsys.readouterr().err
    (runs / "digits" / "ae" / "0-001").mkdir(parents=True)
    (runs / "digits" / "ae" / "0-001" / "report.json").touch()
    assert main(["compare", "--runs", str(runs), "--labels", labels, "--data", "digits"]) == 1
    assert "digits is not a folder of images, and --labels names images of one" in capsys.readouterr().err

    one = runs / "folder-digits" / "dae" / "0-001"
    assert main(["evaluate", str(one), "--labels", labels]) == 0
    assert f"table  {one / 'named.csv'}" in capsys.readouterr().out
    named, page = Run(one).report.named, (one / "report.html").read_text()
    assert named is not None and named.at_random and (named.images, named.counted) == (NAMED, NAMED)
    assert float(table[0]["few-label probe"]) == pytest.approx(named.probe.accuracy)
    assert "Accuracy on named pictures" in page and "named at random" in (one / "report.md").read_text()
    assert f"--labels {labels}" in page
    assert f"classify {one} --images {pictures} --labels {labels}" in page and f"classify {one} --images …<" in page
    (tmp_path / "labels.csv").write_text((tmp_path / "labels.csv").read_text().replace(",random", ","))
    assert main(["evaluate", str(one), "--labels", labels]) == 0
    assert "does not say which images were drawn at random" in capsys.readouterr().out
    assert len((one / "named.csv").read_text().splitlines()) == NAMED + 1
    assert main(["evaluate", str(run), "--labels", labels, "--images", str(pictures)]) == 0


def test_scores_on_named_images_outlive_an_evaluation_of_the_same_weights(
    run: Run, pictures: Path, tmp_path: Path
) -> None:
    mine = Run(shutil.copytree(run.folder, tmp_path / "run"))
    labels = str(labels_file(tmp_path / "labels.csv", dict.fromkeys(range(NAMED), "random")))
    words = ["evaluate", str(mine.folder)]
    assert main([*words, "--evaluate", "quick"]) == 0  # the report of the fixture is not of its weights
    assert main([*words, "--labels", labels, "--images", str(pictures)]) == 0
    named = Run(mine.folder).report.named
    assert named is not None
    assert main([*words, "--evaluate", "quick"]) == 0
    assert Run(mine.folder).report.named == named
    report = json.loads((mine.folder / "report.json").read_text())
    report["frozen"]["after"] = "0" * 64
    (mine.folder / "report.json").write_text(json.dumps(report))
    assert main([*words, "--evaluate", "quick"]) == 0
    assert Run(mine.folder).report.named is None


def test_the_best_run_on_named_images_comes_first(
    run: Run, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = yaml.safe_load((run.folder / "config.yaml").read_text()) | {"dataset": "folder-digits"}
    config["data"] = {"class_path": "unsup.data.folder.Folder", "init_args": {"images": str(pictures)}}
    for i in (1, 2):
        folder = tmp_path / "runs" / "folder-digits" / "dae" / f"0-00{i}"
        shutil.copytree(run.folder, folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        report = json.loads((folder / "report.json").read_text())
        report["run"]["seed"] = i
        (folder / "report.json").write_text(json.dumps(report))

    def judge(trained: Run, *_: object) -> NamedScores:
        names = np.array(["a", "b"] * 20)
        predicted = names if trained.folder.name == "0-002" else np.array(["a"] * 40)
        return NamedScores(
            [f"{i}" for i in range(40)], names, np.ones(40, np.bool_), True, {"probe": predicted, "knn": predicted}
        )

    monkeypatch.setattr("unsup.inference.judge_names.judge_names", judge)
    labels = str(labels_file(tmp_path / "labels.csv", dict.fromkeys(range(NAMED), "random")))
    assert main(["compare", "--runs", str(tmp_path / "runs"), "--labels", labels]) == 0
    assert re.search(r"dae/0-002 .* the best\n+ *dae/0-001", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "--sort", "kNN"], "leave --sort"),
        (["compare"], "has no evaluated run on a folder of images"),
        (["evaluate", "--codes", "codes.npz"], "needs pictures"),
    ],
)
def test_labels_with_other_words_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--labels", "x.csv", "--runs", str(tmp_path)]) > 0
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1


def test_names_are_read_before_an_encoder_is_judged(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unsup.evaluation.encoder_run.evaluate_encoder", lambda *_: pytest.fail("judged"))
    labels = tmp_path / "labels.csv"
    labels.write_text("file,name,asked\n000.png,,random\n")
    words = ["evaluate", "--encoder", "torchvision:resnet18", "--labels", str(labels), "--runs", str(tmp_path / "runs")]
    assert main([*words, "--images", str(pictures)]) == 1
    assert "names no images: fill in its column name" in capsys.readouterr().err
    labels_file(labels, dict.fromkeys(range(20), "random"), dict.fromkeys(range(20), "x"))
    assert main([*words, "--images", str(pictures)]) == 1
    assert "at least two names are needed" in capsys.readouterr().err
    assert main([*words, "--data", "digits"]) == 2
    assert "names images of a folder: give --images <folder>" in capsys.readouterr().err


def test_names_are_read_once_for_an_encoder(
    run: Run, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = labels_file(tmp_path / "labels.csv", dict.fromkeys(range(NAMED), "random"))

    def evaluate_encoder(*_: object) -> Run:
        labels.unlink()
        return run

    monkeypatch.setattr("unsup.evaluation.encoder_run.evaluate_encoder", evaluate_encoder)
    words = ["--encoder", "torchvision:resnet18", "--images", str(pictures), "--runs", str(tmp_path / "runs")]
    assert main(["evaluate", *words, "--labels", str(labels)]) == 0
    out = capsys.readouterr().out
    assert "no labels" not in out and f"Accuracy on {NAMED} images named at random" in out
    assert out.index("The folder has no classes to judge by: the named pictures are judged below.") < out.index("kNN")


def test_a_run_on_no_folder_needs_one(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run.folder), "--labels", "x.csv"]) == 2
    assert "was not trained on a folder of images: give --images" in capsys.readouterr().err
