"""Many runs in a row, each in its own process, so that a crash ends only one."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from unsup.core.errors import printable
from unsup.core.files import short_path
from unsup.core.words import counted, duration
from unsup.evaluation.existing_runs import RunIndex, State
from unsup.runs.build import load_data
from unsup.runs.config import Config
from unsup.runs.init_from import source_config, source_recipe
from unsup.runs.run import Run
from unsup.training.children import exit_text, run_child
from unsup.training.claims import Claim, Claimed, claim
from unsup.training.plan import Job
from unsup.training.standings import Standings

log = logging.getLogger(__name__)
running = logging.getLogger(f"{__name__}.running")  # for a moving line

VERBS: dict[State, str] = {"new": "train", "begun": "resume", "trained": "evaluate"}
DONE = {"train": "trained", "resume": "resumed", "evaluate": "evaluated"}
LOG = "sweep.log"  # in a run folder, the output of the command that a sweep gave last
POLL = 2.0  # seconds between looks at a run of another sweep that a run here starts from
TAIL = 20  # lines of output that are shown of a command that ended without a message


@dataclass
class Outcome:
    """Result of a sweep."""

    done: Counter[str] = field(default_factory=Counter)  # runs trained, resumed, evaluated and skipped
    failed: list[str] = field(default_factory=list)  # runs with reasons
    left_alone: list[str] = field(default_factory=list)  # runs in use by other processes
    elsewhere: list[str] = field(default_factory=list)  # runs that other sweeps work on
    standings: Standings = field(default_factory=Standings)
    seconds: float = 0.0


class Busy(Exception):
    """Another process works on a run."""


def run_sweep(jobs: Sequence[Job], runs_root: Path, data_root: str | None = None, note: str = "") -> Outcome:
    """Train missing runs, resume interrupted ones, and evaluate those only trained.

    Several sweeps may share a folder of runs. A job is claimed before its process starts. Those that others have
    claimed are looked at again at the end, and taken over if they are free and not finished.

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
    return Sweep(jobs, runs_root, data_root).run(note)


class Sweep:
    """Jobs in their order, and what has become of them."""

    def __init__(self, jobs: Sequence[Job], runs_root: Path, data_root: str | None) -> None:
        self.jobs, self.runs_root, self.data_root = jobs, runs_root, data_root
        self.outcome = Outcome()
        self._index = RunIndex(runs_root)
        self._pending = dict(enumerate(jobs, 1))  # by position
        self._busy: dict[int, Exception] = {}  # why a job could not be done when its turn came last
        self._took: list[tuple[Job, float]] = []

    def run(self, note: str) -> Outcome:
        """Do all that is to be done and return the result."""
        start = time.monotonic()
        for i, job in list(self._pending.items()):
            self._skip_finished(i, job)
        skipped = self.outcome.done["skipped"]
        notes = "; ".join(text for text in (note, f"{skipped} finished already" if skipped else "") if text)
        log.info("sweep: %s in %s%s", counted(len(self.jobs), "run"), self.runs_root, f" ({notes})" if notes else "")
        self._pass()
        while any(self._waits(i, reason) for i, reason in self._busy.items()):
            time.sleep(POLL)
            self._pass()
        for i, reason in self._busy.items():
            if isinstance(reason, Claimed):
                self.outcome.elsewhere.append(self.jobs[i - 1].name)
            else:
                self.outcome.left_alone.append(f"{self.jobs[i - 1].name}: {reason}")
        self.outcome.seconds = time.monotonic() - start
        return self.outcome

    def _pass(self) -> None:
        """Do what can be done, until nothing changes."""
        before = None
        while self._pending and before != set(self._pending):
            before = set(self._pending)
            for i, job in list(self._pending.items()):
                self._busy.pop(i, None)
                try:
                    self._do(i, job)
                except (Busy, Claimed) as e:
                    self._busy[i] = e
                except KeyboardInterrupt:
                    log.warning("sweep: stopped at %d of %d; the same command continues from there", i, len(self.jobs))
                    raise

    def _waits(self, i: int, reason: Exception) -> bool:
        """Return whether another sweep trains what a job starts from, and not the job."""
        return isinstance(reason, Claimed) and reason.config is not self.jobs[i - 1].config

    def _skip_finished(self, i: int, job: Job) -> bool:
        state, run = self._index.progress(job.config)
        if state == "finished" and run:
            del self._pending[i]
            self.outcome.done["skipped"] += 1
            self.outcome.standings.add(job, run)
        return state == "finished"

    def _do(self, i: int, job: Job) -> None:
        """Give a job what it lacks.

        Raises:
            Busy: a training or an evaluation that is no sweep's has it.
            Claimed: another sweep has it, or the run that it starts from.
        """
        with ExitStack() as claims:
            own = claims.enter_context(claim(self.runs_root, job.config))
            if self._skip_finished(i, job):
                return
            state, run = self._index.progress(job.config)
            if state == "in use":
                raise Busy(f"another process works on {run}")
            sources = self._missing_sources(job.config) if state == "new" else ()
            held = [own, *(claims.enter_context(claim(self.runs_root, source)) for source in sources)]
            self._give(i, job, VERBS[state], run, held)

    def _missing_sources(self, config: Config) -> Iterator[Config]:
        """Yield the configurations that a job will train first."""
        while source_recipe(config):
            config = source_config(config)[0]
            if any(run.trained for run in self._index.matching(config)):
                return
            yield config

    def _give(self, i: int, job: Job, verb: str, run: Run | None, held: Sequence[Claim]) -> None:
        """Run a command in a child process, and print a line on its result."""
        root = ("--data_root", self.data_root) if self.data_root else ()
        words = [verb, str(run), *root] if run else list(job.words)
        words += ["--evaluate", "quick"] if verb == "evaluate" and job.config["evaluate"] == "quick" else []
        own, place = held[0], f"{i} of {len(self.jobs)}, {job.name}"
        running.info("%s: %s, output in %s", place, f"{verb} {run or ''}".rstrip(), own.path)
        earlier = [other.folder for other in self._index.matching(job.config)]
        began = time.monotonic()
        code = run_child(words, own.file, [one.file.fileno() for one in held])
        seconds = time.monotonic() - began
        del self._pending[i]
        made = [other for other in self._index.matching(job.config) if other.folder not in earlier]
        run = Run(run.folder) if run else next(iter(made), None)  # with its new report
        output = own.path.replace(run.folder / LOG) if run else own.path
        if code:
            self._report_failure(job, place, code, output)
            return
        self.outcome.done[DONE[verb]] += 1
        if verb == "train":
            self._took.append((job, seconds))
        left = seconds_left([other for j, other in self._pending.items() if j not in self._busy], self._took)
        how = "" if verb == "train" else f"{DONE[verb]}, "
        parts = [place, f"{how}{self.outcome.standings.add(job, run)}", duration(seconds)]
        log.info(" · ".join([*parts, f"about {duration(left)} left"] if left else parts))

    def _report_failure(self, job: Job, place: str, code: int, output: Path) -> None:
        """Print the reason of a failure, which is the last line of the output."""
        lines = [line for line in output.read_text(errors="backslashreplace").splitlines() if line.strip()]
        last = lines[-1] if lines else ""
        told = last.startswith("unsup: ")
        reason = last.removeprefix("unsup: ") if told else f"{exit_text(code)}{f', {last}' if last else ''}"
        self.outcome.failed.append(f"{job.name}: {reason}")
        log.info("%s · failed: %s (output: %s)", place, reason, short_path(output))
        for line in [] if told else lines[-TAIL:]:
            log.info("    %s", printable(line))


def sweep_summary(jobs: Sequence[Job], outcome: Outcome) -> str:
    """Return the result of a sweep in lines."""
    counts = outcome.done | Counter({"failed": len(outcome.failed), "left alone": len(outcome.left_alone)})
    counts["left to another sweep"] = len(outcome.elsewhere)
    parts = [f"{number} {kind}" for kind, number in counts.items() if number]
    lines = [f"sweep: {counted(len(jobs), 'run')} in {duration(outcome.seconds)}: {', '.join(parts)}"]
    lines += [f"  failed: {line}" for line in outcome.failed]
    lines += [f"  left alone: {line}" for line in outcome.left_alone]
    return "\n".join(lines + [f"  left to another sweep: {name}" for name in outcome.elsewhere])


def seconds_left(todo: Sequence[Job], took: Sequence[tuple[Job, float]]) -> float | None:
    """Return the expected time, by runs of the same model and point, or model, or any."""

    def expected(job: Job) -> float:
        same_model = [(other, seconds) for other, seconds in took if other.model == job.model]
        same_point = [(other, seconds) for other, seconds in same_model if other.point == job.point]
        return fmean(seconds for _, seconds in same_point or same_model or took)

    return sum(expected(job) for job in todo) if took else None
