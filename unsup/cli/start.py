"""The command that looks at a folder of pictures first."""

from collections.abc import Sequence
from pathlib import Path

from unsup.cli.parser import CommandLine
from unsup.cli.training import checked_config, data_set_of, overrides
from unsup.core.errors import UsageError, printable
from unsup.core.files import short_path
from unsup.models.foreign.names import check_name

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
    for key, _ in line.options:
        if not key.startswith("data."):
            raise UsageError(f"start has no option --{key}: give options of the data set, --data.…")
    name = data_set_of(None, images)
    for one in encoder:
        check_name(one)
    options = [("data.skip_unreadable", True), *overrides(line, images=images, data_root=data_root)]
    config = checked_config("pixels", name, (), options)
    from unsup.evaluation.start import first_look

    look = first_look(config, encoder, runs, images)
    findings = len(look.findings.lines())
    print(f"findings of the audit: {findings}" if findings else "the audit found nothing that needs a look")
    if look.asked is not None and look.names is not None:
        state = f"{look.asked.named} named, kept as it is" if look.asked.named else f"{len(look.asked.images)} to name"
        print(f"names  {printable(str(short_path(look.names)))} ({state})")
    print(f"page   {printable(str(short_path(look.page)))}")
