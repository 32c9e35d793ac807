"""Many runs in a row, each in its own process, so that a crash ends only one."""

import logging
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from types import FrameType
from typing import NoReturn

from unsup.core.words import duration
from unsup.runs.build import load_data
from unsup.training.existing_runs import RunIndex
from unsup.training.plan import Job

log = logging.getLogger(__name__)

GRACE = 10  # seconds for a child to end after Ctrl-C, and again after SIGTERM
DONE = {"train": "trained", "resume": "resumed", "evaluate": "evaluated"}


@dataclass
class Outcome:
    """Result of a sweep."""

    done: Counter[str] = field(default_factory=Counter)  # runs trained, resumed, evaluated and skipped
    failed: list[str] = field(default_factory=list)  # runs with reasons
    left_alone: list[str] = field(default_factory=list)  # runs in use by other processes
    seconds: float = 0.0


def run_sweep(jobs: Sequence[Job], runs_root: Path, data_root: str | None = None, note: str = "") -> Outcome:
    """Train missing runs, resume interrupted ones, and evaluate those only trained.

    Each run is looked up when its turn comes, as several sweeps may share a folder of runs.

    Args:
        jobs: from `unsup.training.plan.plan`.
        runs_root: the folder of runs.
        data_root: the current folder of the data, for runs that are continued.
        note: for the first line of output.

    Raises:
        UserError: data are not available, before the first run.
    """
    for config in {str(job.config["data"]): job.config for job in jobs}.values():
        load_data(config)  # downloads what is missing
    index = RunIndex(runs_root)
    finished = {job.name for job in jobs if index.progress(job.config)[0] == "finished"}
    notes = "; ".join(text for text in (note, f"{len(finished)} finished already" if finished else "") if text)
    log.info("sweep: %s in %s%s", run_count(jobs), runs_root, f" ({notes})" if notes else "")

    outcome = Outcome()
    took: list[tuple[Job, float]] = []
    start = time.monotonic()
    for i, job in enumerate(jobs):
        state, run = index.progress(job.config)
        if state == "finished":
            outcome.done["skipped"] += 1
            continue
        if state == "in use":
            outcome.left_alone.append(f"{job.name}: another process works on {run}")
            continue
        verb = {"new": "train", "begun": "resume", "trained": "evaluate"}[state]
        words = [verb, str(run), *(("--data_root", data_root) if data_root else ())] if run else list(job.words)
        words += ["--quick"] if verb == "evaluate" and job.config["evaluate"] == "quick" else []
        left = seconds_left([other for other in jobs[i:] if other.name not in finished], took)
        parts = [
            f"sweep: {i + 1} of {len(jobs)}, {job.name}",
            f"{verb} {run}" if run else "",
            f"{outcome.done['skipped']} skipped" if outcome.done["skipped"] else "",
            f"{len(outcome.failed)} failed" if outcome.failed else "",
            f"about {duration(left)} left" if left else "",
        ]
        log.info("\n%s", " · ".join(part for part in parts if part))
        began = time.monotonic()
        try:
            code = run_child(words)
        except KeyboardInterrupt:
            log.warning("sweep: stopped at %d of %d; the same command continues from there", i + 1, len(jobs))
            raise
        if code:
            outcome.failed.append(f"{job.name}: {exit_text(code)}")
            continue
        outcome.done[DONE[verb]] += 1
        if verb == "train":
            took.append((job, time.monotonic() - began))
    outcome.seconds = time.monotonic() - start
    return outcome


def sweep_summary(jobs: Sequence[Job], outcome: Outcome) -> str:
    """Return the result of a sweep in lines."""
    counts = outcome.done | Counter({"failed": len(outcome.failed), "left alone": len(outcome.left_alone)})
    parts = ", ".join(f"{counts[kind]} {kind}" for kind in (*DONE.values(), "skipped", "failed", "left alone"))
    lines = [f"sweep: {run_count(jobs)} in {duration(outcome.seconds)}: {parts}"]
    lines += [f"  failed: {line}" for line in outcome.failed]
    return "\n".join(lines + [f"  left alone: {line}" for line in outcome.left_alone])


def run_count(jobs: Sequence[Job]) -> str:
    """Return a text such as "1 run" or "12 runs"."""
    return f"{len(jobs)} run{'s' if len(jobs) > 1 else ''}"


def seconds_left(todo: Sequence[Job], took: Sequence[tuple[Job, float]]) -> float | None:
    """Return the expected time, by runs of the same model and point, or model, or any."""

    def expected(job: Job) -> float:
        same_model = [(other, seconds) for other, seconds in took if other.model == job.model]
        same_point = [(other, seconds) for other, seconds in same_model if other.point == job.point]
        return fmean(seconds for _, seconds in same_point or same_model or took)

    return sum(expected(job) for job in todo) if took else None


def exit_text(code: int) -> str:
    """Return the exit code of a child, with the name of the signal that ended it."""
    return f"exit code {code}" if code > 0 else f"exit code {128 - code} ({signal.strsignal(-code)})"


def run_child(words: Sequence[str]) -> int:
    """Run `unsup <words>` in a child process, and return its exit code.

    The child ends with this process. The code of a signal is negative.
    """
    before = signal.signal(signal.SIGTERM, exit_on_sigterm)
    child = subprocess.Popen([sys.executable, "-m", "unsup", *words])
    try:
        return child.wait()
    except BaseException as e:
        stop_child(child, patient=isinstance(e, KeyboardInterrupt))
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def exit_on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    """Exit in order at SIGTERM, so that the child also ends."""
    sys.exit(128 + number)


def stop_child(child: subprocess.Popen[bytes], patient: bool) -> None:
    """End a child, with a first wait if Ctrl-C has also reached it."""
    try:
        for tell in (lambda: None, child.terminate) if patient else (child.terminate,):
            tell()
            try:
                child.wait(GRACE)
                return
            except subprocess.TimeoutExpired:
                continue
    finally:  # also at a second Ctrl-C
        if child.poll() is None:
            child.kill()
            child.wait()
