"""A report suggests the commands that go on from its run."""

from pathlib import Path

import pytest
from sample_reports import on_contents, report, unlabelled

from unsup.reports import sections_next

what_next = on_contents(sections_next.what_next)
FOLDER = {"class_path": "unsup.data.folder.Folder", "init_args": {"images": "pictures"}}


def commands(content: dict[str, object]) -> list[str]:
    (items,) = what_next(content, Path("runs/folder-pictures/ae/0-001"))
    return [command.strip("`") for _, command in items.pairs]


@pytest.mark.parametrize(("content", "named"), [(unlabelled(), True), (report(data="folder"), False)])
def test_names_are_suggested_for_a_folder_without_classes(content: dict[str, object], named: bool) -> None:
    content["provenance"]["config"]["data"] = FOLDER  # type: ignore[index]
    assert ("unsup label runs/folder-pictures/ae/0-001" in commands(content)) == named


def test_a_run_that_was_trained_here_has_another_seed_and_curves() -> None:
    trained, judged = report(), report()
    judged["run"]["encoder"] = "starter"
    words = [[command.split()[0:2] for command in commands(content)] for content in (trained, judged)]
    assert ["unsup", "train"] in words[0] and ["tensorboard", "--logdir"] in words[0]
    assert ["unsup", "train"] not in words[1] and ["unsup", "export"] in words[1]
