"""Training of a run, from its configuration or from a checkpoint, to its report."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from unsup.core.commands import suggest
from unsup.core.errors import UsageError, UserError
from unsup.core.files import short_path
from unsup.data.base import ImageData
from unsup.evaluation.run import evaluate_run
from unsup.evaluation.tensorboard import final_scores
from unsup.models.base import Model
from unsup.runs.build import load_weights
from unsup.runs.checkpoints import is_damaged, newest_checkpoint
from unsup.runs.config import Config
from unsup.runs.init_from import library_source
from unsup.runs.origin import origin_record
from unsup.runs.recipes import how_chosen
from unsup.runs.records import LAST
from unsup.runs.reference import reference_seconds
from unsup.runs.run import Run
from unsup.runs.threads import choose_threads, use_threads
from unsup.training.averaging import averaging_callback, differs
from unsup.training.callbacks.throughput import Throughput
from unsup.training.distributed import is_main_process, leave_process_group, share_run
from unsup.training.failures import as_usage_errors, discard, raise_explained
from unsup.training.library_weights import load_library_weights
from unsup.training.loggers import log_final_scores
from unsup.training.longer import longer_config, refuse_other_length, reopen
from unsup.training.prepare import has_gradients, prepare_training
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
    """Train a new run, evaluate it, and return it.

    Args:
        config: from `unsup.runs.config.resolve`.
        runs_root: the folder of runs, in which <data>/<recipe>/<seed>-<number> is made.
        command: typed by the user, for the record.
        notes: for the first line of output.
        data: the data module, if its images are loaded already.
        start: the finished run that `init_from` means, from `unsup.training.stages`.

    Raises:
        UsageError: no max_epochs or max_steps, or incompatible options.
        UserError: data missing or damaged, run folder not writable, loss not finite, or weights that do not fit.
    """
    library = library_source(config)
    assert bool(start or library) == bool(config["init_from"]), "unsup.training.stages finds the run to start from"
    threads = threads_for(config)
    extra_versions: dict[str, Any] = {"threads": threads} if threads else {}
    with use_threads(threads):
        data, model = prepare_training(config, data)
        if start:
            source = start.model()
            model.initialise(source.state_dict())
            extra_versions["init_from"] = origin_record(start, source)
            notes = [*notes, f"from {short_path(start.folder)}"]
        if library:
            extra_versions["init_from"] = load_library_weights(model, library)
            notes = [*notes, f"from {library}"]

        def create() -> Run:
            return Run.create(runs_root, config, command, data.fingerprint(), extra_versions)

        if uses_several_devices(config):
            with as_usage_errors():
                devices = bare_trainer(config, model.unused_parameters)
            run = share_run(devices, create)
        else:
            run = create()
        note = f" ({'; '.join(notes)})" if notes else ""
        heading = f"{config['recipe']} on {config['dataset']}{note}, seed {config['seed']}: {run}"
        with run_lock(run):
            record = fit(run, model, data, heading)
            record_and_evaluate(run, model, data, record)
    return run


def threads_for(config: Config) -> int | None:
    """Return the number of threads for a new run, and log why it is less than all.

    None lets Lightning share the cores among the processes of several devices.
    """
    if uses_several_devices(config) and config["threads"] == "auto":
        return None
    return choose_threads(config["threads"])


def resume_run(run: Run, epochs: int | None = None) -> None:
    """Continue an unfinished run from its last checkpoint, then evaluate it.

    With `epochs` a run, finished or not, is continued to so many in all (`unsup.training.longer`).

    As checkpoints are written at the ends of epochs, and all random draws derive from the seed, the weights are those
    of an uninterrupted run, bit for bit. A run that only lacks its report is evaluated. If the last checkpoint of a
    finished run is damaged, the last epoch is trained again.

    Raises:
        UserError: the run is finished or in use, has no readable checkpoint, its images have changed, or it cannot have
            another length. Nothing has changed then.
    """
    silence_libraries()
    with run_lock(run), use_threads(run.versions.get("threads")):
        other_length = epochs is not None and epochs != run.config["trainer"].get("max_epochs")
        damaged = len(run.checkpoints) > 1 and is_damaged(run.last_checkpoint)
        if run.trained and not damaged and not other_length:
            if run.evaluated or run.config["evaluate"] == "no":
                schedules = newest_checkpoint(str(run), run.checkpoints)[1].get("schedules", ["unknown"])
                longer = "" if schedules else f", {suggest('resume', run=run, epochs='…')} trains it longer"
                raise UserError(f"{run} is finished: {suggest('evaluate', run=run)} evaluates it again{longer}")
            evaluate_run(run, run.data(), quick=run.config["evaluate"] == "quick")
            return
        path, checkpoint = newest_checkpoint(str(run), run.checkpoints)
        config = longer_config(run, epochs) if epochs is not None and other_length else run.config
        data, model = prepare_training(config, run.data())
        load_weights(model, checkpoint, path)
        if epochs is not None and other_length:
            refuse_other_length(run, epochs, model, checkpoint)
            if is_main_process():
                reopen(run, config)
            run.config = config
        iteration = checkpoint["global_step"] // model.steps_per_batch
        if is_main_process():
            run.write_resumption(epochs if other_length else None)
            if path.name != LAST:  # the damaged one must not replace this one
                run.last_checkpoint.unlink(missing_ok=True)
        record = fit(run, model, data, f"{run} continues after training step {iteration:,}", path, iteration)
        record_and_evaluate(run, model, data, record)


def run_lock(run: Run) -> AbstractContextManager[None]:
    """Return the lock of a run, which only the main process takes."""
    return run.lock() if is_main_process() else nullcontext()


def fit(
    run: Run,
    model: Model,
    data: ImageData,
    heading: str,
    checkpoint: Path | None = None,
    resumed_at: int | None = None,
) -> dict[str, Any]:
    """Train to the end, and return epochs, and what they cost.

    A run is resumed from a checkpoint, written at the training step `resumed_at`.
    """
    throughput = Throughput()
    try:
        with as_usage_errors():
            resumptions = len(run.versions.get("resumed", ()))
            trainer = build_trainer(
                run.config, run.folder, throughput, model.unused_parameters, resumed_at, resumptions
            )
    except UsageError:
        discard(run)
        raise
    log.info(heading)
    if not has_gradients(model):  # learns in on_fit_start, or not at all
        trainer.fit_loop.max_epochs = 0
    try:
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    except (Exception, SystemExit) as e:
        raise_explained(e, run, trainer, model, data)
    if trainer.should_stop and trainer.current_epoch < (trainer.max_epochs or 0):
        log.info("stopped by a callback or max_time after %d of %d epochs", trainer.current_epoch, trainer.max_epochs)
    # Zero epochs write none. A callback may change the weights when training has ended.
    if not run.last_checkpoint.exists() or (run.config["trainer"].get("callbacks") and differs(model, run)):
        trainer.save_checkpoint(run.last_checkpoint)
    record: dict[str, Any] = {"epochs": trainer.current_epoch, "steps": model.iteration, **throughput.record()}
    if averaging := averaging_callback(trainer):
        record["averaged_by"] = averaging
    if is_main_process():
        device = trainer.strategy.root_device
        seconds = reference_seconds(device)
        record["reference"] = {"device": "cpu" if device.type == "cpu" else "gpu", "seconds": seconds}
    return record


def record_and_evaluate(run: Run, model: Model, data: ImageData, record: dict[str, Any]) -> None:
    """Record the end of a training, and evaluate the run, in the main process only."""
    leave_process_group()
    if not is_main_process():
        return
    augmentation = data.augmentation if hasattr(model, "views") else None
    if not augmentation:  # that of the stage it started from, if any
        augmentation = run.versions.get("init_from", {}).get("views", "none")
    run.write_training(record | {"views": augmentation, "chosen": how_chosen(run.config)})
    if data.test_reads:
        raise UserError(f"training read the test images {data.test_reads} times: they cannot be used to evaluate {run}")
    if run.config["evaluate"] == "no":
        log.info("trained and not evaluated: %s does that", suggest("evaluate", run=run))
        return
    try:
        report = evaluate_run(run, data, quick=run.config["evaluate"] == "quick")
    except KeyboardInterrupt:
        log.warning("stopped: %s evaluates the trained model", suggest("evaluate", run=run))
        raise
    if further := model.loggers[1:]:  # TensorBoard's has them
        log_final_scores(further, final_scores(report.scores), model.iteration)
