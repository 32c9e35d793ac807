"""The configuration of a run with an encoder that was trained elsewhere."""

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unsup.cli.parser import CommandLine
from unsup.cli.training import checked_config, data_set_of, named_data_set, overrides
from unsup.core.commands import option
from unsup.core.errors import UsageError, UserError, closest
from unsup.models.foreign.names import check_name
from unsup.runs.config import Config
from unsup.runs.sources import class_from_source

ENCODER = "unsup.models.foreign.encoder.ForeignEncoder"
CODES = "unsup.models.foreign.stored_codes.StoredCodes"
CODE_FILE = "unsup.data.code_file.CodeFile"
GIVEN = ("shape", "encoder", "file", "pretrained")  # arguments that are no options
PREFIX = "encoder."


def encoder_config(
    encoder: str | None,
    codes: str | None,
    data: str | None,
    images: str | None,
    data_root: str | None,
    line: CommandLine,
) -> Config:
    """Return the resolved configuration of the evaluation of an encoder or of codes.

    Everything that needs no PyTorch is checked first.

    Args:
        encoder: the name of an encoder, or None.
        codes: a file of codes, instead.
        data: a data set; with codes it may be None: they are then judged by the labels in their file.
        images: a folder of images.
        data_root: the folder of data sets.
        line: dotted options.

    Raises:
        UsageError: the images are not named, or an option is wrong.
        UserError: a file, a module or a package of the encoder is missing.
    """
    name = named_data_set(data, images) if codes is None else data_set_of(data, images)
    given: list[tuple[str, Any]]
    if codes is None:
        path, folder = ENCODER, check_name(str(encoder)).folder
        given = [("model.encoder", encoder)]
    else:
        if not Path(codes).expanduser().is_file():
            raise UserError(f"there is no file {codes}: {option('codes')} is an .npz file")
        path, folder = CODES, re.sub(r"[^\w.@+-]+", "_", Path(codes).stem).lstrip(".@+-") or "codes"
        given = [("model.file", codes)]
        if name is None:
            given += [("dataset", "codes"), ("data.class_path", CODE_FILE), ("data.file", codes)]
    options = [(f"model.{key.removeprefix(PREFIX)}", value) for key, value in line.options if key.startswith(PREFIX)]
    others = CommandLine([pair for pair in line.options if not pair[0].startswith(PREFIX)], line.text)
    check_keys(path, [key for key, _ in options], [key for key, _ in others.options])
    options = [("recipe", folder), ("model.class_path", path), *given, *options]
    options += [("trainer.max_epochs", 0), *overrides(others, images=images, data_root=data_root)]
    try:
        return checked_config(None, name, (), options)
    except UsageError as e:
        raise UsageError(str(e).replace("model.", PREFIX)) from e


def pictures_config(encoders: Sequence[str], images: str, data_root: str | None, line: CommandLine) -> Config:
    """Return the resolved configuration of a folder that encoders see.

    Unreadable files are left out.

    Raises:
        UsageError: the name of an encoder or an option is wrong.
        UserError: there is no such folder.
    """
    for key, _ in line.options:
        if not key.startswith("data."):
            raise UsageError(f"there is no option --{key} here: give options of the data set, --data.…")
    name = data_set_of(None, images)
    for encoder in encoders:
        check_name(encoder)
    options = [("data.skip_unreadable", True), *overrides(line, images=images, data_root=data_root)]
    return checked_config("pixels", name, (), options)


def check_keys(path: str, own: list[str], others: list[str]) -> None:
    """Refuse options that an encoder does not have, and those of a training."""
    cls = class_from_source(path)
    names = [name for name in inspect.signature(cls).parameters if name not in GIVEN] if cls else []
    known = [f"--{PREFIX}{name}" for name in names]
    for key in own:
        given = f"--{PREFIX}{key.removeprefix('model.')}"
        if given not in known:
            raise UsageError(f"evaluate has no option {given} ({closest(given, known)})")
    for key in others:
        if not key.startswith("data."):
            raise UsageError(f"evaluate has no option --{key}: give options of the data set or of the encoder")
