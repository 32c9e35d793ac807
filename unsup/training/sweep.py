"""Many runs in a row, each a process of its own: one that crashes does not end the others, what is done is skipped."""

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

from unsup.runs.build import prepare
from unsup.training.existing_runs import RunIndex
from unsup.training.plan import Job

log = logging.getLogger(__name__)

GRACE = 10  # seconds that a child has to end after Ctrl-C, and again after SIGTERM
DONE = {"train": "trained", "resume": "resumed", "evaluate": "evaluated"}


@dataclass
class Outcome:
    """What a sweep has done.

    Attributes:
        done: how many runs were trained, resumed, evaluated, and skipped as they were finished.
        failed: the runs that failed, each with the reason.
        left_alone: the runs that another process works on.
        seconds: of the sweep.
    """

    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_sweep(jobs: Sequence[Job], runs_root: Path, data_root: str | None = None, note: str = "") -> Outcome:
    """Train what is missing, resume what was interrupted, and evaluate what is only trained.

    Each run is looked up again when its turn comes: several sweeps may share a folder of runs.

    Args:
        jobs: what `unsup.training.plan.plan` returns.
        runs_root: the folder of runs.
        data_root: where the data are now, for runs that are continued.
        note: what was decided for the user, a part of the first line of output.

    Raises:
        UserError: data are not available; raised before the first run.
    """
    for config in {str(job.config["data"]): job.config for job in jobs}.values():
        prepare(config)  # downloads what is missing
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
            log.warning("sweep: stopped at %d of %d; the same command goes on from there", i + 1, len(jobs))
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
    """Return what a sweep has done, in lines."""
    counts = outcome.done | Counter({"failed": len(outcome.failed), "left alone": len(outcome.left_alone)})
    parts = ", ".join(f"{counts[kind]} {kind}" for kind in (*DONE.values(), "skipped", "failed", "left alone"))
    lines = [f"sweep: {run_count(jobs)} in {duration(outcome.seconds)}: {parts}"]
    lines += [f"  failed: {line}" for line in outcome.failed]
    return "\n".join(lines + [f"  left alone: {line}" for line in outcome.left_alone])


def run_count(jobs: Sequence[Job]) -> str:
    """1 run, 12 runs."""
    return f"{len(jobs)} run{'s' if len(jobs) > 1 else ''}"


def seconds_left(todo: Sequence[Job], took: Sequence[tuple[Job, float]]) -> float | None:
    """A run takes as long as those of its model at its point of the grid did, or of its model, or any."""

    def expected(job: Job) -> float:
        same_model = [(other, seconds) for other, seconds in took if other.model == job.model]
        same_point = [(other, seconds) for other, seconds in same_model if other.point == job.point]
        return fmean(seconds for _, seconds in same_point or same_model or took)

    return sum(expected(job) for job in todo) if took else None


def duration(seconds: float) -> str:
    """40 s, 14 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def exit_text(code: int) -> str:
    """The exit code of a child; of one that a signal has ended, with what that means."""
    return f"exit code {code}" if code > 0 else f"exit code {128 - code} ({signal.strsignal(-code)})"


def run_child(words: Sequence[str]) -> int:
    """`unsup <words>` in a process of its own, which ends with this one; its exit code, below 0 for a signal."""
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
    """SIGTERM ends a sweep in order: with its child."""
    sys.exit(128 + number)


def stop_child(child: subprocess.Popen[bytes], patient: bool) -> None:
    """End a child: a patient wait first where a terminal's Ctrl-C has reached it too, SIGTERM next, SIGKILL last."""
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
