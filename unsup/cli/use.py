"""The commands that use a run, which import PyTorch only once it is found."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from unsup.cli.output import screen
from unsup.cli.training import new_locations
from unsup.core.errors import printable
from unsup.core.files import check_file, check_new_folder, check_new_path, short_path
from unsup.data.decode import check_picture
from unsup.data.layout import image_tree
from unsup.inference.names import check_two_names, read_names
from unsup.runs.run import Run


def classify(
    run: str,
    *,
    images: Path,
    out: Path | None = None,
    labels: Path | None = None,
    sort: Literal["copy", "link"] | None = None,
) -> None:
    """Sort new images with a trained run into a table and a contact sheet.

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        images: a folder of images, in any arrangement
        out: the folder to make (RUN/classified/<name of IMAGES>-<number>)
        labels: names of some of the images, in a CSV file with the columns file,name[,asked]
        sort: also make a folder of copies or links for each class
    """
    trained = Run.find(run)
    image_tree(images)
    given = read_names(labels, images) if labels else {}
    if labels:
        check_two_names(given.values(), labels)
    if out:
        check_new_folder(out)
    from unsup.inference.sort import LEFT_OUT, SHEET, TABLE, classification_table, classify_into, notes

    folder, classified = classify_into(trained, images, out, given, sort)
    screen().print(classification_table(classified))
    for sentence in notes(trained.report, classified, images):
        print(sentence)
    for name in (TABLE, LEFT_OUT, SHEET):
        if (folder / name).exists():
            print(f"{name.partition('.')[0].replace('_', ' '):8}  {printable(str(short_path(folder / name)))}")
    if sort:
        kind = "copies" if sort == "copy" else "links"
        print(f"sorted    {printable(str(short_path(folder)))}: a folder of {kind} for each class")


def similar(run: str, *, picture: Path, images: Path | None = None, out: Path | None = None) -> None:
    """Find the images nearest to a picture, as a table and a page.

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        picture: a file, perhaps one of the images
        images: a folder of images to search, in any arrangement (the images of the run, all splits)
        out: the folder to make (RUN/similar/<name of PICTURE>-<number>)
    """
    trained = Run.find(run)
    check_file(picture, "picture")
    if images:
        image_tree(images)
    if out:
        check_new_folder(out)
    check_picture(picture)
    from unsup.evaluation.image_codes import codes_of_images
    from unsup.inference.similar import TABLE, Gallery, find_similar, similar_table, write_similar
    from unsup.inference.sort import SHEET

    if images:
        gallery = Gallery.of_folder(trained, images)
    else:
        data = trained.data()
        gallery = Gallery.of_data(data, codes_of_images(trained, data))
    nearest = find_similar(trained, picture, gallery)
    folder = write_similar(trained, picture, nearest, out)
    screen().print(similar_table(nearest))
    print(nearest.note)
    for name in (TABLE, SHEET):
        print(f"{name.partition('.')[0]:8} {printable(str(short_path(folder / name)))}")


def encode(run: str, *, images: Path, out: Path | None = None) -> None:
    """Write the codes of all images below a folder, as .npz or .parquet.

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        images: a folder of images, in any arrangement
        out: the file to write (RUN/encoded/<name of IMAGES>.npz)
    """
    trained = Run.find(run)
    image_tree(images)
    if out:
        check_new_path(out)
    from unsup.inference.encode_folder import write_codes

    file, encoded = write_codes(trained, images, out)
    rows, dimensions = encoded.columns["codes"].shape
    print(f"{rows:,} codes of {dimensions:,} dimensions: {printable(str(short_path(file)))}")


def export(run: str, *, out: Path | None = None, onnx: bool = False) -> None:
    """Export the encoder of a run for use elsewhere, and its probe.

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        out: the folder to make (RUN/export)
        onnx: also export it as ONNX
    """
    trained = Run.find(run)
    if out:
        check_new_folder(out)
    from unsup.inference.export import export_run

    print(f"exported and checked: {short_path(export_run(trained, out, onnx))}")


def zero_shot(
    run: str, *, words: Sequence[str], text_encoder: str, data_root: str | None = None, images: str | None = None
) -> None:
    """Name the clusters of a run with words, by an image-text encoder.

    Args:
        run: a run folder, such as runs/mnist/deep_ae/0-001
        words: two or more
        text_encoder: a folder of the transformers library (CLIP, SigLIP), or module:name
        data_root: the folder of data sets, if it has moved
        images: your folder of images, if it has moved
    """
    trained, locations = Run.find(run), new_locations(data_root, images)
    from unsup.inference.zero_shot import cluster_table, name_run

    trained.relocate(locations)
    path, names = name_run(trained, words, text_encoder)
    screen().print(cluster_table(names))
    print(f"names  {printable(str(short_path(path)))}")
