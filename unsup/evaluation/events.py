"""Learning curves of a run, read back from its TensorBoard events."""

import logging
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

POINTS = 200  # of a curve in a report, at most
LEFT_OUT = ("train/lr", "train/images_per_second")  # no result of learning

Curves = dict[str, list[list[float]]]  # tag -> [step, value] pairs, in the order of the steps


def curves_of(run: Path) -> Curves:
    """What training logged as `train/…`, `val/…` and `quick/…`; a value that is not finite is left out.

    A longer curve keeps 200 of its points, its first and last among them.
    """
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # of a resumed run it says that steps were taken back
    events = EventAccumulator(str(run), size_guidance={SCALARS: 0}).Reload()
    found: Curves = {}
    for tag in events.Tags()[SCALARS]:
        if not tag.startswith(("train/", "val/", "quick/")) or tag in LEFT_OUT:
            continue
        points = {event.step: event.value for event in events.Scalars(tag) if np.isfinite(event.value)}
        steps = sorted(points)
        at = np.unique(np.linspace(0, len(steps) - 1, min(POINTS, len(steps))).round().astype(int))
        found[tag] = [[steps[i], points[steps[i]]] for i in at]
    return found
