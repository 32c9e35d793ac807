"""The command that makes a page on which people name pictures."""

from pathlib import Path

from unsup.cli.encoders import pictures_config
from unsup.cli.named import images_of
from unsup.cli.parser import CommandLine
from unsup.core.commands import option
from unsup.core.errors import UsageError, printable
from unsup.core.files import check_new_path, folder_of_images, short_path
from unsup.inference.names import read_names
from unsup.models.foreign.names import parse_name
from unsup.runs.run import Run

PAGE = "label.html"


def label(
    run: str | None = None,
    *,
    line: CommandLine,
    encoder: str | None = None,
    images: str | None = None,
    labels: Path | None = None,
    out: Path | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Write a page on which you name pictures, in any browser and offline.

    It first asks for 60 pictures drawn at random. Then whole clusters, or a part of a map, are named at once. What it
    saves, labels.csv, is read by classify, evaluate and compare.
    With an encoder, any option of the data set can be set by its dotted name: --data.class_folders none

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        line: dotted options
        encoder: an encoder that was trained elsewhere, instead of a run; named as for evaluate
        images: your folder of images (of a run: those that it was trained on)
        labels: names so far, in a CSV file with the columns file,name[,asked]
        out: the file to write (RUN/label.html, or <runs>/<data>/label/<encoder>.html)
        runs: the folder of runs (runs)
    """
    if (run is None) == (encoder is None):
        raise UsageError(f"label takes one of two: a run or {option('encoder', '<name>')}")
    if run is not None and line.options:
        raise UsageError(f"label has no option --{line.options[0][0]}: a run keeps the options of its training")
    if encoder is not None and images is None:
        raise UsageError(f"{option('encoder', encoder)} needs {option('images', '<folder>')}: which images?")
    if out is not None:
        check_new_path(out)
    trained = None if run is None else Run.find(run)
    folder = folder_of_images(str(images)) if trained is None else images_of(trained, images)
    names = read_names(labels, folder) if labels else {}
    if trained is None:
        config = pictures_config([str(encoder)], str(images), None, line)
        page = runs / config["dataset"] / "label" / f"{parse_name(str(encoder)).folder}.html"
    else:
        page = trained.folder / PAGE
    from unsup.evaluation.folder_codes import folder_codes
    from unsup.inference.label import run_codes, write_label_page

    pictures = run_codes(trained, folder) if trained else folder_codes(config, str(encoder), runs)
    write_label_page(out or page, pictures, names)
    print(f"page   {printable(str(short_path(out or page)))}")
