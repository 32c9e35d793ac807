"""Modules of the user's own."""

import sys
from pathlib import Path


def import_from_here() -> None:
    """Let Python find modules in the working directory, after all installed ones."""
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.append(here)
