"""Draw accuracy against the number of labels, from the reports of finished runs on the same images.

python docs/label_efficiency.py RUN … --out FILE.jpg

The first run brings its baselines, balanced draws and trained networks; others add the curve of their codes.
"""

import argparse
import sys
from pathlib import Path

from unsup.core.errors import UserError
from unsup.reports.figures.canvas import figure_at
from unsup.reports.label_efficiency import Curve, label_curves
from unsup.reports.report import read_report

COLOURS = {
    "own": "#1f5fa8",
    "balanced": "#1f5fa8",
    "untrained": "#5a6472",
    "pca": "#1a7340",
    "pixels": "#b4500b",
    "scratch": "#b3261e",
    "tuned": "#1c2026",
}
OTHERS = ("#7b3fa0", "#a0741c", "#0b8793")  # codes of the second run and the next ones
SIZE = (7.5, 4.5)  # inches


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="a run with a report")
    parser.add_argument("--out", type=Path, required=True, help="the picture")
    arguments = parser.parse_args(argv)
    try:
        reports = [read_report(run / "report.json") for run in arguments.runs]
    except UserError as e:
        parser.error(str(e))
    if len({report.provenance.data_sha256 for report in reports}) > 1:
        parser.error("these runs are not on the same images: give runs on one data set")
    curves = [label_curves(report) for report in reports]
    if missing := [str(run) for run, found in zip(arguments.runs, curves, strict=True) if not found]:
        parser.error(f"no label curve in the report of {', '.join(missing)}: evaluate it again, in full")
    colours = [(curve, COLOURS[curve.kind]) for curve in curves[0]]
    colours += [(found[0], colour) for found, colour in zip(curves[1:], OTHERS, strict=False)]
    draw(arguments.out, colours)
    print(arguments.out)
    return 0


def draw(path: Path, curves: list[tuple[Curve, str]]) -> None:
    """Write the picture of curves and their colours."""
    with figure_at(path, SIZE) as figure:
        axis = figure.subplots()
        axis.set_xscale("log")
        axis.set_xlabel("labels (the last points have all of them)")
        axis.set_ylabel("test accuracy")
        axis.tick_params(which="minor", length=0)
        axis.grid(color="#e3e6ea")
        for curve, colour in curves:
            labels, values, low, high = zip(*curve.points, strict=True)
            bars = [
                [value - end for value, end in zip(values, low, strict=True)],
                [end - value for value, end in zip(values, high, strict=True)],
            ]
            line = {"balanced": "--", "tuned": "", "scratch": ""}.get(curve.kind, "-")
            axis.errorbar(
                labels,
                values,
                bars,
                label=curve.name,
                color=colour,
                linestyle=line,
                marker="s",
                markersize=4,
                elinewidth=0.8,
            )
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.legend(frameon=False)


if __name__ == "__main__":
    sys.exit(main())
