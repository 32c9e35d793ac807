"""Without a browser there are no screenshots, and a line says so; no picture is touched."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docs" / "screenshots.py"


def test_without_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("screenshots", SCRIPT)
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script.main(str(tmp_path), str(tmp_path / "out")) == 0
    assert "none of chromium" in capsys.readouterr().err and not (tmp_path / "out").exists()
