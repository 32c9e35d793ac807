"""Output in the terminal, the log of the package and the results of commands."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from unsup.core.commands import suggest
from unsup.core.errors import printable
from unsup.core.files import short_path, unless_default

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from unsup.comparison.files import Comparison
    from unsup.runs.run import Run

PROGRESS = "unsup.evaluation"  # logger of the progress of an evaluation
EPOCHS = "unsup.training.callbacks"  # and of a training
NOW = "unsup.training.sweep.running"  # and of what a sweep does now
QUIET_SECONDS = 10  # between lines of progress without a terminal


class Terminal(logging.Handler):
    """A log handler with messages on stdout, warnings and progress on stderr.

    The progress of an evaluation is one moving line in a terminal, or else a line every 10 seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._status: Status | None = None
        self._last: float | None = None  # time of the last line of progress, or of its start

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._line(printable(text), error=True)
        elif record.name == PROGRESS:
            self._progress(f"evaluating: {text}")
        elif record.name == NOW:
            self._move(text)
        else:
            self._line(text, error=record.name.startswith(EPOCHS))

    def flush(self) -> None:
        """End the moving line, so that something else can be printed."""
        if self._status:
            self._status.stop()
        self._status, self._last = None, None

    def _line(self, text: str, error: bool) -> None:
        self.flush()
        print(text, file=sys.stderr if error else sys.stdout, flush=True)

    def _progress(self, text: str) -> None:
        if self._move(text):
            return
        now = time.monotonic()
        self._last = now if self._last is None else self._last
        if now - self._last > QUIET_SECONDS:
            self._last = now
            print(text, file=sys.stderr, flush=True)

    def _move(self, text: str) -> bool:
        """Show a moving line in a terminal, and return whether there is one."""
        if not sys.stderr.isatty():  # `console.is_terminal` trusts variables that ask for colours
            return False
        from rich.console import Console

        self._status = self._status or Console(stderr=True).status(text)
        self._status.update(text)
        self._status.start()
        return True


@contextmanager
def log_in_terminal() -> Iterator[None]:
    """Print the log of the package in the terminal."""
    logger, terminal = logging.getLogger("unsup"), Terminal()
    level = logger.level
    logger.addHandler(terminal)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        terminal.flush()
        logger.removeHandler(terminal)
        logger.setLevel(level)


def screen() -> "Console":
    """Return a console for tables, 100 columns wide if the output is not a terminal."""
    from rich.console import Console

    for handler in logging.getLogger("unsup").handlers:
        handler.flush()
    return Console(width=None if sys.stdout.isatty() else 100, highlight=False)


def show_report(run: "Run") -> None:
    """Print the summary of an evaluated run and the path of its report."""
    from unsup.reports.report import summary
    from unsup.reports.sections_clusters import empty_clusters
    from unsup.reports.sections_images import findings_line
    from unsup.reports.sections_next import naming

    if run.evaluated:
        screen().print(summary(run.report))
        runs = unless_default(run.root or run.folder)
        for name, text in (("images", findings_line(run.report)), ("clusters", empty_clusters(run.report))):
            if text:
                print(f"{name:10} {printable(text)}")
        if run.report.quick:
            print(f"quick      the rest of the scores: {suggest('evaluate', run=run)}")
        if (command := naming(run.report, short_path(run.folder))) and not run.report.named:
            print(f"names      {command} lets you name pictures, which judge the codes")
        print(f"report     {short_path(run.folder / 'report.html')}\ndashboard  {suggest('dashboard', runs=runs)}")


def show_tables(runs: Path, data: str) -> None:
    """Print the comparison of a data set as tables alone, if it has reports."""
    from unsup.comparison.compare import REPORTS, compare_all
    from unsup.comparison.terminal import renderables

    if not any((runs / data).glob(REPORTS)):
        print(f"{data}: no run is evaluated, so there is nothing to compare")
        return
    comparisons, unusable = compare_all(runs, data)
    console = screen()
    for comparison in comparisons:
        for part in comparison.parts:
            title, table = islice(renderables(part, console.width), 2)
            console.print(f"\n{data}, ", end="", markup=False, style="bold")
            console.print(title, table, sep="\n")
        print(f"\nwhich is better: {suggest('compare', data=data, runs=unless_default(runs))}")
    for error in unusable:
        print(printable(str(error)))


def show_comparison(comparison: "Comparison") -> None:
    """Print the reports of a data set side by side and the paths of the files."""
    from unsup.comparison.terminal import renderables

    console, name = screen(), comparison.folder.name
    if comparison.differences:
        console.print(f"{name}: {comparison.differences}", markup=False)
    for part in comparison.parts:
        console.print(f"{name}, ", end="", markup=False, style="bold")
        for piece in renderables(part, console.width):
            console.print(piece)
        console.print()
    console.print(f"files  {comparison.folder}/compare.{{html,md,csv,json,tex}}", markup=False, soft_wrap=True)
