"""The content of report.json as types, except for its scores."""

from typing import Literal, get_args

from msgspec import field

from unsup.reports.finetuned import FineTuned
from unsup.reports.named import Named
from unsup.reports.provenance_schema import Pretraining, Provenance
from unsup.reports.record import Record
from unsup.reports.score_schema import Count, Difference, Scores

SCHEMA = 4  # of report.json: raise with every layout change; docs/protocol/version-4.md describes it

BaselineKey = Literal["untrained", "pca", "pca_chosen", "pixels", "statistics", "texture"]
ReferenceKey = Literal["untrained", "pca", "pca_chosen", "pixels", "statistics", "texture", "real", "thumbnails"]
BASELINES: tuple[BaselineKey, ...] = get_args(BaselineKey)  # in the order of every table
ComparedProbe = Literal["linear_probe", "few_label_10"]


class ReferenceWorkload(Record, kw_only=True):
    """The time that one machine took for the fixed workload of `unsup.runs.reference`."""

    device: Literal["cpu", "gpu"]
    seconds: float  # of one thread of a CPU, or of a GPU


class SplitSizes(Record, kw_only=True):
    """Numbers of images."""

    train: int
    val: int
    test: int


class RunFacts(Record, kw_only=True):
    """The model, its data and its training."""

    model: str
    data: str
    seed: int
    code_dim: int
    parameters: int
    augmentation: bool | None = None
    images: SplitSizes
    one_coloured: float | None = None  # share of a sample of the training images
    distinct: float | None = None  # share of that sample that is left without copies
    epochs: int
    steps: int | None = None  # batches trained on
    train_seconds: float
    images_per_second: float | None = None
    checkpoint: str = "last.ckpt"  # the file with the weights that were judged
    averaged_by: str | None = None  # the callback that averaged these weights in training
    views: str | None = None
    chosen: str | None = None
    stages_seconds: float | None = None  # includes the runs that it started from
    cpu_seconds: float | None = None  # of all threads and processes in training
    stages_cpu_seconds: float | None = None
    gpu_seconds: float | None = None  # wall time of training times GPUs in use
    stages_gpu_seconds: float | None = None
    images_seen: int | None = None  # in training steps, the same image counted again
    views_seen: int | None = None  # random views of them
    reference: ReferenceWorkload | None = None
    encoder: str | None = None  # the name of one that was trained elsewhere
    pictures: str | None = None  # how it prepares images
    bibtex: str | None = None  # of the data set
    method_bibtex: str | None = None
    command: str
    class_names: list[str] = field(default_factory=list)

    @property
    def of_last_weights(self) -> bool:
        """Whether the weights that the training ended with were judged."""
        return self.checkpoint == "last.ckpt"

    @property
    def budget(self) -> float | None:
        """Cost of training in times of the reference workload on the same device.

        All stages count; None if unknown.
        """
        if self.reference is None:
            return None
        seconds = self.stages_gpu_seconds if self.reference.device == "gpu" else self.stages_cpu_seconds
        return None if seconds is None else seconds / self.reference.seconds


class Selfcheck(Record, kw_only=True):
    passed: int
    total: int


class EncoderHashes(Record, kw_only=True):
    """SHA-256 of the encoder before and after the evaluation."""

    before: str
    after: str


class Comparison(Record, kw_only=True):
    """Paired differences by probe."""

    linear_probe: Difference | None = None
    few_label_10: Difference | None = None

    def by(self, probe: ComparedProbe) -> Difference | None:
        """Return the difference by a probe."""
        return self.linear_probe if probe == "linear_probe" else self.few_label_10


class Start(Record, kw_only=True):
    """The run that this one was initialised from, on the same images."""

    run: str
    scores: Scores


class Report(Record, kw_only=True):
    """report.json."""

    schema: int
    run: RunFacts
    quick: bool = False  # the first scores alone
    selfcheck: Selfcheck | None = None  # absent if it is quick
    frozen: EncoderHashes
    test_reads: int
    scores: Scores
    comparisons: dict[BaselineKey, Comparison]
    baselines: dict[ReferenceKey, Scores]
    figures: dict[str, str]
    protocol: int
    draft: int = 0  # of the protocol; 0: final
    provenance: Provenance
    pretrained_on: Pretraining | None = None
    start: Start | None = None
    finetuned: list[FineTuned] = field(default_factory=list)  # results of training with labels, no frozen probes
    named: Named | None = None  # scores on images that the user named
    findings: list[str] | None = None  # of an audit of the images, which a named data set does not need
    curves: dict[str, list[tuple[Count, float]]] | None = None

    @property
    def protocol_name(self) -> str:
        """The version of the protocol and its draft, such as protocol 4, draft 1."""
        return protocol_name(self.protocol, self.draft)

    @property
    def heading(self) -> str:
        """The title, such as deep_ae on mnist, seed 0."""
        return f"{self.run.model} on {self.run.data}, seed {self.run.seed}"

    @property
    def ordered_baselines(self) -> dict[BaselineKey, Scores]:
        """The baselines that were computed, in the order of tables."""
        return {key: self.baselines[key] for key in BASELINES if key in self.baselines}

    @property
    def rows(self) -> list[tuple[str, Scores]]:
        """Names and scores of this model, also on thumbnails, and its baselines."""
        baselines = [(baseline_name(key, scores.code_dim), scores) for key, scores in self.ordered_baselines.items()]
        control = self.baselines.get("thumbnails")
        small = [] if control is None else [(f"{self.run.model} on thumbnails", control)]
        return [(self.run.model, self.scores), *small, *baselines]


def protocol_name(version: int, draft: int) -> str:
    """Return the name of a protocol, such as protocol 4, draft 1."""
    return f"protocol {version}" + (f", draft {draft}" if draft else "")


def correct_key(probe: str, baseline: str = "") -> str:
    """Return the name in correct.npz of the images that a probe gets right."""
    return f"{baseline}/{probe}" if baseline else probe


def baseline_name(key: BaselineKey, code_dim: float | None) -> str:
    """Return the name of a baseline in tables."""
    dim = "" if code_dim is None else f"-{code_dim:.0f}"
    names: dict[BaselineKey, str] = {
        "untrained": "untrained network",
        "pca": f"PCA{dim}",
        "pca_chosen": f"chosen PCA{dim}",
        "pixels": "raw pixels",
        "statistics": "image statistics",
        "texture": f"patches{dim}",
    }
    return names[key]
