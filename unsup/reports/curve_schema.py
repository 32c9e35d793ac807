"""Accuracy against the number of labels as types."""

from msgspec import field

from unsup.reports.record import Record


class CurvePoint(Record, kw_only=True):
    """Mean test accuracy of a linear probe over draws of a number of labels."""

    labels: int
    accuracy: float
    low: float  # of its 95 % interval over draws and test images
    high: float
    by_draw: list[float]  # accuracies with the same draws for every model


class LabelCurve(Record, kw_only=True):
    """Points by number of labels, fewest first."""

    random: list[CurvePoint]  # labels of images drawn without regard to class
    balanced: list[CurvePoint] = field(default_factory=list)  # as many of each class, or one more
