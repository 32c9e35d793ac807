"""The command that trains the encoder of a run with labels."""

from typing import Literal

from unsup.cli.training import new_locations
from unsup.core.commands import suggest
from unsup.core.errors import UsageError
from unsup.core.files import short_path
from unsup.runs.run import Run
from unsup.runs.settings import check_seed


def finetune(
    run: str,
    *,
    share: Literal["0.01", "0.1", "1"] = "1",
    scratch: bool = False,
    seed: int = 0,
    epochs: int | None = None,
    data_root: str | None = None,
    images: str | None = None,
) -> None:
    """Train the encoder of a run further, with labels.

    The result is no frozen probe, and is reported apart. The weights of the run stay as they are.

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        share: of the training labels; at least one label of each class is used (1)
        scratch: start from a fresh initialisation of the same network
        seed: the seed of the choice of images and of the training (0)
        epochs: passes over the labelled images (1,000 optimizer steps, at least 10 epochs)
        data_root: the folder of data sets, if it has moved
        images: your folder of images, or your file of arrays, if it has moved
    """
    if epochs is not None and epochs < 1:
        raise UsageError(f"--epochs {epochs}: give 1 or more")
    check_seed(seed)
    trained, locations = Run.find(run), new_locations(data_root, images)
    from unsup.reports.format import accuracy
    from unsup.reports.sections_finetuned import WORDS
    from unsup.runs.finetuned import folder_of
    from unsup.training.finetune import finetune_run

    trained.relocate(locations)
    result = finetune_run(trained, float(share), scratch, seed, epochs)
    print(f"\n{WORDS} ({result.start}, {result.labelled:,} labelled images, seed {seed})")
    print(
        f"test accuracy {accuracy(result.accuracy)} [{accuracy(result.low)}, {accuracy(result.high)}], validation "
        f"{accuracy(result.validation_accuracy)} in epoch {result.best_epoch:,} of {result.epochs:,}"
    )
    print(f"weights    {short_path(folder_of(trained.folder, float(share), scratch, seed))}")
    if trained.evaluated:
        print(f"report     {short_path(trained.folder / 'report.html')}")
    else:
        print(f"report     none yet: {suggest('evaluate', run=trained)}")
