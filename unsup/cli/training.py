"""The commands that train, which import PyTorch only if the options are right."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, Literal

from unsup.cli.output import show_report, show_tables
from unsup.cli.parser import CommandLine
from unsup.core.commands import SHORTCUTS, option, suggest
from unsup.core.errors import UsageError, UserError
from unsup.core.strict_yaml import dump_yaml
from unsup.data.layout import image_tree
from unsup.runs.config import Config, compose, precheck, read_layer, resolve
from unsup.runs.likeness import variant_names
from unsup.runs.logger_names import logger_named
from unsup.runs.lookup import config_names, is_own, locate, variants
from unsup.runs.recipes import header, header_field
from unsup.runs.run import Run
from unsup.runs.settings import CompileMode, EvaluationExtent, Precision


def train(
    model: str | None = None,
    *,
    line: CommandLine,
    data: str | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    images: str | None = None,
    data_root: str | None = None,
    init_from: str | None = None,
    matmul_precision: Precision | None = None,
    compile: CompileMode | None = None,
    threads: int | Literal["auto"] | None = None,
    evaluate: EvaluationExtent | None = None,
    logger: str | None = None,
    config: tuple[Path, ...] = (),
    print_config: bool = False,
    runs: Path = Path("runs"),
) -> None:
    """Train a model, evaluate its codes and write a report.

    Any option of a recipe can be set by its dotted name; it overrides all files.
      --model.lr 0.01  --data.batch_size 128  --trainer.max_epochs 3  --matmul_precision medium

    Args:
        model: a recipe in configs/model, such as deep_ae (list: unsup models)
        line: dotted options
        data: a data set in configs/data (mnist, or digits if MNIST is not available)
        seed: the seed of the run (0)
        epochs: short for --trainer.max_epochs; in a recipe with stages that of the last stage alone
        images: your folder of images; short for --data folder --data.images
        data_root: the folder of data sets (data)
        init_from: weights to start from: a run folder, the recipe of a run, torchvision:NAME or timm:NAME
        matmul_precision: precision of float32 products on a GPU (highest)
        compile: compile the losses; reduce-overhead uses CUDA graphs
        threads: threads of PyTorch: a number, or auto: one per idle core (auto)
        evaluate: full, quick (the first scores and the cached baselines) or no (full)
        logger: csv, wandb or mlflow, next to TensorBoard's; others by class as trainer.logger
        config: another YAML file, which overrides the recipes; can be repeated
        print_config: print the resolved configuration and stop
        runs: the folder of runs (runs)
    """
    data = data_set_of(data, images, must_exist=not print_config)
    if model and len(several := model.split()) > 1:
        raise UsageError(f"{model!r} is no recipe: {suggest('sweep', models=several, data=data)} trains several models")
    values = {"seed": seed, "epochs": epochs, "images": images, "data_root": data_root, "init_from": init_from}
    values |= {"matmul_precision": matmul_precision, "compile": compile, "threads": threads, "evaluate": evaluate}
    options = overrides(line, **values, **logger_option(logger))
    use_default = data is None and not names_data_class(dict(options), config)
    resolved = checked_config(model, "mnist" if use_default else data, config, options)
    if print_config:
        print(dump_yaml(resolved), end="")
        return
    from unsup.runs.build import find_mnist
    from unsup.training.stages import train_stages

    notes, prepared = [], None
    if use_default:
        prepared, note = find_mnist(resolved)
        notes.append(note)
        data = "mnist" if prepared else "digits"
        resolved = resolved if prepared else checked_config(model, data, config, options)
    notes += [f"with {path.name}" for path in variants(model, *variant_names(data, resolved["data"]["init_args"]))]
    for run in train_stages(resolved, runs, line.text, notes, prepared):
        show_report(run)


def logger_option(name: str | None) -> dict[str, Any]:
    """Return the option of a logger, with the errors of `logger_named`."""
    return {"trainer.logger": logger_named(name)} if name else {}


def overrides(line: CommandLine, **values: Any) -> list[tuple[str, Any]]:
    """Return all options as (key of the configuration, value)."""
    return [(SHORTCUTS.get(name, name), value) for name, value in values.items() if value is not None] + line.options


def data_set_of(data: str | None, images: str | None, must_exist: bool = True) -> str | None:
    """Return the data set that the user names, if any.

    Raises:
        UsageError: a folder of images and another data set are given.
        UserError: there is no such folder, or it holds no images.
    """
    if images and images.endswith(".npz"):
        raise UsageError(f"{images} is a file of arrays: give {option('data', 'npz')} and --data.file {images}")
    if images and data not in (None, "folder"):
        raise UsageError(f"{option('images')} goes with {option('data', 'folder')}, not with {option('data', data)}")
    if images and must_exist:
        image_tree(images)
    return "folder" if images else data


def named_data_set(data: str | None, images: str | None) -> str:
    """Return the data set that the user names.

    Raises:
        UsageError: there is none, or as in `data_set_of`.
        UserError: there is no such folder.
    """
    if name := data_set_of(data, images):
        return name
    raise UsageError(f"give {option('images', '<folder>')} or {option('data', '<data set>')}: which images?")


def names_data_class(options: Container[str], files: Sequence[Path] = ()) -> bool:
    """Return whether options or files name the class of the images."""
    return "data.class_path" in options or any("class_path" in read_layer(path).get("data", {}) for path in files)


def checked_config(
    model: str | None, data: str | None, files: Sequence[Path], options: Sequence[tuple[str, Any]]
) -> Config:
    """Return the resolved configuration of a training."""
    config = compose(model, data, files, options)
    precheck(config)
    return resolve(config)


def sweep(
    models: Sequence[str],
    *,
    line: CommandLine,
    seeds: Sequence[int] = (0, 1, 2),
    data: str | None = None,
    grid: Sequence[str] = (),
    epochs: int | None = None,
    images: str | None = None,
    data_root: str | None = None,
    threads: int | Literal["auto"] | None = None,
    evaluate: EvaluationExtent | None = None,
    logger: str | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Train every model with every seed, and skip finished runs.

    Options for all runs are given as for train: --model.lr 0.01
    A grid combines the values of several options; values are a YAML list without its brackets:
      --grid model.code_dim=10,30 "model.widths=[500,250],[100]"
    The same command continues a sweep that was stopped. Given twice at once, the two divide the work.
    At the end comes the comparison, and which configuration is best on validation images.

    Args:
        models: recipes in configs/model
        line: dotted options
        seeds: seeds (0 1 2)
        data: a data set in configs/data (as for train)
        grid: KEY=VALUES, values of options to combine
        epochs: short for --trainer.max_epochs; in a recipe with stages that of the last stage alone
        images: your folder of images; short for --data folder --data.images
        data_root: the folder of data sets (data)
        threads: threads of PyTorch: a number, or auto: one per idle core (auto)
        evaluate: full, quick (the first scores and the cached baselines) or no (full)
        logger: csv, wandb or mlflow, next to TensorBoard's; others by class as trainer.logger
        runs: the folder of runs (runs)
    """
    from unsup.training.plan import parse_grid, plan

    data = data_set_of(data, images)
    values = parse_grid(grid, models[0], data)
    given = {"epochs": epochs, "data_root": data_root, "images": images, "threads": threads, "evaluate": evaluate}
    options, note = overrides(line, **given, **logger_option(logger)), ""
    use_default = data is None and not names_data_class({**dict(options), **values})
    jobs = plan(models, "mnist" if use_default else data, seeds, values, options, runs)
    from unsup.runs.build import find_mnist
    from unsup.training.sweep import run_sweep, sweep_summary

    if use_default:
        prepared, note = find_mnist(jobs[0].config)
        if not prepared:
            jobs = plan(models, "digits", seeds, values, options, runs)
    root = dict(options).get("data.root")
    outcome = run_sweep(jobs, runs, None if root is None else str(root), note)
    print(f"\n{sweep_summary(jobs, outcome)}")
    for dataset in sorted({job.config["dataset"] for job in jobs}):
        show_tables(runs, dataset)
    print(outcome.standings.best(), flush=True)
    if outcome.failed:
        raise UserError(f"{len(outcome.failed)} of {len(jobs)} runs failed")


def resume(run: str, *, epochs: int | None = None, data_root: str | None = None, images: str | None = None) -> None:
    """Continue an interrupted run from its last checkpoint, then evaluate it.

    With --epochs a finished run is trained longer, unless something in it depends on its length.

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        epochs: how many in all, instead of those that were planned
        data_root: the folder of data sets, if it has moved
        images: your folder of images, or your file of arrays, if it has moved
    """
    if epochs is not None and epochs < 1:
        raise UsageError(f"--epochs {epochs}: give the number of epochs in all, at least 1")
    unfinished_run, locations = Run.find(run), new_locations(data_root, images)
    from unsup.training.distributed import is_main_process
    from unsup.training.train import resume_run

    unfinished_run.relocate(locations)
    resume_run(unfinished_run, epochs)
    if is_main_process():
        show_report(unfinished_run)


def new_locations(data_root: str | None, images: str | None) -> dict[str, str]:
    """Return the options of the data set for its present location.

    Raises:
        UserError: there is no such folder, or it holds no images.
    """
    is_file = images is not None and images.endswith(".npz")
    if images and not is_file:
        image_tree(images)
    return {key: path for key, path in (("root", data_root), ("file" if is_file else "images", images)) if path}


def models() -> None:
    """List the recipes with their titles, expected scores and minutes."""
    for name in config_names("model"):
        path = locate(f"model/{name}.yaml")
        print(f"{name:18} {next(iter(header(path)), '')}{f' ({path} of this folder)' if is_own(path) else ''}")
        print(f"{'':18} {header_field(path, 'expect') or '?'}; minutes: {header_field(path, 'minutes') or '?'}")
