"""Training: a configuration becomes a run with a report, and an interrupted run is continued from its checkpoint."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning.pytorch as L
import torch

from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError
from unsup.core.files import short_path
from unsup.data.base import ImageData
from unsup.evaluation.run import evaluate_run
from unsup.models.base import Model
from unsup.models.frozen import weights_hash
from unsup.runs.build import build, load_weights
from unsup.runs.checkpoints import newest_checkpoint
from unsup.runs.config import Config
from unsup.runs.recipes import how_chosen
from unsup.runs.records import LAST
from unsup.runs.run import Run
from unsup.runs.threads import choose_threads, use_threads
from unsup.training.callbacks.throughput import Throughput
from unsup.training.distributed import is_main_process, leave_process_group, share_run_folder
from unsup.training.failures import as_usage_errors, discard, raise_explained
from unsup.training.trainer import bare_trainer, build_trainer, silence_libraries, uses_several_devices

log = logging.getLogger(__name__)


def train_run(
    config: Config,
    runs_root: Path = Path("runs"),
    command: str = "",
    notes: Sequence[str] = (),
    data: ImageData | None = None,
    start: Run | None = None,
) -> Run:
    """Train as the resolved configuration says, evaluate, write the report; return the run.

    Args:
        config: what `unsup.runs.config.resolve` returns.
        runs_root: the run folder is made in runs_root/<data>/<recipe>/.
        command: what the user typed, for the record.
        notes: what was decided for the user, such as the data set; a part of the first line of output.
        data: the data module, when it is prepared already.
        start: the finished run that `init_from` means; `unsup.training.stages` finds it.

    Raises:
        UsageError: no end of the training is given; options that do not go together.
        UserError: data missing or damaged, run folder not writable, loss not finite, weights that do not fit.
    """
    assert bool(start) == bool(config["init_from"]), "unsup.training.stages finds the run to start from"
    threads = threads_for(config)
    further: dict[str, Any] = {"threads": threads} if threads else {}
    with use_threads(threads):
        data, model = prepare_training(config, data)
        if start:
            source = start.model()
            model.initialise(source.state_dict())
            further["init_from"] = start.origin(weights_hash(source))
            notes = [*notes, f"from {short_path(start.folder)}"]

        def create() -> Run:
            return Run.create(runs_root, config, command, data.fingerprint(), further)

        if uses_several_devices(config):
            with as_usage_errors():
                devices = bare_trainer(config, model.unused_parameters)
            run = Run(share_run_folder(devices, lambda: create().folder))
        else:
            run = create()
        aside = f" ({'; '.join(notes)})" if notes else ""
        heading = f"{config['recipe']} on {config['dataset']}{aside}, seed {config['seed']}: {run}"
        with run_lock(run):
            record = fit(run, model, data, heading)
            record_and_evaluate(run, model, data, record)
    return run


def threads_for(config: Config) -> int | None:
    """Return how many threads a run that starts now takes, and say so where it is fewer than all.

    None leaves it to Lightning, which shares the cores out among the processes of several devices.
    """
    if uses_several_devices(config) and config["threads"] == "auto":
        return None
    threads, note = choose_threads(config["threads"])
    if note:
        log.info(note)
    return threads


def resume_run(run: Run, moved: Mapping[str, str] = MappingProxyType({})) -> None:
    """Continue an unfinished run from its last checkpoint to the end of its configuration, then evaluate it.

    Checkpoints are written at the ends of epochs, and all that an epoch draws derives from the seed: the weights are
    those of a run that was never interrupted, bit for bit. A run that only lacks its report is evaluated.

    Args:
        run: the run.
        moved: where the data are now, if they have moved since: options of the data set (root, images).

    Raises:
        UserError: the run is finished, or another process works on it; there is no checkpoint, or a damaged one;
            the images are others than those that it was started with.
    """
    silence_libraries()
    with run_lock(run), use_threads(run.versions.get("threads")):
        if run.evaluated:
            raise UserError(f"{run} is finished: {suggest('evaluate', run=run)} evaluates it again")
        if run.trained:
            evaluate_run(run, run.data(moved))
            return
        path, checkpoint = newest_checkpoint(str(run), run.checkpoints)
        data, model = prepare_training(run.config, run.data(moved))
        load_weights(model, checkpoint, path)
        iteration = checkpoint["global_step"] // model.steps_per_batch
        if is_main_process():
            run.write_resumption()
            if path.name != LAST:  # the damaged one must not take the place of this one
                (run.folder / "checkpoints" / LAST).unlink(missing_ok=True)
        record = fit(run, model, data, f"{run} goes on after training step {iteration:,}", path, iteration)
        record_and_evaluate(run, model, data, record)


def prepare_training(config: Config, data: ImageData | None = None) -> tuple[ImageData, Model]:
    """Return the images, ready, and the model, newly initialised from the seed."""
    silence_libraries()
    torch.set_float32_matmul_precision(config["matmul_precision"])
    L.seed_everything(config["seed"], verbose=False)
    data, model = build(config, data)
    if mode := config["compile"]:
        if type(model).training_step is not Model.training_step:
            raise UsageError(f"compile: {type(model).__name__} has its own training_step: set it to null")
        model.compiled_losses = torch.compile(model.losses, mode=mode, dynamic=False)
    data.prepare_data()
    data.setup("fit")
    return data, model


def run_lock(run: Run) -> AbstractContextManager[None]:
    """Return the run's lock; of several processes that train it only the main one takes it."""
    return run.lock() if is_main_process() else nullcontext()


def fit(
    run: Run,
    model: Model,
    data: ImageData,
    heading: str,
    checkpoint: Path | None = None,
    resumed_at: int | None = None,
) -> dict[str, Any]:
    """Train to the end, from a checkpoint if there is one, made at the training step `resumed_at`.

    Returns:
        Epochs, seconds of training and images a second.
    """
    throughput = Throughput()
    try:
        with as_usage_errors():
            trainer = build_trainer(run.config, run.folder, throughput, model.unused_parameters, resumed_at)
    except UsageError:
        discard(run)
        raise
    log.info(heading)
    if trainer.world_size > 1 or trainer.gradient_clip_val or trainer.accumulate_grad_batches > 1:
        data.steps_per_call = 1  # these act on Lightning's own steps alone; the weights are the same
    if not any(p.requires_grad for p in model.parameters()):  # learns in on_fit_start, or not at all
        trainer.fit_loop.max_epochs = 0
    try:
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except (Exception, SystemExit) as e:
        raise_explained(e, run, trainer, model, data)
    if not (last := run.folder / "checkpoints" / LAST).exists():  # zero epochs write none
        trainer.save_checkpoint(last)
    return {"epochs": trainer.current_epoch, **throughput.record()}


def record_and_evaluate(run: Run, model: Model, data: ImageData, record: dict[str, Any]) -> None:
    """Record that a training has reached its end, and evaluate the run, in the main process alone."""
    leave_process_group()
    if not is_main_process():
        return
    views = data.augmentation if hasattr(model, "views") else None
    views = views or run.versions.get("init_from", {}).get("views", "none")
    run.write_training(record | {"views": views, "chosen": how_chosen(run.config)})
    if data.test_reads:
        raise UserError(f"training read the test images {data.test_reads} times: they cannot judge {run}")
    try:
        evaluate_run(run, data)
    except KeyboardInterrupt:
        log.warning("stopped: %s judges what was trained", suggest("evaluate", run=run))
        raise
