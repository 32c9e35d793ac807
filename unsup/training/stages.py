"""Multi-stage methods, which find, resume or train the runs that they start from."""

import logging
import shlex
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError
from unsup.data.base import ImageData
from unsup.evaluation.existing_runs import RunIndex
from unsup.runs.build import build, build_data
from unsup.runs.config import Config, compose, data_recipe, default_name, resolve
from unsup.runs.init_from import check_stages, library_source, source_config, source_recipe
from unsup.runs.run import Run
from unsup.training.distributed import is_main_process
from unsup.training.plan import Option, train_words
from unsup.training.train import resume_run, train_run
from unsup.training.trainer import uses_several_devices

log = logging.getLogger(__name__)

Stage = tuple[Config, str]  # configuration and command


def train_stages(
    config: Config,
    runs_root: Path = Path("runs"),
    command: str = "",
    notes: Sequence[str] = (),
    data: ImageData | None = None,
) -> Iterator[Run]:
    """Train every missing run that a configuration starts from, and then its own.

    The main process yields each run once it is evaluated. Arguments and errors are those of `train_run` and
    `first_stages`.
    """
    start = None
    if config["init_from"] and not library_source(config):
        data = data or build_data(config)
        start = yield from first_stages(config, runs_root, data)
    run = train_run(config, runs_root, command, notes, data, start)
    if is_main_process():
        yield run


def first_stages(config: Config, runs_root: Path, data: ImageData) -> Generator[Run, None, Run]:
    """Yield the runs to train or continue first, and return the one to start from.

    A recipe means its newest run with the current configuration, the same images and the same seed, in the same folder
    of runs.

    Raises:
        UserError: there is no such run folder, its training is unfinished or in use, or its weights will not fit.
    """
    if not source_recipe(config):
        run = Run.find(config["init_from"])
        if not run.trained:
            raise UserError(f"init_from: the training of {run} is not finished: {suggest('resume', run=run)}")
        return run
    check_stages(config)
    build(config, data)
    data.prepare_data()
    start, stages = missing_stages(config, runs_root, data)
    if start and not start.trained:
        start.relocate({key: value for key, value in config["data"]["init_args"].items() if key == "root"})
        resume_run(start)
        yield start
    for stage, command in stages:
        start = train_run(stage, runs_root, command, start=start)
        yield start
    assert start
    return start


def missing_stages(config: Config, runs_root: Path, data: ImageData) -> tuple[Run | None, list[Stage]]:
    """Follow the recipes that a configuration starts from, while runs are missing.

    Returns:
        The trained or unfinished run at the start of the chain, if any, and the stages to train after it, in order.
    """
    index, stages = RunIndex(runs_root), list[Stage]()
    while source_recipe(config):
        source, options = source_config(config)
        if run := index.newest_trained(source, data.fingerprint()):
            return run, stages
        refuse_misfits(config, source)
        state, run = index.progress(source)
        if state == "in use":
            raise UserError(f"init_from: another process is training {run}: wait for its end")
        log.info(
            "%s starts from %s, which has no finished run with its current configuration: training that first, as "
            "long as its own recipe says",
            config["recipe"],
            source["recipe"],
        )
        if state == "begun":
            return run, stages
        stages.insert(0, (source, stage_command(source, options, runs_root)))
        config = source
    return None, stages


def stage_command(config: Config, options: Sequence[Option], runs_root: Path) -> str:
    """Return the command that trains a stage, or an empty text if there is none.

    No option of the command line names a data set, whose name is otherwise that of its class.

    Args:
        config: of the stage.
        options: besides recipe, data set and seed; those that change nothing are left out of the command.
        runs_root: the folder of runs.
    """
    data = data_recipe(config)
    if not data and config["dataset"] != default_name(config["data"]["class_path"]):
        return ""
    needed = [option for option in options if not changes_nothing(option, config, data)]
    words = train_words(config["recipe"], data, [("seed", config["seed"]), *needed], runs_root)
    return shlex.join(["unsup", *words])


def changes_nothing(option: Option, config: Config, data: str | None) -> bool:
    """Return whether a data option has the value that the recipes have without it."""
    name, value = option
    section, _, key = name.rpartition(".")
    if section != "data":
        return False
    others = [(f"data.{other}", own) for other, own in config["data"]["init_args"].items() if other != key]
    try:
        without = resolve(compose(config["recipe"], data, [], others))
    except UsageError:  # it is one that must be given
        return False
    return bool(without["data"]["init_args"][key] == value)


def refuse_misfits(config: Config, source: Config) -> None:
    """Check before any training that the weights of a configuration will fit.

    Raises:
        UserError: they will not, one of the two cannot be trained, or the source needs a training on several devices.
    """
    if uses_several_devices(config):
        recipe = source_recipe(config)
        raise UserError(f"init_from: {recipe} has no finished run with its current configuration: train it first")
    (_, model), (_, other) = build(config), build(source)
    model.initialise(other.state_dict())
