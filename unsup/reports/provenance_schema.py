"""The content of report.json on the origin of a run as types."""

from typing import Any, Literal

from unsup.reports.record import Record

Images = Literal["none", "these training images", "these with test", "other", "unknown"]
Supervision = Literal["none", "labels", "text", "unknown"]


class Pretraining(Record, kw_only=True):
    """The images and supervision that weights come from, in all stages together."""

    images: list[Images]  # "these with test": training and test images of this data set
    supervision: list[Supervision]
    text: str = ""

    @property
    def summary(self) -> str:
        """The images, with the supervision in brackets if there was any."""
        images, supervision = " and ".join(self.images), ", ".join(self.supervision)
        return images if supervision in ("none", images) else f"{images} ({supervision})"


class Machine(Record, kw_only=True):
    processor: str | None = None
    cores: int
    memory_gib: int | None = None
    platform: str | None = None
    accelerator: str | None = None

    @property
    def description(self) -> str:
        """Accelerator, processor and cores."""
        return ", ".join(part for part in (self.accelerator, self.processor, f"{self.cores} cores") if part)


class GitState(Record, kw_only=True):
    """The commit of the code, empty outside a git checkout."""

    commit: str | None = None
    dirty: bool | None = None
    epochs: int | None = None  # of a resumption: the new length of the run


class Origin(Record, kw_only=True):
    """The run that a run was initialised from."""

    run: str  # or torchvision:NAME, timm:NAME
    weights_sha256: str
    data_sha256: str | None = None
    pretrained_on: Pretraining | None = None
    stages_seconds: float | None = None
    stages_cpu_seconds: float | None = None
    stages_gpu_seconds: float | None = None
    views: str | None = None


class Provenance(Record, kw_only=True):
    versions: dict[str, str]
    commit: str | None = None
    dirty: bool | None = None
    hardware: Machine
    data_sha256: str
    threads: int | None = None  # of PyTorch, in training and evaluation
    init_from: Origin | None = None
    resumed: list[GitState] | None = None
    config: dict[str, Any]
    evaluation: GitState | None = None  # if it was evaluated by other code
    date: str | None = None  # of the evaluation, as in 2026-01-31
