"""The extent of the evaluation after a training."""

from pathlib import Path

import pytest

import unsup.training.sweep
from unsup.cli.main import main
from unsup.comparison.recorded.store import record_report
from unsup.core.errors import UserError
from unsup.evaluation.existing_runs import progress_of
from unsup.reports.report import read_report
from unsup.runs.run import Run

WORDS = ["train", "ae", "--data", "digits", "--epochs", "1"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run that is not evaluated."""
    root = tmp_path_factory.mktemp("runs")
    assert main([*WORDS, "--evaluate", "no", "--runs", str(root)]) == 0
    return root


def test_no_evaluation_leaves_a_trained_run(runs: Path) -> None:
    run = Run(runs / "digits" / "ae" / "0-001")
    assert run.trained and not run.evaluated
    assert [progress_of(run, extent) for extent in ("no", "quick", "full")] == ["finished", "trained", "trained"]


def test_a_quick_evaluation_says_that_it_is_one(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = runs / "digits" / "ae" / "0-001"
    assert main(["evaluate", str(folder), "--evaluate", "quick"]) == 0
    out = capsys.readouterr().out
    assert f"the rest of the scores: unsup evaluate {folder}" in out
    run = Run(folder)
    assert run.report.quick and run.report.selfcheck is None and not run.report.figures
    assert run.report.scores.linear_probe and run.report.scores.knn and run.report.scores.kmeans
    assert run.report.baselines == {} and run.has_readout
    assert "Quick evaluation" in (folder / "report.md").read_text() + (folder / "report.html").read_text()
    assert [progress_of(run, extent) for extent in ("no", "quick", "full")] == ["finished", "finished", "trained"]
    assert main(["compare", "--runs", str(runs)]) == 0
    run.report.draft = 0
    with pytest.raises(UserError, match="draft|quick"):
        record_report(folder, tmp_path)


@pytest.mark.slow
def test_baselines_at_hand_are_in_a_quick_report(runs: Path, used_baselines: None) -> None:
    folder = runs / "digits" / "ae" / "0-001"
    assert main(["evaluate", str(folder), "--evaluate", "quick"]) == 0
    report = read_report(folder / "report.json")
    assert set(report.baselines) == {"pixels"} and report.comparisons["pixels"].linear_probe


@pytest.fixture
def used_baselines(runs: Path) -> None:
    """The pixels' baseline alone, in the cache."""
    from unsup.evaluation.baselines import compute_baselines
    from unsup.evaluation.image_statistics import ImageStatistics

    run = Run(runs / "digits" / "ae" / "0-001")
    data, folder = run.data(), runs / "digits" / "baselines"
    compute_baselines(ImageStatistics(data.shape), 4, data, folder, [])
    for path in folder.glob("*.npz"):
        if not path.name.startswith("pixels"):
            path.unlink()


def test_a_sweep_goes_as_far_as_it_is_told(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[list[str]] = []
    monkeypatch.setattr(unsup.training.sweep, "run_child", lambda words, *_: children.append(list(words)) or 0)
    words = ["sweep", "ae", "--data", "digits", "--seeds", "0", "--epochs", "1", "--runs", str(runs)]
    (runs / "digits" / "ae" / "0-001" / "report.json").unlink(missing_ok=True)
    run = str(runs / "digits" / "ae" / "0-001")
    quick = ["evaluate", run, "--evaluate", "quick"]
    for extent, expected in (("no", []), ("quick", [quick]), ("full", [["evaluate", run]])):
        assert main([*words, "--evaluate", extent]) == 0
        assert children == expected
        children.clear()
    assert main([*words, "--seeds", "1", "--evaluate", "quick"]) == 0
    assert [word for word in children[0] if word in ("--evaluate", "quick")] == ["--evaluate", "quick"]


def test_another_extent_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS, "--evaluate", "fast"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
