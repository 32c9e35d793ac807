"""Training: configuration -> seed -> data, model, trainer -> fit -> evaluation. The only way a run comes about.

A run that was interrupted goes on from its last checkpoint through the same lines (`resume`).
"""

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType

import lightning.pytorch as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError
from unsup.core.files import shown
from unsup.data.base import ImageData
from unsup.evaluation.run import evaluate_run
from unsup.models.base import Model
from unsup.models.frozen import weights_hash
from unsup.runs import folder as runs
from unsup.runs.build import build_model, check, fill, load_model, prepare
from unsup.runs.checkpoints import newest
from unsup.runs.config import Config, data_name
from unsup.runs.init_from import from_recipe, source_of
from unsup.runs.recipes import chosen
from unsup.training import distributed as world
from unsup.training.callbacks.throughput import Throughput
from unsup.training.existing_runs import Found
from unsup.training.plan import command_line
from unsup.training.trainer import bare_trainer, build_trainer, explained, quiet, several, told


def train(
    config: Config,
    runs_root: Path = Path("runs"),
    command: str = "",
    notes: Sequence[str] = (),
    data: ImageData | None = None,
) -> Path:
    """Train as the resolved configuration says, evaluate, write the report; returns the run folder.

    Args:
        config: what `unsup.runs.config.resolve` returns.
        runs_root: the run folder is made in runs_root/<data>/<recipe>/.
        command: what the user typed, for the record.
        notes: what was decided for the user, such as the data set; shown in the first line of output.
        data: the data module, when it is prepared already.

    Raises:
        UsageError: no end of the training is given; options that do not go together.
        UserError: data missing or damaged, run folder not writable, loss not finite, weights that do not fit.
    """
    check(config)
    source = origin = None
    if config["init_from"]:
        data = data or prepare(config)
        folder = start_of(config, runs_root, data)
        source, notes = load_model(folder), [*notes, f"from {shown(folder)}"]
        origin = runs.origin_of(folder, weights_hash(source))
    data, model = begin(config, data)
    if source:
        model.initialise(source.state_dict())
    fingerprint = data.fingerprint()
    run = shared(config, model, lambda: runs.create(runs_root, config, command, fingerprint, origin))
    aside = f" ({'; '.join(notes)})" if notes else ""
    heading = f"{config['recipe']} on {config['dataset']}{aside}, seed {config['seed']}: {run}"
    with held(run):
        finish(run, config, model, data, heading)
    return run


def shared(config: Config, model: Model, make: Callable[[], Path]) -> Path:
    """The run folder, made by the first of several processes.

    Raises:
        UsageError: what Lightning says of options that do not go together.
    """
    if not several(config):
        return make()
    with explained():
        trainer = bare_trainer(config, model.unused_parameters)
    return world.agree(trainer, make)


def held(run: Path) -> AbstractContextManager[None]:
    """The run's lock; of several processes that train it the first one has it."""
    return runs.locked(run) if world.first() else nullcontext()


def start_of(config: Config, runs_root: Path, data: ImageData) -> Path:
    """The run that a configuration starts from, trained to its end.

    Where `init_from` is a recipe it is the newest run of that recipe as it is now, on the same images with the same
    seed, in the same folder of runs. Where there is none it is trained here, or resumed, and evaluated.

    Raises:
        UserError: no such run folder, or one that is not trained to its end; another process is training that run; its
            weights will not fit.
    """
    recipe = from_recipe(config)
    if recipe is None:
        run = runs.find(config["init_from"])
        if not (run / "training.json").exists():
            raise UserError(f"init_from: {run} is not trained to its end: {suggest('resume', run=run)}")
        return run
    found, (source, options) = Found(runs_root), source_of(config)
    if trained := found.trained(source, data.fingerprint()):
        return trained
    if several(config):
        raise UserError(f"init_from: no run of {recipe} as it is now is trained yet: train it first, on these devices")
    build_model(config, data).initialise(build_model(source, data).state_dict())  # refuses now what would not fit later
    state, begun = found.look(source)
    if state == "in use":
        raise UserError(f"init_from: another process is training {begun}: wait until it has ended")
    first = "and none of that recipe as it is now is trained yet: that comes first"
    print(f"{config['recipe']} starts from a run of {recipe}, {first}", flush=True)
    if state == "begun" and begun:
        resume(begun, {key: value for key, value in config["data"]["init_args"].items() if key == "root"})
        return begun
    words = ["train", recipe, *(("--data", name) if (name := data_name(config)) else ()), "--seed", str(config["seed"])]
    words += [word for option in options for word in command_line(*option)]
    return train(source, runs_root, f"unsup {shlex.join([*words, '--runs', str(runs_root)])}")


def resume(run: Path, moved: Mapping[str, str] = MappingProxyType({})) -> None:
    """Go on with an unfinished run from its last checkpoint to the end of its configuration, then evaluate it.

    Checkpoints are written at the ends of epochs, and all that an epoch draws derives from the seed: the weights are
    those of a run that was never interrupted, bit for bit.

    Args:
        run: the run folder.
        moved: where the data lie now, if not where the run found them: options of the data set (root, images).

    One that is trained to its end and only lacks its report is evaluated.

    Raises:
        UserError: the run is finished, or another process works on it; there is no checkpoint, or a damaged one;
            the images are others than those that it was started with.
    """
    with held(run):
        if (run / "report.json").exists():
            raise UserError(f"{run} is finished: {suggest('evaluate', run=run)} evaluates it again")
        if (run / "training.json").exists():
            evaluate_run(run, moved=moved)
            return
        config = runs.config_of(run)
        config["data"]["init_args"] |= moved
        path, checkpoint = newest(run)
        data, model = begin(config)
        runs.check_images(run, data.fingerprint())
        fill(model, checkpoint, path)
        iteration = checkpoint["global_step"] // model.steps_per_batch
        heading = f"{run} goes on after training step {iteration:,}"
        if world.first():
            runs.record_resumption(run)
            if path.name != runs.LAST:  # the damaged one must not take the place of this one
                (run / "checkpoints" / runs.LAST).unlink(missing_ok=True)
        finish(run, config, model, data, heading, path, iteration)


def begin(config: Config, data: ImageData | None = None) -> tuple[ImageData, Model]:
    """The data, ready, and the model, newly initialised from the seed."""
    quiet()
    torch.set_float32_matmul_precision(config["matmul_precision"])
    L.seed_everything(config["seed"], verbose=False)
    data = data or prepare(config)
    model = build_model(config, data)
    if mode := config["compile"]:
        if type(model).training_step is not Model.training_step:
            raise UsageError(f"compile: {type(model).__name__} has its own training_step: set it to null")
        model.compiled_losses = torch.compile(model.losses, mode=mode, dynamic=False)
    return data, model


def finish(
    run: Path,
    config: Config,
    model: Model,
    data: ImageData,
    heading: str,
    checkpoint: Path | None = None,
    resumed_at: int | None = None,
) -> None:
    """Train to the end, from a checkpoint where there is one, made at the training step `resumed_at`; evaluate."""
    throughput = Throughput()
    try:
        with explained():
            trainer = build_trainer(config, run, throughput, model.unused_parameters, resumed_at)
    except UsageError:
        discard(run)
        raise
    if world.first():
        print(heading, flush=True)
    if trainer.world_size > 1 or trainer.gradient_clip_val or trainer.accumulate_grad_batches > 1:
        data.steps_per_call = 1  # these act on Lightning's own steps alone; the weights are the same
    if not any(p.requires_grad for p in model.parameters()):  # learns in on_fit_start, or not at all
        trainer.fit_loop.max_epochs = 0
    try:
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:  # Lightning has stopped at a signal
        if runs.checkpoints_of(run):
            print(f"stopped: {suggest('resume', run=run)} goes on after the last whole epoch", file=sys.stderr)
        sys.exit(143 if trainer.received_sigterm else 130)
    except (MisconfigurationException, UsageError) as e:  # options that do not go together: nothing was trained
        discard(run)
        text = " ".join(str(e).split())
        raise UsageError(text if isinstance(e, UsageError) else f"trainer: {text}") from e
    except UserError:
        if not model.iteration:
            discard(run)
        raise
    except Exception as e:
        raise told(e, run, data) from e
    if not (last := run / "checkpoints" / runs.LAST).exists():  # zero epochs write none
        trainer.save_checkpoint(last)
    world.part()
    if not trainer.is_global_zero:
        return
    views = data.augmentation if hasattr(model, "views") else None
    views = views or runs.record_of(run, "versions.json").get("init_from", {}).get("views", "none")
    record = {"epochs": trainer.current_epoch, **throughput.record(), "views": views, "chosen": chosen(config)}
    runs.write_json(run / "training.json", record)
    if data.test_reads:
        raise UserError(f"training read the test images {data.test_reads} times: they cannot judge {run}")
    try:
        evaluate_run(run, data=data)
    except KeyboardInterrupt:
        print(f"stopped: {suggest('evaluate', run=run)} judges what was trained", file=sys.stderr)
        raise


def discard(run: Path) -> None:
    """Remove a run folder, unless it holds something that was trained."""
    if world.first() and run.exists() and not runs.checkpoints_of(run):
        shutil.rmtree(run)
