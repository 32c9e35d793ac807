"""New pictures sorted by a trained run: what is said of them, the sheet, folders of copies and links."""

import csv
import hashlib
import os
import re
import shutil
import unicodedata
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
import used
import yaml
from PIL import Image
from sklearn.linear_model import LogisticRegression

import unsup.inference.contact_sheet
from unsup.cli.main import main
from unsup.core.array_files import load_arrays
from unsup.data.thumbnail import thumbnail
from unsup.inference.by_names import classify_by_names, scaled_by
from unsup.inference.classify import Classification, classify_folder
from unsup.inference.names import read_names
from unsup.inference.sort import TABLE_COLUMNS, UNLIKE, safe_name, unused_name
from unsup.metrics.probes import FEW_LABEL_C
from unsup.metrics.readout import Probe, Readout
from unsup.metrics.rule_choice import FOLDS
from unsup.runs.run import Run

IMAGES, LABELS = used.digits()
N = 120
HOSTILE = "<img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return used.finished(tmp_path_factory.mktemp("runs"), "dae")


@pytest.fixture(scope="module")
def unlabelled(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run as if its images had had no labels."""
    other = tmp_path_factory.mktemp("unlabelled") / "run"
    shutil.copytree(run, other)
    readout = load_arrays(run / "heads.npz", Readout.of)
    np.savez(other / "heads.npz", **{k: v for k, v in readout.arrays().items() if not k.startswith("probe.")})
    return other


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 digits in two folders that share names, uniform noise, one that is no image, hostile names."""
    top = tmp_path_factory.mktemp("pictures") / "my pictures"
    for i in range(N):
        used.write(top / ("left" if i < N // 2 else "right") / f"{i % (N // 2):03}.png", IMAGES[i])
    noise = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), np.uint8)
    for i, pixels in enumerate(noise):
        used.write(top / f"noise {i}.png", pixels)
    used.write(top / HOSTILE, IMAGES[N])
    used.write(Path(os.fsdecode(os.fsencode(top) + b"/caf\xe9\n.png")), IMAGES[N + 1])
    broken = top / "<" / "ul><script>broken.png"
    broken.parent.mkdir()
    broken.write_bytes(b"no image")
    (top / "notes.txt").write_text("no picture either")
    return top


def label_of(file: str) -> str:
    folder, _, name = file.partition("/")
    return str(LABELS[int(name[:3]) + (N // 2 if folder == "right" else 0)])


def classify(run: Path, images: Path, out: Path, *words: str) -> list[dict[str, str]]:
    assert main(["classify", str(run), "--images", str(images), "--out", str(out), *words]) == 0
    with (out / "classes.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "name"), *rows])
    return path


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.depth = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.depth += tag not in ("meta", "img", "br", "link")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str, tag: str = "img") -> list[str]:
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


# ---- what is said ----------------------------------------------------------------------------------------------------


def test_class_cluster_and_what_is_unlike_anything_seen(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = classify(run, pictures, tmp_path / "out")
    told = capsys.readouterr()
    assert "left out: 1 of 128 images cannot be read" in told.err
    for line in ("classes   {}/classes.csv", "left out  {}/left_out.csv", "sheet     {}/sheet.html"):
        assert line.format(tmp_path / "out") in told.out
    right = Run(run).report.scores.linear_probe
    assert right is not None and f"Its accuracy: {right.accuracy:.3f}".replace("0.", ".") in told.out
    with (tmp_path / "out" / "left_out.csv").open(encoding="utf-8") as file:
        left_out = list(csv.DictReader(file))
    assert [row["file"] for row in left_out] == ["</ul><script>broken.png", "notes.txt"]
    assert "cannot identify" in left_out[0]["reason"] or "not an image" in left_out[0]["reason"]
    assert left_out[1]["reason"] == "not an image: .txt"
    assert re.search(rf"{UNLIKE} +\d+\n", told.out) and re.search(r"unreadable +1\n", told.out)

    ratios = ["code_distance", "error", "distance", "p", "unlike"]
    assert list(rows[0]) == ["file", "class", "confidence", "given", "cluster", "cluster_name", *ratios]
    assert len(rows) == N + 7
    known = [row for row in rows if row["file"].startswith(("left/", "right/"))]
    assert np.mean([row["class"] == label_of(row["file"]) for row in known]) > 0.8
    assert np.mean([row["unlike"] == "true" for row in known]) < 0.1
    assert all(row["unlike"] == "true" for row in rows if row["file"].startswith("noise"))
    for row in rows:
        assert float(row["distance"]) == max(float(row["code_distance"]), float(row["error"]))
        assert (float(row["distance"]) > 1) == (row["unlike"] == "true") and row["given"] == "no"
        assert (float(row["p"]) <= Run(run).readout.false_alarm_rate) == (row["unlike"] == "true")
        assert 0.1 <= float(row["confidence"]) <= 1 and row["cluster_name"] == f"cluster {row['cluster']}"
    counts = Counter(row["class"] for row in rows if row["unlike"] == "false")
    for digit, count in counts.items():
        assert re.search(rf"^{digit} +{count}$", told.out, re.M), "the terminal counts what the table holds"
    names = [row["file"] for row in rows]
    assert HOSTILE in names and os.fsdecode(b"caf\xe9\n.png") in names


def test_every_column_is_described_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "inference.md").read_text()
    table = guide.partition("Columns of `classes.csv`")[2].partition("**Confidence**")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.M) == [*TABLE_COLUMNS]


def test_clusters_are_those_of_the_report(run: Path, pictures: Path, tmp_path: Path) -> None:
    """Nearest centre of the kept ones, by another library."""
    rows = classify(run, pictures, tmp_path / "out")
    from unsup import load_encoder

    readout = load_arrays(run / "heads.npz", Readout.of)
    codes = load_encoder(run)(IMAGES[:N]).numpy()
    nearest = ((codes[:, None] - readout.centres[None]) ** 2).sum(-1).argmin(1)
    found = {row["file"]: int(row["cluster"]) for row in rows}
    half = N // 2
    assert [found[f"left/{i:03}.png"] for i in range(half)] == nearest[:half].tolist()


def test_a_run_without_labels_gives_clusters(
    unlabelled: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = classify(unlabelled, pictures, tmp_path / "out", "--sort", "link")
    assert {row["class"] for row in rows} == {row["confidence"] for row in rows} == {""}
    groups = {row["cluster_name"] for row in rows if row["unlike"] == "false"}
    assert groups and all(re.fullmatch(r"cluster \d", name) for name in groups)
    assert {p.name for p in (tmp_path / "out").iterdir() if p.is_dir()} == groups | {UNLIKE}
    assert "the run had no labels" in Page(tmp_path / "out" / "sheet.html").text


def test_a_model_with_clusters_of_its_own_sorts_by_them(pictures: Path, tmp_path: Path) -> None:
    own = used.finished(tmp_path / "runs", "dec", epochs=1, labelled=False)
    rows = classify(own, pictures, tmp_path / "out")
    model = Run(own).model()
    expected = model.assign(torch.from_numpy(IMAGES[: N // 2]).float() / 255)
    found = {row["file"]: int(row["cluster"]) for row in rows}
    assert [found[f"left/{i:03}.png"] for i in range(N // 2)] == expected.tolist()
    assert "Clusters by the model itself" in Page(tmp_path / "out" / "sheet.html").text
    assert main(["encode", str(own), "--images", str(pictures), "--out", str(tmp_path / "codes.npz")]) == 0
    saved = np.load(tmp_path / "codes.npz")
    assert dict(zip(saved["files"].tolist(), saved["own_cluster"].tolist(), strict=True)) == found
    assert (saved["own_cluster"] != saved["cluster"]).any()  # that is k-means
    (own / "heads.npz").unlink()
    assert main(["encode", str(own), "--images", str(pictures), "--out", str(tmp_path / "bare.npz")]) == 0
    assert np.array_equal(np.load(tmp_path / "bare.npz")["own_cluster"], saved["own_cluster"])


def test_a_handful_of_names_makes_classes(unlabelled: Path, pictures: Path, tmp_path: Path) -> None:
    """Three of each digit named; a cluster is called as most of its named images are."""
    by_label: dict[str, list[str]] = {}
    for i in range(N):
        file = f"{'left' if i < N // 2 else 'right'}/{i % (N // 2):03}.png"
        by_label.setdefault(str(LABELS[i]), []).append(file)
    given = [(file, f"digit {label}") for label, files in by_label.items() for file in files[:3]]
    rows = classify(
        unlabelled, pictures, tmp_path / "out", "--labels", str(table(tmp_path / "names.csv", [*given, ("x.png", "")]))
    )
    known = [row for row in rows if row["file"].startswith(("left/", "right/"))]
    assert np.mean([row["class"] == f"digit {label_of(row['file'])}" for row in known]) > 0.6
    in_cluster: dict[str, Counter[str]] = {}
    named = dict(given)
    for row in rows:
        in_cluster.setdefault(row["cluster"], Counter()).update([named[row["file"]]] if row["file"] in named else [])
    for row in rows:
        counts = in_cluster[row["cluster"]]
        best = sorted(name for name in counts if counts[name] == max(counts.values()))
        assert row["cluster_name"] == (best[0] if best else f"cluster {row['cluster']}")
    assert "codes of the 30 images that were named" in Page(tmp_path / "out" / "sheet.html").text


def test_named_images_keep_their_names(
    run: Path, unlabelled: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the classifier says another, and where they are unlike anything seen."""
    given = {f"left/{i:03}.png": "a rather long name" if i % 2 else "even" for i in range(20)} | {
        "noise 0.png": "noise"
    }
    names = str(table(tmp_path / "names.csv", list(given.items())))
    rows = classify(unlabelled, pictures, tmp_path / "out", "--labels", names, "--sort", "copy")
    assert {row["file"]: row["class"] for row in rows if row["given"] == "yes"} == given
    assert all(float(row["confidence"]) == 1 for row in rows if row["given"] == "yes")
    assert {row["given"] for row in rows} == {"yes", "no"}
    for file, name in given.items():
        assert (tmp_path / "out" / name / Path(file).name).is_file()
    noise = next(row for row in rows if row["file"] == "noise 0.png")
    assert noise["unlike"] == "true" and float(noise["distance"]) > 1, "its distance is told all the same"
    assert re.search(rf"{UNLIKE} +{sum(row['unlike'] == 'true' for row in rows) - 1}\n", capsys.readouterr().out)

    two = {"left/000.png": "a rather long name", "left/001.png": "another"}
    names = str(table(tmp_path / "two.csv", list(two.items())))
    rows = classify(run, pictures, tmp_path / "two", "--labels", names)
    assert {row["file"]: row["class"] for row in rows if row["given"] == "yes"} == two


def test_names_leave_the_columns_of_the_model_as_they_are(run: Path, pictures: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "two.csv", [("left/000.png", "even"), ("left/001.png", "odd")])
    named = classify_folder(Run(run), pictures, read_names(path, pictures))
    plain = classify_folder(Run(run), pictures)
    assert np.array_equal(named.columns["confidence"], plain.columns["confidence"])
    assert named.confidence is not None and named.confidence[named.files.index("left/000.png")] == 1


def test_how_well_names_can_be_distinguished_is_said(
    unlabelled: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_label: dict[str, list[str]] = {}
    for i in range(N // 2):
        by_label.setdefault(str(LABELS[i]), []).append(f"left/{i:03}.png")
    zeros, ones = by_label["0"][:4], by_label["1"][:4]
    apart = [(file, "zero") for file in zeros] + [(file, "one") for file in ones]
    mixed = [(file, "ab"[i % 2]) for i, file in enumerate(zeros)]  # each is nearest to those of the other name, or so
    for name, given, expected in (
        ("apart", apart, r"cross-validation on 8 of them it is right for 8 \(100%\), label propagation for 8 \(100%\)"),
        ("mixed", mixed, r"cross-validation on 4 of them it is right for [0-3] \("),
        ("single", [*apart, (by_label["2"][0], "two")], "1 image with a name of its own counted as wrong"),
        ("nothing", [(zeros[0], "a"), (ones[0], "b")], r"right for 0 \(0%\), label propagation for 0"),
    ):
        names = table(tmp_path / f"{name}.csv", given)
        classify(unlabelled, pictures, tmp_path / name, "--labels", str(names))
        for text in (capsys.readouterr().out, Page(tmp_path / name / "sheet.html").text):
            assert re.search(expected, text)
            assert "Every other image gets one of the given names: name images of all classes." in text
            assert ("The confidences are not calibrated" in text) == (name == "nothing")
            assert "no named images are said to be drawn at random" in text and "carry no estimate" in text


def test_each_named_image_is_judged_without_it() -> None:
    """By hand, with as many images as folds and with more."""
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(300, 4)).astype(np.float32)
    mean, scale = codes.mean(0), np.sqrt(codes.var(0).mean())
    for m in (40, 120):
        names = np.where(codes[:m, 0] + rng.normal(size=m) > 0, "b", "a")
        found = classify_by_names(scaled_by(codes, codes), np.arange(m), names, np.zeros(m, np.bool_))
        recognised = int(found.choice.correct("probe").sum())
        order = np.argsort(names, kind="stable")
        right = 0
        for fold in range(min(m, FOLDS)):
            out = order[fold::FOLDS]
            rest = np.setdiff1d(order, out)
            fitted = LogisticRegression(C=FEW_LABEL_C, max_iter=10_000).fit((codes[rest] - mean) / scale, names[rest])
            right += int((fitted.predict((codes[out] - mean) / scale) == names[out]).sum())
        assert recognised == right and 0.5 * m < right < m


def test_names_in_the_table_of_a_spreadsheet(unlabelled: Path, tmp_path: Path) -> None:
    """Other separators, encodings, slashes and forms of letters name the same images; formulas do not run."""
    given = {"été/=1+1.png": "café", "été/b.png": "tea", "-x.png": "café", "+y.png": "tea"}
    for i, file in enumerate(given):
        used.write(tmp_path / "pictures" / unicodedata.normalize("NFD", file), IMAGES[i])
    used.write(tmp_path / "pictures" / "other.png", IMAGES[9])
    tables = {
        "utf-8": "file,name\n" + "".join(f"{file},{name}\n" for file, name in given.items()),
        "utf-16": "File\tName\tasked\n" + "".join(f"{file}\t{name}\trandom\n" for file, name in given.items()),
        "cp1252": "file;name\n" + "".join(f".\\{file.replace('/', chr(92))};{n}\n" for file, n in given.items()),
    }
    for encoding, text in tables.items():
        (tmp_path / "names.csv").write_bytes(text.encode(encoding))
        words = ["--labels", str(tmp_path / "names.csv")]
        rows = classify(unlabelled, tmp_path / "pictures", tmp_path / encoding, *words)
        read = {unicodedata.normalize("NFC", row["file"]): row["class"] for row in rows if row["given"] == "yes"}
        assert read == {"été/=1+1.png": "café", "été/b.png": "tea", "'-x.png": "café", "'+y.png": "tea"}
    again = classify(unlabelled, tmp_path / "pictures", tmp_path / "again", "--labels", str(renamed(tmp_path, rows)))
    assert [row["class"] for row in again] == [row["class"] for row in rows], "its own table is read back"


def renamed(folder: Path, rows: list[dict[str, str]]) -> Path:
    """The named images of a table that `classify` wrote, as names."""
    return table(folder / "again.csv", [(row["file"], row["class"]) for row in rows if row["given"] == "yes"])


def test_confidence_by_names_is_calibrated() -> None:
    """Two classes that lie on top of each other: a plain fit is sure, and half of it is wrong."""
    rng = np.random.default_rng(3)
    codes = rng.standard_normal((400, 60)).astype(np.float32)
    names = rng.choice(["a", "b"], 400)
    found = classify_by_names(scaled_by(codes, codes), np.arange(40), names[:40], np.zeros(40, np.bool_))
    assert found.choice.correct(found.rule).sum() < 30
    accuracy = float((found.classes[40:] == names[40:]).mean())
    assert accuracy < 0.6 and abs(float(found.confidence[40:].mean()) - accuracy) < 0.1


def test_no_share_of_other_pictures_is_said_where_all_are_named() -> None:
    rng = np.random.default_rng(0)
    codes, names = rng.normal(size=(60, 4)).astype(np.float32), rng.choice(["a", "b"], 60)
    by_names = classify_by_names(codes, np.arange(60), names, np.ones(60, np.bool_))
    said = by_names.about_others(np.zeros(60, np.bool_))
    assert "of pictures without a name are classified correctly" in said and "other pictures" not in said


def test_images_named_at_random_say_how_many_of_the_others_are_right(
    unlabelled: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The interval holds the truth; chosen images, all misnamed, neither choose nor calibrate nor count."""
    files = [f"{'left' if i < N // 2 else 'right'}/{i % (N // 2):03}.png" for i in range(N)]
    drawn = np.random.default_rng(0).permutation(N).tolist()
    asked = dict.fromkeys(drawn[:60], "random") | dict.fromkeys(drawn[60:70], "chosen")
    path = tmp_path / "names.csv"
    lines = [f"{files[i]},{LABELS[i] if how == 'random' else 10 + i},{how}" for i, how in asked.items()]
    path.write_text("\n".join(["file,name,asked", *lines]), encoding="utf-8")
    rows = {row["file"]: row for row in classify(unlabelled, pictures, tmp_path / "out", "--labels", str(path))}
    text = capsys.readouterr().out
    assert "named at random it is right for" in text and "no estimate" not in text
    estimate = r"About (\d+)% \[(\d+)%, (\d+)%\] of the 57 other pictures are classified correctly, judging by the 60"
    found = re.search(estimate, text)
    assert found is not None and "a confidence above 90%" in text
    others = [i for i in range(N) if i not in asked]
    truth = float(np.mean([rows[files[i]]["class"] == str(LABELS[i]) for i in others]))
    assert int(found[2]) - 5 <= 100 * truth <= int(found[3]) + 5
    assert Page(tmp_path / "out" / "sheet.html").text.count("judging by the 60 named at random") == 1


def test_the_page_for_names_and_classify_say_the_same_of_the_same_names(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if the table lists them in another order."""
    files = [f"{side}/{i:03}.png" for side in ("left", "right") for i in range(40)]
    lines = [f"{file},{label_of(file)},random" for file in files]
    said = []
    for order, command in ((lines, ["label"]), (lines[::-1], ["classify", "--out", str(tmp_path / "out")])):
        (tmp_path / "names.csv").write_text("\n".join(["file,name,asked", *order]))
        given = ["--images", str(pictures), "--labels", str(tmp_path / "names.csv")]
        if command == ["label"]:
            given += ["--out", str(tmp_path / "page.html")]
        assert main([*command[:1], str(run), *given, *command[1:]]) == 0
        printed = " ".join("".join(capsys.readouterr()).split())
        said.append(re.search(r"About \d+% .*? of the other pictures have one\.", printed))
    assert said[0] and said[1] and said[0][0] == said[1][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left/000.png,a\n", "the first line must name the columns file,name"),
        ("file,label\nleft/000.png,a\n", "the first line must name the columns file,name (it is file,label)"),
        ("file,name\nleft/00.png,a\n", "one file that is not an image in"),
        ("file,name\nleft/00.png,a\n", "(did you mean 'left/0"),
        ("file,name\nold/1.png,a\nold/2.png,b\n", "2 files that are not images in"),
        ("file,name\nold/1.png,a\nold/2.png,b\n", "old/1.png, old/2.png (give paths relative to that folder, and put"),
        ("file,name\nleft/000.png,a\nleft/000.png,b\n", "calls left/000.png both a and b"),
        (
            "file,name\nleft/000.png,a\nleft/001.png,a\n",
            "at least two names are needed, all are called a",
        ),
        ("file,name\nleft/000.png,\n", "names no images: fill in its column name"),
        (None, "cannot read"),
    ],
)
def test_labels_that_do_not_fit_are_one_line(
    text: str | None,
    expected: str,
    unlabelled: Path,
    pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = tmp_path / "names.csv"
    if text is not None:
        names.write_text(text)
    words = ["--labels", str(names), "--out", str(tmp_path / "out")]
    assert main(["classify", str(unlabelled), "--images", str(pictures), *words]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("unsup: ")]
    assert str(names) in line and expected in line
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_not_evaluated_is_one_line(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "run"
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("heads.npz"))
    assert main(["classify", str(bare), "--images", str(pictures)]) == 1
    text = capsys.readouterr().err
    assert f"unsup evaluate {bare}" in text and text.count("\n") == 1


# ---- the sheet -------------------------------------------------------------------------------------------------------


def test_the_sheet_is_complete_in_itself_and_shows_hostile_names_as_text(
    run: Path, pictures: Path, tmp_path: Path
) -> None:
    rows = classify(run, pictures, tmp_path / "out")
    page = Page(tmp_path / "out" / "sheet.html")
    assert page.depth == 0 and not {"script", "link", "iframe"} & set(page.tags)
    assert all(value.startswith("data:image/") for value in page.values("src"))
    assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert not re.search(r"https?://|url\(", (tmp_path / "out" / "sheet.html").read_text())
    assert HOSTILE in page.text and "</ul><script>broken.png" in page.text and "caf\\udce9\\n.png" in page.text
    assert page.values("lang", "html") == ["en"] and all(page.values("alt"))
    assert len(page.values("alt")) == page.tags["img"] == len(rows)  # few enough: all are shown
    anchors = {f"#{value}" for value in page.values("id", "h2")}
    assert set(page.values("href", "a")) == anchors and len(anchors) == len({r["class"] for r in rows}) + 2
    assert "1 more cannot be read" in re.sub(r"\s+", " ", page.text)


def test_the_surest_come_first_and_the_rest_is_counted(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsup.inference.contact_sheet, "MAX_PER_GROUP", 2)
    monkeypatch.setattr(unsup.inference.contact_sheet, "MIN_PER_GROUP", 1)
    rows = classify(run, pictures, tmp_path / "out")
    page = Page(tmp_path / "out" / "sheet.html")
    sizes = Counter(row["class"] if row["unlike"] == "false" else UNLIKE for row in rows)
    assert page.tags["img"] == sum(min(2, size) for size in sizes.values())
    digit, size = sizes.most_common(1)[0]
    assert size > 2 and f"{size}, the surest first; {size - 2} more are not shown" in page.text
    members = [row for row in rows if row["class"] == digit and row["unlike"] == "false"]
    sure = sorted(members, key=lambda row: -float(row["confidence"]))
    shown = [alt.removeprefix(f"{digit}: ") for alt in page.values("alt") if alt.startswith(f"{digit}: ")]
    confidence = {row["file"]: float(row["confidence"]) for row in rows}
    assert [confidence[file] for file in shown] == [float(row["confidence"]) for row in sure[:2]]


def test_small_pictures_keep_their_pixels_and_large_ones_are_scaled(tmp_path: Path) -> None:
    used.write(tmp_path / "small.png", IMAGES[0])
    Image.effect_noise((400, 300), 50).convert("RGB").save(tmp_path / "large.jpg")
    source, side = thumbnail(tmp_path / "small.png", 112).values()
    assert source.startswith("data:image/png;base64,") and side == 8
    source, side = thumbnail(tmp_path / "large.jpg", 112).values()
    assert source.startswith("data:image/jpeg;base64,") and side == 112 and len(source) < 15_000


# ---- folders ---------------------------------------------------------------------------------------------------------


def digests(top: Path) -> dict[Path, str]:
    return {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(top.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("how", ["copy", "link"])
def test_every_image_is_copied_or_linked_and_none_is_touched(
    how: str, run: Path, pictures: Path, tmp_path: Path
) -> None:
    before = digests(pictures)
    rows = classify(run, pictures, tmp_path / "out", "--sort", how)
    assert digests(pictures) == before
    made = [p for p in (tmp_path / "out").rglob("*") if p.parent.parent == tmp_path / "out"]
    assert len(made) == len(rows) and all(p.is_symlink() == (how == "link") for p in made)
    of_class = {}
    for row in rows:
        key = hashlib.sha256((pictures / row["file"]).read_bytes()).hexdigest()
        of_class[key] = UNLIKE if row["unlike"] == "true" else row["class"]
    for path, digest in digests(tmp_path / "out").items():
        if path.parent != tmp_path / "out":
            assert path.parent.name == of_class[digest]
    same = [p.name for p in made if re.fullmatch(r"000(-2)?\.png", p.name)]
    assert len(same) == 2  # left/000.png and right/000.png


def test_names_of_classes_stay_inside_the_folder(unlabelled: Path, pictures: Path, tmp_path: Path) -> None:
    given = [("left/000.png", "../../escape"), ("left/001.png", "classes.csv"), ("left/002.png", "Sheet.html")]
    given += [("left/003.png", UNLIKE), ("left/004.png", "a/b\n"), ("left/005.png", "..")]
    names = table(tmp_path / "names.csv", given)
    rows = classify(unlabelled, pictures, tmp_path / "in" / "out", "--labels", str(names), "--sort", "copy")
    folders = {p.name for p in (tmp_path / "in" / "out").iterdir() if p.is_dir()}
    assert {"_.._escape", "classes-2.csv", "Sheet-2.html", "a_b", "_", UNLIKE} >= folders - {f"{UNLIKE}-2"}
    assert {row["class"] for row in rows} <= {name.strip() for _, name in given}
    assert [p.name for p in tmp_path.iterdir()] == ["in", "names.csv"] or len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / "in" / "out" / "classes.csv").is_file()


def test_safe_and_free_names() -> None:
    assert [
        safe_name(name) for name in ("cat", "T-shirt", "naïve 猫", "..", "a/b", ".x", "a\0b", "x" * 300, "\udcff")
    ] == [*("cat", "T-shirt", "naïve 猫", "_", "a_b", "x", "a_b", "x" * 60, "_")]
    taken: set[str] = set()
    assert [unused_name(name, taken) for name in ("a.png", "A.png", "a.png", "a-2.png")] == [
        *("a.png", "A-2.png", "a-3.png", "a-2-2.png")
    ]


def test_runs_are_numbered_and_nothing_is_overwritten(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    for number in ("001", "002"):
        assert main(["classify", str(mine), "--images", str(pictures)]) == 0
        assert (mine / "classified" / f"my pictures-{number}" / "classes.csv").is_file()
    capsys.readouterr()
    out = tmp_path / "out"
    out.mkdir()
    assert main(["classify", str(mine), "--images", str(pictures), "--out", str(out)]) == 1
    assert capsys.readouterr().err == f"unsup: {out} exists and is not overwritten: choose another --out\n"
    assert not list(out.iterdir())


@pytest.mark.parametrize("where", [".", "..", "left"])
def test_a_folder_of_images_is_never_called_one_to_remove(
    where: str, run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OUT is the folder of images, contains it or lies inside it."""
    assert main(["classify", str(run), "--images", str(pictures), "--out", str(pictures / where)]) == 1
    text = capsys.readouterr().err
    assert text.endswith("is not overwritten: choose another --out\n") and "remove" not in text


def test_paths_are_printed_as_short_as_the_working_folder_allows(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main(["classify", "run", "--images", str(pictures)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "sheet     run/classified/my pictures-001/sheet.html"
    assert main(["encode", "run", "--images", str(pictures)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "127 codes of 16 dimensions: run/encoded/my pictures.npz"
    assert main(["encode", "run", "--images", str(pictures)]) == 1
    assert "run/encoded/my pictures.npz exists and is not overwritten: choose another --out" in capsys.readouterr().err


def test_a_failure_leaves_nothing(
    run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", "sheet")

    monkeypatch.setattr("unsup.inference.sort.write_sheet", full)
    out = tmp_path / "deep" / "out"
    assert main(["classify", str(run), "--images", str(pictures), "--out", str(out)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(out.parent.iterdir())


def test_a_run_whose_report_is_gone_leaves_nothing(
    unlabelled: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "run"
    shutil.copytree(unlabelled, bare, ignore=shutil.ignore_patterns("report.json"))
    assert main(["classify", str(bare), "--images", str(pictures)]) == 1
    assert f"cannot read {bare / 'report.json'}" in capsys.readouterr().err
    assert not list((bare / "classified").iterdir())


# ---- readout --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_a_kept_probe_gives_scikit_learns_shares(classes: int) -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(3, 2, (90, 5)).astype(np.float32)
    labels = rng.integers(0, classes, 90) + 4
    mean, scale = codes.mean(0), codes.std(0)
    fitted = LogisticRegression().fit((codes - mean) / scale, labels)
    probe = Probe.of(fitted, mean, scale)
    expected = fitted.predict_proba((codes - mean) / scale)
    assert np.allclose(probe.probabilities(codes), expected, atol=1e-5)
    assert np.array_equal(probe.predict(codes), fitted.predict((codes - mean) / scale))


@pytest.mark.parametrize("reconstructs", [False, True])
def test_one_in_a_hundred_validation_images_is_unusual(reconstructs: bool) -> None:
    rng = np.random.default_rng(0)
    train, val, new = (rng.standard_normal((n, 4)).astype(np.float32) for n in (3000, 2000, 20_000))
    errors, of_new = rng.gamma(2, 1, 2000).astype(np.float32), rng.gamma(2, 1, 20_000).astype(np.float32)
    readout = Readout.fit(train[:3], train, val, errors if reconstructs else None)
    flagged = readout.novelty(new, of_new if reconstructs else None).unlike
    assert abs(flagged.mean() - 0.01) < 0.005
    assert readout.novelty(new[:1] + 20, of_new[:1] if reconstructs else None).larger[0] > 1
    assert (readout.novelty(new, 100 * errors.max() + 0 * of_new).larger > 1).all() == reconstructs
    again = Readout.of({name: np.array(value) for name, value in readout.arrays().items()})
    assert np.array_equal(again.novelty(new, of_new).larger, readout.novelty(new, of_new).larger)


def test_identical_codes_are_usual() -> None:
    same = np.ones((30, 2), np.float32)
    readout = Readout.fit(same[:1], same, same, np.zeros(30, np.float32))
    assert not (readout.novelty(same, np.zeros(30, np.float32)).larger > 1).any()


def test_a_runs_own_pictures_are_not_unlike_anything_seen(run: Path, pictures: Path, tmp_path: Path) -> None:
    own = tmp_path / "run"
    shutil.copytree(run, own)
    config = yaml.safe_load((own / "config.yaml").read_text())
    config["data"] = {"class_path": "unsup.data.folder.Folder", "init_args": {"images": str(pictures)}}
    assert classify_folder(Run(own), pictures).unlike.any()
    (own / "config.yaml").write_text(yaml.safe_dump(config))
    found = classify_folder(Run(own), pictures)
    assert not found.unlike.any() and not found.unfamiliar and (found.distance > 1).any()


def test_groups_leave_out_what_is_unlike() -> None:
    found = Classification(
        files=list("abcde"),
        classes=None,
        confidence=None,
        columns={
            "cluster": np.array([10, 9, 10, 9, 9]),
            "distance": np.array([0.2, 0.3, 0.1, 7.0, 9.0], np.float32),
            "unlike": np.array([False, False, False, True, True]),
        },
        cluster_names=["cluster 10", "cluster 9", "cluster 10", "cluster 9", "cluster 9"],
        unreadable={},
        left_out=[],
        false_alarm_rate=0.01,
        false_alarm_limit=0.02,
        is_named=np.zeros(5, np.bool_),
        by_names=None,
    )
    assert list(found.groups.items()) == [("cluster 9", [1]), ("cluster 10", [2, 0])]
    assert found.unfamiliar == [4, 3]
