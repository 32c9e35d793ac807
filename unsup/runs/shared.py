"""The folder that the runs on a data set share."""

from pathlib import Path

from unsup.runs.run import Run


def shared_folder(run: Run) -> Path:
    """Return the folder of baselines and cached codes, next to the runs.

    It is the run's own if that was moved out of a folder of runs.
    """
    return run.root / run.config["dataset"] if run.root else run.folder
