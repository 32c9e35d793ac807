"""Screenshots go to the user's runs, unless another folder is given; without a browser there are none."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("screenshots", DOCS / "screenshots.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def browser(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that writes its picture, and a TensorBoard without a server."""

    def run(words: list[str], **_: Any) -> None:
        target = next(word.removeprefix("--screenshot=") for word in words if word.startswith("--screenshot="))
        Path(target).write_bytes(b"a picture")

    monkeypatch.setattr(script.shutil, "which", lambda name: name)
    monkeypatch.setattr(script.subprocess, "run", run)
    monkeypatch.setattr(script.TensorBoard, "configure", lambda *_, **__: None)
    monkeypatch.setattr(script.TensorBoard, "launch", lambda _: "http://localhost:1/")


def pictures() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in DOCS.glob("*.png")}


@pytest.mark.usefixtures("browser")
def test_pictures_go_to_the_runs_by_default(script: ModuleType, tmp_path: Path) -> None:
    before = pictures()
    assert script.main([str(tmp_path)]) == 0
    assert {path.stem for path in (tmp_path / "screenshots").iterdir()} == set(script.VIEWS)
    assert pictures() == before and before


@pytest.mark.usefixtures("browser")
def test_another_folder_must_be_named(script: ModuleType, tmp_path: Path) -> None:
    assert script.main([str(tmp_path), "--out", str(tmp_path / "a" / "b")]) == 0
    assert {path.stem for path in (tmp_path / "a" / "b").iterdir()} == set(script.VIEWS)
    assert not (tmp_path / "screenshots").exists()


def test_without_a_browser(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script.main([str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert "none of chromium" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_folder_that_is_missing(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main([str(tmp_path / "missing")])
    assert "there is no folder" in capsys.readouterr().err and not (tmp_path / "missing").exists()
