"""Methods in stages: the runs that a configuration starts from are found, continued or trained first."""

import logging
import shlex
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.data.base import ImageData
from unsup.runs.build import build, build_data
from unsup.runs.config import Config, data_recipe
from unsup.runs.init_from import check_stages, source_config, source_recipe
from unsup.runs.run import Run
from unsup.training.distributed import is_main_process
from unsup.training.existing_runs import RunIndex
from unsup.training.plan import train_words
from unsup.training.train import resume_run, train_run
from unsup.training.trainer import uses_several_devices

log = logging.getLogger(__name__)

Stage = tuple[Config, str]  # the configuration of a run to train, and the command that trains it


def train_stages(
    config: Config,
    runs_root: Path = Path("runs"),
    command: str = "",
    notes: Sequence[str] = (),
    data: ImageData | None = None,
) -> Iterator[Run]:
    """Train as the resolved configuration says, and before it every run that it starts from and that is missing.

    Yields each run once it is evaluated, that of `config` last; of several processes that train it, the main one does.
    Arguments and errors are those of `unsup.training.train.train_run`, with those of `first_stages`.
    """
    start = None
    if config["init_from"]:
        data = data or build_data(config)
        start = yield from first_stages(config, runs_root, data)
    run = train_run(config, runs_root, command, notes, data, start)
    if is_main_process():
        yield run


def first_stages(config: Config, runs_root: Path, data: ImageData) -> Generator[Run, None, Run]:
    """Find the run that a configuration starts from, or train it, and before it what it starts from in its turn.

    A recipe means the newest run of its current configuration, on the same images with the same seed, in the same
    folder of runs. Yields the runs that are trained or continued; returns the one to start from.

    Raises:
        UserError: no such run folder, or one that is not trained to its end; another process is training that run; its
            weights will not fit.
    """
    if not source_recipe(config):
        run = Run.find(config["init_from"])
        if not run.trained:
            raise UserError(f"init_from: {run} is not trained to its end: {suggest('resume', run=run)}")
        return run
    check_stages(config)
    build(config, data)
    data.prepare_data()
    start, missing = missing_stages(config, runs_root, data)
    if start and not start.trained:
        resume_run(start, {key: value for key, value in config["data"]["init_args"].items() if key == "root"})
        yield start
    for stage, command in missing:
        start = train_run(stage, runs_root, command, start=start)
        yield start
    assert start
    return start


def missing_stages(config: Config, runs_root: Path, data: ImageData) -> tuple[Run | None, list[Stage]]:
    """Follow the chain of recipes that a configuration starts from, as far as their runs are missing.

    Returns:
        The run in which the chain ends: trained, or begun; None where its first stage starts from nothing.
        What is to be trained after it, the first one first.
    """
    index, missing = RunIndex(runs_root), list[Stage]()
    while source_recipe(config):
        source, options = source_config(config)
        if trained := index.newest_trained(source, data.fingerprint()):
            return trained, missing
        refuse_misfits(config, source)
        state, begun = index.progress(source)
        if state == "in use":
            raise UserError(f"init_from: another process is training {begun}: wait until it has ended")
        log.info(
            "%s starts from a run of %s, and none of that recipe as it is now is trained yet: that comes first",
            config["recipe"],
            source["recipe"],
        )
        if state == "begun":
            return begun, missing
        options = [("seed", source["seed"]), *options]
        words = ["unsup", *train_words(source["recipe"], data_recipe(config), options, runs_root)]
        missing.insert(0, (source, shlex.join(words)))
        config = source
    return None, missing


def refuse_misfits(config: Config, source: Config) -> None:
    """Find before anything is trained whether the weights of one configuration will not fit another.

    Raises:
        UserError: several devices are to train it, one of the two cannot be trained, or the weights will not fit.
    """
    if uses_several_devices(config):
        recipe = source_recipe(config)
        raise UserError(f"init_from: no run of {recipe} as it is now is trained yet: train it first, on these devices")
    (_, model), (_, other) = build(config), build(source)
    model.initialise(other.state_dict())
