"""The images nearest to a picture, of a run and of a folder."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import used
from PIL import Image

from unsup.cli.main import main
from unsup.core.splits import SPLITS
from unsup.inference.similar import NEAREST
from unsup.metrics.neighbours import nearest_by_cosine
from unsup.runs.encoder import load_encoder
from unsup.runs.run import Run

IMAGES, LABELS = used.digits()  # the 500 test images


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return used.finished(tmp_path_factory.mktemp("runs"), "dae")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("pictures")
    for i in range(60):
        used.write(top / f"{i:03}.png", IMAGES[i])
    return top


def similar(run: Path, picture: Path, out: Path, *words: str) -> list[dict[str, str]]:
    assert main(["similar", str(run), "--picture", str(picture), "--out", str(out), *words]) == 0
    with (out / "similar.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_nearest_images_of_the_run_of_all_splits(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand; the picture has the pixels of a test image, which is named as a copy and stays in the list."""
    picture = tmp_path / "seven.png"
    used.write(picture, IMAGES[7])
    rows = similar(run, picture, tmp_path / "out")
    text = capsys.readouterr().out
    encoder, data = load_encoder(run), Run(run).data()
    codes, names, labels = [], [], []
    for split in ("train", "val", "test"):
        codes.append(encoder(data.pictures(split)).numpy())
        names += [f"{split} {i}" for i in range(data.size(split))]
        labels += [data.class_names[i] for i in data.labels(split)]
    x = np.concatenate(codes)
    x = x - x.mean(0)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    cosines = x @ x[names.index("test 7")]
    order = np.argsort(-cosines, kind="stable")[:NEAREST]
    assert [float(row["similarity"]) for row in rows] == pytest.approx(cosines[order].tolist(), abs=2e-4)
    assert [row["rank"] for row in rows] == [str(i) for i in range(1, NEAREST + 1)]
    assert rows[0]["file"] == "test 7" and float(rows[0]["similarity"]) > 0.999
    for row in rows:
        i = names.index(row["file"])
        assert row["split"] == row["file"].split()[0] and row["label"] == labels[i]
        assert cosines[i] >= cosines[order[-1]] - 1e-4
    assert len({row["split"] for row in rows}) > 1
    assert (
        f"Compared with {len(names):,} images by the cosine" in text and "1 exact copy of the picture: test 7." in text
    )
    page = (tmp_path / "out" / "sheet.html").read_text(encoding="utf-8")
    assert page.count("<img") == NEAREST + 1 and page.count('src="data:image/') == NEAREST + 1
    assert "https://" not in page and "<script" not in page


def test_a_picture_of_the_folder_is_not_its_own_neighbour(
    run: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = tmp_path / "pictures"
    shutil.copytree(pictures, top)
    shutil.copy(top / "007.png", top / "again.png")
    rows = similar(run, top / "007.png", tmp_path / "out", "--images", str(top))
    assert rows[0]["file"] == "again.png" and float(rows[0]["similarity"]) == pytest.approx(1, abs=1e-4)
    assert "007.png" not in {row["file"] for row in rows} and len(rows) == NEAREST
    assert {row["split"] for row in rows} == {row["label"] for row in rows} == {""}
    assert "1 exact copy of the picture: again.png." in capsys.readouterr().out
    few = tmp_path / "few"
    few.mkdir()
    for i in range(3):
        shutil.copy(top / f"{i:03}.png", few)
    assert len(similar(run, few / "000.png", tmp_path / "few out", "--images", str(few))) == 2
    assert "exact" not in capsys.readouterr().out


def test_results_are_numbered_in_the_run_folder(run: Path, pictures: Path, tmp_path: Path) -> None:
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    words = ["similar", str(mine), "--picture", str(pictures / "001.png"), "--images", str(pictures)]
    assert main(words) == 0 and main(words) == 0
    assert {path.name for path in (mine / "similar").iterdir()} == {"001-001", "001-002"}
    assert {path.name for path in (mine / "similar" / "001-001").iterdir()} == {"similar.csv", "sheet.html"}


@pytest.mark.slow
def test_an_encoder_from_elsewhere_uses_its_cached_codes_and_stored_codes_their_own_images(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The picture is one of the run's files; another one has no stored code."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("def build():\n    import torch\n    return torch.nn.Flatten()\n")
    words = ["--images", str(pictures), "--evaluate", "quick"]
    assert main(["evaluate", "--encoder", "net.py:build", "--encoder.size", "8", *words]) == 0
    run = next(Path("runs").glob("*/net*/0-001"))
    cached = {path: path.stat().st_mtime_ns for path in run.parents[1].glob("codes/*")}
    rows = similar(run, pictures / "003.png", tmp_path / "out")
    assert cached == {path: path.stat().st_mtime_ns for path in run.parents[1].glob("codes/*")} and cached
    assert "003.png" not in {row["file"] for row in rows} and {row["split"] for row in rows} <= {"train", "val", "test"}

    data = Run(run).data()
    of = {split: data.pictures(split).reshape(data.size(split), -1).astype(np.float32) for split in ("train", "test")}
    codes = {"train": np.concatenate([of["train"], data.pictures("val").reshape(data.size("val"), -1)])}
    codes["val"], codes["train"], codes["test"] = codes["train"][len(of["train"]) :], of["train"], of["test"]
    np.savez("codes.npz", **codes)  # type: ignore[arg-type]
    assert main(["evaluate", "--codes", "codes.npz", *words]) == 0
    stored = next(Path("runs").glob("*/codes/0-001/report.json")).parent
    files = [path.name for split in SPLITS for path in data.paths(split) or ()]
    gallery, at = np.concatenate([codes[split] for split in SPLITS]), files.index("003.png")
    expected = [files[i] for i in nearest_by_cosine(gallery, gallery[[at]], 6)[0] if i != at]
    assert [row["file"] for row in similar(stored, pictures / "003.png", tmp_path / "stored")][:5] == expected[:5]
    Image.new("L", (8, 8), 77).save("other.png")
    capsys.readouterr()
    assert main(["similar", str(stored), "--picture", "other.png"]) == 1
    assert "has codes of its own images alone, and other.png is none" in capsys.readouterr().err
