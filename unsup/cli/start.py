"""The command that looks at a folder of pictures first."""

from collections.abc import Sequence
from pathlib import Path

from unsup.cli.encoders import pictures_config
from unsup.cli.parser import CommandLine
from unsup.core.errors import UsageError, printable
from unsup.core.files import short_path

MOST = 2  # encoders


def start(
    *,
    line: CommandLine,
    images: str,
    encoder: Sequence[str] = ("starter",),
    data_root: str | None = None,
    runs: Path = Path("runs"),
) -> None:
    """Show audit, map, clusters and neighbours of your pictures on one page.

    Nothing is trained. The page also says what to do next. If folders give no classes, a table of 60 pictures drawn at
    random is written next to it, for you to name them. Codes are cached: an interrupted command goes on where it ended.
    Any option of the data set can be set by its dotted name: --data.class_folders none

    Args:
        line: dotted options
        images: your folder of images
        encoder: one encoder, compared with pixels, or two (starter); named as for evaluate
        data_root: the folder of data sets (data)
        runs: the folder of runs (runs)
    """
    if len(encoder) > MOST:
        raise UsageError(f"--encoder takes one or two encoders, not {len(encoder)}")
    config = pictures_config(encoder, images, data_root, line)
    from unsup.evaluation.start import first_look

    look = first_look(config, encoder, runs, images)
    findings = len(look.findings.lines())
    print(f"findings of the audit: {findings}" if findings else "the audit found nothing that needs a look")
    if look.asked is not None and look.names is not None:
        state = f"{look.asked.named} named, kept as it is" if look.asked.named else f"{len(look.asked.images)} to name"
        print(f"names  {printable(str(short_path(look.names)))} ({state})")
    print(f"page   {printable(str(short_path(look.page)))}")
