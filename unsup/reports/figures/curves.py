"""Learning curves as vector drawings, with a panel for each term of the loss."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from unsup.reports.figures.axes import Tick, labelled, padded, ticks

Points = Sequence[tuple[float, float]]  # (step, value)

WIDTH, HEIGHT = 320, 216  # of a panel, in its own units: about pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 46, 36  # margins around the lines
LOGARITHMIC = 5.0  # ratio of the largest to the smallest value from which an axis is logarithmic
PARTS = ("train", "val")
NAMES = {"train": "training", "val": "validation"}
TITLES = {  # of other terms: the term with spaces
    "kl": "KL divergence",
    "negative_elbo": "negative ELBO",
    "d_loss": "loss of the discriminator",
    "g_loss": "loss of the generator",
    "eg_loss": "loss of encoder and generator",
    "d_real": "D(x), real images",
    "log_d_real": "log D(x), real images",
    "d_fake": "D(G(z)), generated images",
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "grad_norm_d": "gradient norm of the discriminator",
    "grad_norm_g": "gradient norm of the generator",
    "grad_norm_eg": "gradient norm of encoder and generator",
    "online/linear_probe": "linear probe, online score",
    "online/kmeans_acc": "k-means ACC, online score",
    "online/kmeans_nmi": "k-means NMI, online score",
    "online/effective_rank": "effective rank, online score",
}


class Line(NamedTuple):
    kind: str  # train, val or other
    name: str
    path: str  # SVG path data


@dataclass(frozen=True)
class Panel:
    """One drawing, with positions in its own units from its upper left corner."""

    title: str
    description: str  # for screen readers
    scale: str  # linear or logarithmic
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def panels(curves: Mapping[str, Points]) -> list[Panel]:
    """Return a panel for each term, shared by training and validation.

    The loss comes first, then terms of both training and validation, then the rest, each in the order given. Curves of
    a single point are left out. A loss that equals one of its terms is drawn once, under both names.
    """
    terms: dict[str, dict[str, Points]] = {}
    for tag, points in curves.items():
        part, _, term = tag.partition("/")
        if len(points) > 1:
            terms.setdefault(term if part in PARTS else tag, {})[part if part in PARTS else "other"] = points
    order = sorted(terms, key=lambda term: (term != "loss", len(terms[term]) == 1))
    same = [term for term in order if term != "loss" and terms[term] == terms.get("loss")]
    titles = {term: TITLES.get(term, term.replace("_", " ")) for term in order}
    titles["loss"] = " = ".join(["loss", *(titles[term] for term in same)])
    return [_panel(titles[term], terms[term]) for term in order if term not in same]


def _panel(term: str, parts: dict[str, Points]) -> Panel:
    parts = {part: sorted(parts[part]) for part in (*PARTS, "other") if part in parts}
    steps = [step for points in parts.values() for step, _ in points]
    values = [value for points in parts.values() for _, value in points]
    logarithmic = min(values) > 0 and max(values) / min(values) >= LOGARITHMIC
    low, high = padded(min(values), max(values), logarithmic)
    first, last = min(steps), max(max(steps), min(steps) + 1)

    def x(step: float) -> float:
        return LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        share = math.log(value / low) / math.log(high / low) if logarithmic else (value - low) / (high - low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    lines = []
    for part, points in parts.items():
        path = "M" + "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in points)
        lines.append(Line(part, NAMES.get(part, term), path))
    scale = "logarithmic" if logarithmic else "linear"
    changes = [
        f"{NAMES.get(part, term)} from {points[0][1]:.4g} to {points[-1][1]:.4g}" for part, points in parts.items()
    ]
    return Panel(
        title=term,
        description=f"{term} over {last - first:,.0f} steps: {', '.join(changes)}; {scale} axis",
        scale=scale,
        lines=lines,
        x_ticks=[Tick(x(step), f"{step:,.0f}") for step in ticks(first, last, False, whole=True)],
        y_ticks=labelled(ticks(low, high, logarithmic), y),
    )
