"""Run folders: exclusive, complete, with a record of where they come from."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sample_reports import report, typed

from unsup.core.errors import UserError
from unsup.core.files import write_json
from unsup.metrics.readout import Readout
from unsup.runs.build import load_data
from unsup.runs.config import compose, resolve
from unsup.runs.origin import stages_cost
from unsup.runs.run import Run

CONFIG = resolve(compose("ae", "digits", [], [("seed", 2)]))


def test_a_run_folder_holds_config_and_provenance(tmp_path: Path) -> None:
    made = Run.create(tmp_path, CONFIG, "unsup train ae", "f00d")
    run = made.folder
    assert run == tmp_path / "digits" / "ae" / "2-001"
    assert Run(run).config == made.config == CONFIG and Run(run).versions == made.versions
    versions = json.loads((run / "versions.json").read_text())
    assert versions["command"] == "unsup train ae"
    assert versions["versions"]["torch"] and versions["hardware"]["cores"] >= 1


def test_simultaneous_starts_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Run.create(tmp_path, CONFIG, "", "").folder, range(24)))
    assert len(set(made)) == 24
    assert {p.name for p in made} == {f"2-{i:03d}" for i in range(1, 25)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write the run folder"):
        Run.create(tmp_path, CONFIG, "", "")


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "digits").write_text("")
    with pytest.raises(UserError, match="cannot write the run folder .*digits"):
        Run.create(tmp_path, CONFIG, "", "")


def test_unknown_and_unfinished_runs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="no run folder 'x'.*unsup train"):
        Run.find("x")
    run = Run.create(Path("runs"), CONFIG, "", "")
    with pytest.raises(UserError, match=r"newest in runs: runs/digits/ae/2-001"):
        Run.find("x")
    assert Run.find(str(run)).folder == run.folder.resolve()
    with pytest.raises(UserError, match=r"no checkpoints/last\.ckpt"):
        run.model()
    with pytest.raises(UserError, match=r"training\.json is missing"):
        _ = run.training


def test_a_run_knows_the_folder_of_runs_that_it_is_in(tmp_path: Path) -> None:
    run = Run.create(tmp_path, CONFIG, "unsup train ae", "f00d")
    assert run.root == tmp_path
    for place in (Path("/moved"), Path("moved"), tmp_path / "a" / "b" / "0-001"):
        moved = Run(place)
        moved.config = run.config
        assert moved.root is None


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError):
        write_json(path, {"x": float("nan")})
    assert json.loads(path.read_text()) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_read_once_and_what_is_written_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read_text = Path.read_text

    def counted(self: Path, *args: Any, **kwargs: Any) -> str:
        opened.append(self.name)
        return read_text(self, *args, **kwargs)

    folder = Run.create(tmp_path, CONFIG, "unsup train ae", "f00d").folder
    monkeypatch.setattr(Path, "read_text", counted)
    run = Run(folder)
    assert not run.trained
    for seconds in (2.0, 3.0):
        run.write_training({"epochs": 1, "train_seconds": seconds})
        assert run.trained and run.training["train_seconds"] == stages_cost(run)["stages_seconds"] == seconds
    assert run.versions is run.versions and opened == ["versions.json"]
    run.write_resumption()
    run.write_resumption()
    assert len(run.versions["resumed"]) == len(Run(folder).versions["resumed"]) == 2
    assert Run(folder).training == run.training

    run.write_report(typed(report()), readout(), {"linear_probe": np.ones(3)})
    assert run.evaluated and run.report == Run(folder).report
    assert np.array_equal(run.readout.centres, Run(folder).readout.centres)
    opened.clear()
    assert run.class_names == run.report.run.class_names and not opened


def readout() -> Readout:
    codes = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    return Readout.fit(codes[:2], codes[:30], codes[30:])


def test_images_that_have_moved_are_known_to_the_configuration_and_others_are_refused(tmp_path: Path) -> None:
    made = Run.create(tmp_path, CONFIG, "", load_data(CONFIG).fingerprint())
    run = Run(made.folder)
    run.relocate({"root": "elsewhere"})
    assert run.data().root == run.config["data"]["init_args"]["root"] == "elsewhere"
    assert made.config["data"]["init_args"]["root"] != "elsewhere"
    with pytest.raises(UserError, match="the images are not those that"):
        Run.create(tmp_path, CONFIG, "", "others").data()


def test_a_run_is_named_as_the_user_would_type_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / "digits" / "ae" / "0-001"
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    assert str(Run.find(str(folder))) == str(folder)
    monkeypatch.chdir(tmp_path)
    assert str(Run.find("runs/digits/ae/0-001")) == str(Path("runs/digits/ae/0-001"))
