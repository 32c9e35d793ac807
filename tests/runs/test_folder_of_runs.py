"""Run folders: exclusive, complete, with a record of where they come from."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unsup.core.errors import UserError
from unsup.runs import folder as runs
from unsup.runs.config import compose, resolve

CONFIG = resolve(compose("ae", "digits", [], [("seed", 2)]))


def test_a_run_folder_holds_config_and_provenance(tmp_path: Path) -> None:
    run = runs.create(tmp_path, CONFIG, "unsup train ae", "f00d")
    assert run == tmp_path / "digits" / "ae" / "2-001"
    assert runs.config_of(run)["model"]["class_path"] == "unsup.models.ae.AE"
    versions = json.loads((run / "versions.json").read_text())
    assert versions["command"] == "unsup train ae"
    assert versions["versions"]["torch"] and versions["hardware"]["cores"] >= 1


def test_simultaneous_starts_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: runs.create(tmp_path, CONFIG, "", ""), range(24)))
    assert len(set(made)) == 24
    assert {p.name for p in made} == {f"2-{i:03d}" for i in range(1, 25)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write the run folder"):
        runs.create(tmp_path, CONFIG, "", "")


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "digits").write_text("")
    with pytest.raises(UserError, match="cannot write the run folder .*digits"):
        runs.create(tmp_path, CONFIG, "", "")


def test_unknown_and_unfinished_runs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no run folder 'x'.*unsup train"):
        runs.find("x")
    run = runs.create(Path("runs"), CONFIG, "", "")
    with pytest.raises(UserError, match=r"newest: runs/digits/ae/2-001"):
        runs.find("x")
    assert runs.find(str(run)) == run.resolve()
    with pytest.raises(UserError, match=r"no checkpoints/last\.ckpt"):
        runs.checkpoint_of(run)
    with pytest.raises(UserError, match=r"training\.json is missing"):
        runs.record_of(run, "training.json")


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    runs.write_json(path, {"x": 1})
    with pytest.raises(ValueError):
        runs.write_json(path, {"x": float("nan")})
    assert json.loads(path.read_text()) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]
