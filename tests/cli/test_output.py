"""What is logged is shown once, where it belongs, and in a terminal it leaves no half line behind."""

import logging
import subprocess
import sys
from typing import Any

import pytest

from unsup.cli import output
from unsup.cli.output import Terminal, log_in_terminal, screen
from unsup.evaluation.progress import about, say


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(output, "time", clock)
    return clock


def test_messages_go_to_stdout_warnings_and_progress_to_stderr(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with log_in_terminal():
        logging.getLogger("unsup.training.train").info("ae on digits")
        logging.getLogger("unsup.training.callbacks.progress").info("epoch 1/3")
        logging.getLogger("unsup.runs").warning("left \x1b out")
    logging.getLogger("unsup.runs").warning("afterwards")
    assert capsys.readouterr() == ("ae on digits\n", "epoch 1/3\nleft \\x1b out\n")


def test_progress_is_a_line_every_ten_seconds_that_names_what_is_evaluated(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with log_in_terminal(), about("ae"):
        for clock.now in (0, 9, 11, 20, 22):
            say(f"part {clock.now}")
        screen()  # an evaluation has ended: the next one begins
        for clock.now in (40, 49):
            with about("baseline pca"):
                say("kNN")
        clock.now = 51
        with about("baseline pca"):
            say("k-means")
    assert capsys.readouterr().err.splitlines() == [
        "evaluating: ae: part 11",
        "evaluating: ae: part 22",
        "evaluating: ae: baseline pca: k-means",
    ]


def test_in_a_terminal_progress_is_one_moving_line_that_ends_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message: list[str] = []

    class Status:
        def __init__(self, text: str) -> None: ...

        def update(self, text: str) -> None:
            message.append(text)

        def start(self) -> None:
            message.append("start")

        def stop(self) -> None:
            message.append("stop")

    class Console:
        def __init__(self, **_: Any) -> None: ...

        status = Status

    monkeypatch.setattr("rich.console.Console", Console)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with log_in_terminal():
        say("kNN")
        logging.getLogger("unsup.training.stages").info("next")
        say("k-means")
    assert message == ["evaluating: kNN", "start", "stop", "evaluating: k-means", "start", "stop"]
    assert capsys.readouterr().out == "next\n"


def test_the_library_is_silent_by_itself() -> None:
    code = (
        "import logging; from unsup.evaluation.progress import say; say('kNN'); print(logging.getLogger('unsup').level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_the_log_of_the_package_is_left_as_it_was() -> None:
    logger = logging.getLogger("unsup")
    before = (logger.level, list(logger.handlers))
    with pytest.raises(ValueError), log_in_terminal():
        assert any(isinstance(handler, Terminal) for handler in logger.handlers)
        raise ValueError
    assert (logger.level, logger.handlers) == before
