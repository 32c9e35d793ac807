"""No command prints nothing and ends as if all were well."""

import re
from pathlib import Path

import pytest

from unsup.cli.main import main

ARGUMENTS = ([], ["nothing"], ["nothing", "--images", "nothing"])
READS_ONLY = {"results": ["--check"]}  # what keeps a verb from writing into the checkout


def test_no_verb_ends_well_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    verbs = re.findall(r"^ {2,4}(\w+)(?: {2,}|$)", capsys.readouterr().out, re.M)
    assert not end.value.code and {"train", "evaluate", "models", "compare", "export", "reproduce"} <= set(verbs)
    ended_well = set()
    for verb in verbs:
        for arguments in ARGUMENTS:
            code = main([verb, *arguments, *READS_ONLY.get(verb, [])])
            said = capsys.readouterr()
            assert said.out.strip() if code == 0 else said.err.count("\n") == 1, (verb, arguments)
            ended_well |= {verb} if code == 0 else set()
    assert {"models", "selfcheck"} <= ended_well
    assert not list(tmp_path.iterdir())
