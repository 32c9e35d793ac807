"""No scoring function changes without a new version of the protocol, or a written reason why no score does."""

import math

import pytest
import scoring

from unsup.evaluation.protocol import DRAFT, VERSION

SOURCE = '"""A module."""\n\ndef f(x: int) -> int:\n    """A function."""\n    return x + 1  # why\n'


def test_the_code_that_scores_is_the_recorded_one() -> None:
    newest = scoring.recorded()[-1]
    today = scoring.digests()
    changed = sorted(
        name for name in today.keys() | newest["modules"].keys() if today.get(name) != newest["modules"].get(name)
    )
    assert not changed, (
        f"{', '.join(changed)} changed: if a score can change, raise DRAFT (VERSION if it is 0) in "
        'unsup/evaluation/protocol.py; then run python tests/scoring.py "why" and commit scoring.yaml'
    )


def test_the_newest_record_is_of_this_protocol() -> None:
    entries = scoring.recorded()
    versions = [(entry["protocol"], entry.get("draft", 0) or math.inf) for entry in entries]  # final after its drafts
    newest = (VERSION, DRAFT or math.inf)
    assert versions[-1] == newest, 'run python tests/scoring.py "the new version"'
    assert versions == sorted(versions) and all(entry["reason"].strip() for entry in entries)


def test_what_computes_scores_is_watched() -> None:
    names = scoring.modules()
    for name in ("metrics.probes", "metrics.logistic", "metrics.intervals", "evaluation.codes", "models.pca"):
        assert f"unsup.{name}" in names
    assert "unsup.models.simclr" not in names


@pytest.mark.parametrize(
    "words", ["def f(x): return x + 1", '"""Other words."""\nimport os\n\n\ndef f(x: "int"):\n    return (x + 1)\n']
)
def test_words_about_the_code_do_not_count(words: str) -> None:
    assert scoring.digest(words) == scoring.digest(SOURCE)


@pytest.mark.parametrize("code", ["def f(x): return x + 2", "def f(x): return 'x' + 1", "def f(y): return y + 1"])
def test_every_change_of_the_code_counts(code: str) -> None:
    assert scoring.digest(code) != scoring.digest(SOURCE)
