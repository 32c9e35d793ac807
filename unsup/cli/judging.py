"""The commands that judge runs, encoders, data sets and the evaluator itself."""

from pathlib import Path
from typing import Literal

from unsup.cli.encoders import encoder_config
from unsup.cli.named import evaluate_names, images_of, names_of_judges
from unsup.cli.output import show_report
from unsup.cli.parser import CommandLine
from unsup.cli.training import checked_config, named_data_set, new_locations, overrides
from unsup.core.commands import option
from unsup.core.errors import UsageError, UserError, printable
from unsup.core.files import folder_of_images, short_path
from unsup.runs.run import Run


def evaluate(
    run: str | None = None,
    *,
    line: CommandLine,
    encoder: str | None = None,
    codes: str | None = None,
    data: str | None = None,
    images: str | None = None,
    data_root: str | None = None,
    labels: Path | None = None,
    evaluate: Literal["full", "quick"] = "full",
    checkpoint: str | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Repeat the evaluation of a run, or judge any encoder on any images.

    Encoders are named torchvision:NAME, timm:NAME, hf:FOLDER, file.py:build, package.module:build, x.onnx, x.pt2 or
    starter (EfficientNet-Lite0). Libraries may download their weights. Their options are:
      --encoder.size 96  --encoder.crop 0.875  --encoder.interpolation bicubic  --encoder.mean "[0.5, 0.5, 0.5]"
      --encoder.std "[0.5, 0.5, 0.5]"  --encoder.trained_on other  --encoder.supervision labels  --encoder.note TEXT

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        line: dotted options
        encoder: an encoder that was trained elsewhere, instead of a run
        codes: a file of codes, made anywhere: arrays train, train_labels, test, test_labels [val, val_labels, images]
        data: with an encoder or codes: a data set in configs/data
        images: your folder of images; of a run: if it has moved
        data_root: the folder of data sets (data); of a run: if it has moved
        labels: judge a run on some named images of a folder: a CSV file with the columns file,name[,asked]
        evaluate: full, or quick: the first scores and the cached baselines (full)
        checkpoint: of a run: a file in its checkpoints/ other than last.ckpt, such as best.ckpt of a callback
        runs: the folder of runs (runs)
    """
    if sum(given is not None for given in (run, encoder, codes)) != 1:
        others = f"{option('encoder', '<name>')} or {option('codes', '<file>')}"
        raise UsageError(f"evaluate takes one of three: a run, {others}")
    if checkpoint and (run is None or labels):
        raise UsageError(f"{option('checkpoint', checkpoint)} goes with a run, whose whole evaluation it repeats")
    if codes and labels:
        raise UsageError(f"{option('labels')} needs pictures, which {option('codes')} has not")
    if run and labels and evaluate != "full":
        raise UsageError(f"{option('evaluate', evaluate)} goes without {option('labels')}, which judges by names alone")
    if run is None:
        if labels:  # read before anything that takes long
            folder = images or dict(line.options).get("data.images")
            if not folder:
                raise UsageError(f"{option('labels')} names images of a folder: give {option('images', '<folder>')}")
            pictures = folder_of_images(folder)
            given = names_of_judges(labels, pictures)
        config = encoder_config(encoder, codes, data, images, data_root, line) | {"evaluate": evaluate}
        from unsup.evaluation.encoder_run import evaluate_encoder

        judged = evaluate_encoder(config, runs, line.text)
        show_report(judged)
        if labels:
            if judged.report.scores.linear_probe is None:
                print("\nThe folder has no classes to judge by: the named pictures are judged below.")
            evaluate_names(judged, pictures, given, labels)
        return
    if data or line.options:
        raise UsageError(f"{'--data' if data else f'--{line.options[0][0]}'} goes with --encoder, not with a run")
    trained, locations = Run.find(run), new_locations(data_root, images)
    if labels:
        pictures = images_of(trained, images)
        evaluate_names(trained, pictures, names_of_judges(labels, pictures), labels)
        return
    weights = trained.named_checkpoint(checkpoint)
    from unsup.evaluation.run import evaluate_run

    with trained.lock():
        trained.relocate(locations)
        evaluate_run(trained, trained.data(), evaluate == "quick", weights)
    show_report(trained)


def audit(
    *,
    line: CommandLine,
    images: str | None = None,
    data: str | None = None,
    data_root: str | None = None,
    out: Path | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Look for copies, leaks, odd files, doubtful labels and shortcuts.

    Any option of the data set can be set by its dotted name: --data.size 64

    Args:
        line: dotted options
        images: your folder of images; short for --data folder --data.images
        data: a data set in configs/data
        data_root: the folder of data sets (data)
        out: the folder to write into (<runs>/<data>/audit)
        runs: the folder of runs (runs)
    """
    name = named_data_set(data, images)
    options = overrides(line, images=images, data_root=data_root)
    if name == "folder":
        options = [("data.skip_unreadable", True), *options]
    config = checked_config("pixels", name, (), options)
    from unsup.evaluation.audit import audit as look
    from unsup.evaluation.audit_page import write_audit
    from unsup.runs.build import load_data

    loaded = load_data(config)
    findings = look(loaded, loaded.left_out())
    page = write_audit(out or runs / config["dataset"] / "audit", findings, images or name)
    for finding in findings.lines() or ["nothing that needs a look"]:
        print(printable(finding))
    print(f"audit  {printable(str(short_path(page)))}")


def selfcheck() -> None:
    """Check the evaluator on planted codes whose scores are known."""
    from unsup.evaluation.selfcheck import selfcheck as check

    checks = check()
    for name, passed, measured in checks:
        print(f"{'ok  ' if passed else 'FAIL'}  {name}: {measured}")
    failed = sum(not passed for _, passed, _ in checks)
    if failed:
        raise UserError(f"the evaluator failed {failed} of {len(checks)} checks: do not trust its numbers here")
    print(f"evaluator checked: {len(checks)} of {len(checks)}")
