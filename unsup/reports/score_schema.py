"""The scores of a report as types.

Optional fields are `None` if they do not apply, and then absent from the file. Unknown keys are ignored, so that a
report of later code can be read. Field order is the order in the file.
"""

from typing import Annotated, Literal

from msgspec import Meta, field

from unsup.reports.curve_schema import LabelCurve
from unsup.reports.record import Record

Count = int | float  # a mean over initialisations is a float


class Agreement(Record, kw_only=True):
    """Clusters against classes."""

    acc: float
    nmi: float
    ari: float


class ProbeScores(Record, kw_only=True):
    """Test scores of the linear probe, the accuracy with Wilson's 95 % interval."""

    accuracy: float
    low: float | None = None
    high: float | None = None
    C: float
    balanced_accuracy: float | None = None
    macro_f1: float | None = None
    chance: float | None = None
    nll: float | None = None
    brier: float | None = None
    calibration_error: float | None = None
    calibrated: float | None = None  # the calibration error of a perfectly calibrated probe on so many images
    per_class: list[float] | None = None  # recall of the classes with test images
    untested: list[int] = field(default_factory=list)  # the other classes

    @property
    def sampling_deviation(self) -> float | None:
        """The standard deviation over test images that the interval implies."""
        return None if self.low is None or self.high is None else (self.high - self.low) / (2 * 1.959964)


class DrawScores(Record, kw_only=True):
    """Test accuracy over draws of labelled training images."""

    mean: float
    std: float
    draws: int
    by_draw: list[float] = field(default_factory=list)  # accuracies with the same draws for every model
    images: int | None = None


class NeighbourVote(Record, kw_only=True):
    accuracy: float
    k: int | None = None  # if it is not that of the headline


class Neighbours(Record, kw_only=True):
    """Votes of neighbours, by the cosine of centred codes if nothing else is said."""

    accuracy: float
    k: int
    raw: NeighbourVote | None = None  # by the Euclidean distance
    l2: NeighbourVote | None = None  # by the cosine, not centred
    weighted: NeighbourVote | None = None  # as l2, each vote weighted by the cosine


class Restarts(Record, kw_only=True):
    acc_mean: float
    acc_std: float


class KMeansSpace(Record, kw_only=True):
    """k-means of the codes as they are, or scaled to length 1."""

    train: Agreement
    test: Agreement
    restarts: Restarts


class KMeans(Record, kw_only=True):
    """The headline is that of `space`."""

    space: Literal["raw", "l2"]
    train: Agreement
    test: Agreement
    restarts: Restarts
    raw: KMeansSpace | None = None
    l2: KMeansSpace | None = None
    transductive: Agreement | None = None


class OtherClustering(Record, kw_only=True):
    """A clustering other than k-means, without agreements if there are no labels."""

    k: Count
    used: Count | None = None
    fitted_on: int | None = None
    dim: Count | None = None  # a mean where initialisations have other numbers of clusters
    train: Agreement | None = None
    test: Agreement | None = None
    transductive: Agreement | None = None


class ClusterCount(Record, kw_only=True):
    """The number of clusters that k-means was given, and estimates of it."""

    k: Count | None = None
    by: str | None = None
    used: Count | None = None  # by k-means, where equal codes leave some without an image
    silhouette: Count | None = None
    bic: Count | None = None


class Reconstruction(Record, kw_only=True):
    sse_per_image: float
    mse_per_pixel: float


class Generation(Record, kw_only=True):
    """New images against test images in a feature space."""

    space: str
    frechet: float
    kernel: float
    precision: float
    recall: float
    n: int
    fid: float | None = None


class Likelihood(Record, kw_only=True):
    """Nats of a test image."""

    elbo: float | None = None
    kl: float | None = None
    active_units: Count | None = None
    log_likelihood: float | None = None
    samples: int | None = None
    bits_per_dimension: float | None = None


class Reduced(Record, kw_only=True, rename={"measures": "for"}):
    """Principal components in place of codes that are too wide."""

    dim: int
    measures: list[str]


class Layer(Record, kw_only=True):
    dim: int
    linear_probe: ProbeScores | None = None
    few_label: dict[str, DrawScores] = field(default_factory=dict)


class Difference(Record, kw_only=True):
    """One accuracy minus another, with its paired 95 % interval."""

    difference: float
    low: float
    high: float
    separable: bool


class WithoutCopies(Record, kw_only=True):
    """Accuracies without near-duplicates, None where too few images remain."""

    accuracy: float | None = None  # of all test images, fitted without copies of them
    difference: Difference | None = None  # that minus the accuracy with the copies
    accuracy_without: float | None = None  # of test images without a copy, fitted with all training images


class Copies(Record, kw_only=True):
    """Near-duplicates of test images among training and validation images."""

    pairs: int
    expected: float  # pairs by chance
    test: int  # test images with a copy
    removed: int | None = None  # training and validation images that are copies
    without: int | None = None  # test images without a copy
    linear_probe: WithoutCopies | None = None
    knn: WithoutCopies | None = None


class HeldOutClasses(Record, kw_only=True):
    """Images of a class against the others, without training codes of it."""

    auroc: float
    fpr95: float  # share of its images that pass as familiar where 95 % of the familiar ones do
    classes: int  # that the means are over


class NewImages(Record, kw_only=True):
    """How far what is said of new images can be trusted, on test images."""

    false_alarm_rate: float  # of images like the training images that may be flagged
    flagged: float  # share of test images that are
    temperature: float | None = None  # that calibrates the probe
    calibration_error: float | None = None  # of the calibrated probe
    calibrated: float | None = None  # the calibration error of a perfectly calibrated probe on so many images
    held_out_classes: HeldOutClasses | None = None


class Scores(Record, kw_only=True):
    """The scores of a model's codes, or of those of a baseline."""

    code_dim: int | None = None
    thumbnail: list[int] | None = None  # height and width of the thumbnails that a baseline sees of larger images
    whitened: bool | None = None  # whether components chosen on validation images are divided by their deviations
    dead_units: Count | None = None
    reconstruction: Reconstruction | None = None
    likelihood: Likelihood | None = None
    alignment: float | None = None
    reduced: Reduced | None = None
    clusters: ClusterCount | None = None
    rankme: float | None = None
    uniformity: float | None = None
    silhouette: dict[str, float] = field(default_factory=dict)  # by space
    clusterings: dict[str, OtherClustering] = field(default_factory=dict)
    generation: Generation | None = None
    linear_probe: ProbeScores | None = None
    few_label: dict[str, DrawScores] = field(default_factory=dict)  # by labelled images of a class
    few_label_standardised: dict[str, DrawScores] = field(default_factory=dict)
    label_curve: LabelCurve | None = None
    probe_draws: DrawScores | None = None
    imbalance: dict[str, DrawScores] = field(default_factory=dict)  # by ratio of the largest class to the smallest
    knn: Neighbours | None = None
    copies: Copies | None = None
    new_images: NewImages | None = None
    kmeans: KMeans | None = None
    layers: dict[str, Layer] = field(default_factory=dict)
    robustness: dict[str, Count | list[float]] = field(default_factory=dict)  # lists by severity, of each corruption
    initialisations: int | None = None
    by_initialisation: dict[str, Annotated[list[float], Meta(min_length=1)]] = field(default_factory=dict)

    @property
    def corruptions(self) -> dict[str, list[float]]:
        """Accuracy by severity of each corruption."""
        return {kind: values for kind, values in self.robustness.items() if isinstance(values, list)}

    @property
    def mean_corrupted(self) -> float | None:
        """Mean accuracy over corruptions and severities."""
        values = [value for severities in self.corruptions.values() for value in severities]
        return sum(values) / len(values) if values else None
