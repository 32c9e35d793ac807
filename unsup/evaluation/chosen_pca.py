"""The baseline that is PCA with a dimension and a scaling that suit the data."""

from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits
from torch import Tensor

from unsup.core.arrays import Floats, Ids
from unsup.data.base import ImageData, Split
from unsup.evaluation.progress import say
from unsup.metrics.subsets import stratified
from unsup.models.pca import PCA, num_pixels

DIMENSIONS = (8, 16, 32, 64, 128, 256)  # to choose from, as far as the images allow
STRENGTHS = (0.1, 1.0, 10.0)  # C of the classifier that compares them
CHOICE_IMAGES = 5_000  # training images that it is fitted on, at most
IMAGES_PER_COMPONENT = 10  # training images for each component, at least


class ScaledPCA(PCA):
    """z = W (x - mean) / deviation, x̂ as of PCA, not clamped.

    Args:
        shape: (C, H, W) of an image.
        code_dim: number of components.
    """

    deviation: Tensor

    def __init__(self, shape: tuple[int, int, int], code_dim: int = 30) -> None:
        super().__init__(shape, code_dim)
        self.register_buffer("deviation", torch.ones(code_dim))

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) / self.deviation

    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z * self.deviation)


@dataclass(frozen=True)
class Choice:
    """A dimension and a scaling of principal components."""

    dimension: int
    whitened: bool
    loss: float  # cross-entropy of validation images, in nats


def most_components(data: ImageData) -> int:
    """Return the number of components that a baseline may have.

    There are ten training images for each: the last components of few images are noise, which a probe that scales them
    up reads worse than the pixels (1,280 components of 1,350 images: .166, raw pixels .340).
    """
    return max(1, min(data.size("train") // IMAGES_PER_COMPONENT, num_pixels(data.shape)))


def fit_chosen_pca(data: ImageData) -> tuple[ScaledPCA, Choice]:
    """Return PCA with the dimension and scaling that validation images prefer.

    Components are as they are, or whitened (divided by their standard deviations). A logistic regression on at most
    5,000 training images, with the best of three strengths, says by its cross-entropy on the validation images which
    one is best. The data set has labels.
    """
    full = PCA(data.shape, min(most_components(data), max(DIMENSIONS)))
    full.fit(lambda: data.batches("train"))
    train, val = encoded(full, data, "train"), encoded(full, data, "val")
    labels, val_labels = data.labels("train"), data.labels("val")
    assert labels is not None and val_labels is not None
    deviation = train.std(axis=0)
    deviation[deviation == 0] = 1
    some = stratified(labels, CHOICE_IMAGES)
    chosen = choose((train[some], labels[some]), (val, val_labels), deviation)
    say(f"PCA: {chosen.dimension} components, {'whitened' if chosen.whitened else 'as they are'}, chosen on validation")
    model = ScaledPCA(data.shape, chosen.dimension)
    model.mean.copy_(full.mean)
    model.components.copy_(full.components[: chosen.dimension])
    if chosen.whitened:
        model.deviation.copy_(torch.from_numpy(deviation[: chosen.dimension]))
    return model, chosen


def encoded(model: PCA, data: ImageData, split: Split) -> Floats:
    """Return the codes (n, D) of the images of a split."""
    codes: Floats = torch.cat([model.encode(x) for x in data.batches(split)]).numpy()
    return codes


@threadpool_limits.wrap(limits=1)
def choose(train: tuple[Floats, Ids], val: tuple[Floats, Ids], deviation: Floats) -> Choice:
    """Return the choice of least cross-entropy, of equals the smallest dimension.

    Args:
        train: principal components (n, D) and labels (n,) to fit classifiers on.
        val: the same of the images that are predicted.
        deviation: (D,) of the components.
    """
    limit = len(deviation)
    choices = []
    for dimension in [d for d in DIMENSIONS if d <= limit] or [limit]:
        for whitened in (False, True):
            scale = deviation[:dimension] if whitened else deviation[0]
            (x, y), (new, truth) = ((z[:, :dimension] / scale, labels) for z, labels in (train, val))
            fits = [LogisticRegression(C=c, max_iter=1_000).fit(x, y) for c in STRENGTHS]
            losses = [log_loss(truth, fit.predict_proba(new), labels=fit.classes_) for fit in fits]
            choices.append(Choice(dimension, whitened, float(min(losses))))
    return min(choices, key=lambda choice: choice.loss)
