"""The content of finetune.json, the result of training an encoder with labels."""

from unsup.reports.record import Record


class FineTuned(Record, kw_only=True):
    """A network whose encoder was trained with labels, which is no frozen probe."""

    share: float  # of the training labels, above 0 to 1
    scratch: bool  # from a fresh initialisation of the network, not from the run's weights
    seed: int  # of the choice of images, their order, the views, the head and a fresh initialisation
    labelled: int  # training images whose labels were used
    validation_images: int  # whose labels chose the epoch
    test_images: int
    epochs: int  # passes over the labelled images
    best_epoch: int  # whose weights are kept
    steps: int  # of the optimizer
    views: str  # preset of the random views, or none
    validation_accuracy: float  # of the best epoch, which it chose: read the test accuracy
    accuracy: float  # on test images
    low: float  # of its 95 % interval over test images
    high: float
    seconds: float  # wall time
    test_reads: int  # passes over the test images; 1
    weights_sha256: str  # of the network before: the run's, or the fresh one
    data_sha256: str
    commit: str | None = None  # of the code, absent outside a git checkout
    dirty: bool | None = None

    @property
    def start(self) -> str:
        """Where the network began."""
        return "from scratch" if self.scratch else "from the run"
