"""The run folder that the user names."""

import os
from pathlib import Path

from unsup.core.commands import suggest
from unsup.core.errors import UserError
from unsup.core.files import short_path


def run_folder(text: str) -> Path:
    """Return the run folder that a text names.

    Raises:
        UserError: there is none; the message names the newest one nearby.
    """
    folder = Path(os.path.realpath(Path(text).expanduser()))
    if (folder / "config.yaml").is_file():
        return folder
    near = [folder, *folder.parents[: min(2, len(Path(text).parts) - 1)]]
    top = next((path for path in near if _newest_below(path)), Path("runs"))
    if newest := _newest_below(top):
        raise UserError(f"no run folder {text!r} (newest in {short_path(top)}: {short_path(newest)})")
    raise UserError(f"no run folder {text!r} (none in runs/ yet: {suggest('train', model='deep_ae')})")


def _newest_below(folder: Path) -> Path | None:
    """Return the newest run that is up to three levels below a folder."""
    runs = [path for depth in (1, 2, 3) for path in folder.glob("*/" * depth + "config.yaml")]
    newest = max(runs, key=lambda path: path.stat().st_mtime, default=None)
    return newest.parent if newest else None
