"""The scores of an encoder on the images that a user named."""

from unsup.reports.record import Record


class NamedAccuracy(Record, kw_only=True):
    """An accuracy with Wilson's 95 % interval."""

    accuracy: float
    low: float
    high: float


class Named(Record, kw_only=True):
    """Named images, each classified by the other named ones."""

    labels: str  # the file with the names, as the user gave it
    images: int  # named and read
    counted: int  # that the accuracies are of
    at_random: bool  # whether these were drawn at random, so that they stand for the folder
    names: int  # different ones
    probe: NamedAccuracy  # of few labels
    knn: NamedAccuracy

    @property
    def which(self) -> str:
        """The counted images in words, such as "60 images named at random"."""
        return f"{self.counted:,} images named{' at random' if self.at_random else ''}"
