"""The check of the evaluator runs once, until something changes that it depends on."""

from pathlib import Path

import pytest

from unsup.core.errors import UserError
from unsup.evaluation import cached_selfcheck as module
from unsup.evaluation.cached_selfcheck import cached_selfcheck, program_key


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each run of the check, which fails in the first."""
    runs: list[int] = []

    def selfcheck() -> list[tuple[str, bool, str]]:
        runs.append(len(runs))
        return [("a", True, "1.000"), ("b", len(runs) > 1, "0.500")]

    monkeypatch.setattr(module, "selfcheck", selfcheck)
    monkeypatch.setattr(module, "_checked", module._checked.__wrapped__)
    return runs


def test_results_are_cached_as_they_are(tmp_path: Path, times: list[int]) -> None:
    first = cached_selfcheck(tmp_path)
    assert first == [("a", True, "1.000"), ("b", False, "0.500")] == cached_selfcheck(tmp_path)
    assert times == [0]


def test_another_program_is_checked_again(tmp_path: Path, times: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    cached_selfcheck(tmp_path)
    monkeypatch.setattr(module, "program_key", lambda: f"{program_key()}, other")
    assert all(passed for _, passed, _ in cached_selfcheck(tmp_path))
    assert times == [0, 1]


def test_the_program_is_its_code_and_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    key = program_key.__wrapped__
    assert key() == key()
    kept = key()
    monkeypatch.setattr("sklearn.__version__", "0.1")
    assert key() != kept
    monkeypatch.undo()
    monkeypatch.setattr(module, "CHECKED", ("core", "evaluation"))
    assert key() != kept


def test_a_damaged_file_is_one_line(tmp_path: Path, times: list[int]) -> None:
    cached_selfcheck(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(UserError, match="selfcheck-"):
        cached_selfcheck(tmp_path)
