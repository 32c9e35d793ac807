"""Quick scores while a model trains: how good its codes are for classes, clusters, and how many dimensions they use."""

import warnings
from typing import Any

import lightning.pytorch as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from unsup.core.arrays import Floats, Ids
from unsup.evaluation.codes import encode_batches
from unsup.metrics import clustering, diagnostics
from unsup.metrics.probes import FEW_LABEL_C
from unsup.training.callbacks.schedule import evenly_spaced, planned_epochs

IMAGES = 2_000  # validation images that are looked at
TIMES = 10  # in a run


class QuickScores(Callback):
    """`quick/…` in TensorBoard, after ten epochs spread evenly over a run, its first and its last among them.

    They come from the codes of at most 2,000 validation images, always the same ones, and tell how learning goes; what
    a model is worth the report says, whose probe sees all training images. No weight and no random draw is changed.
    """

    def __init__(self) -> None:
        self.newest: dict[str, float] = {}  # scores, by name
        self._epochs: list[int] = []  # from 1, after which there are scores
        self._scored = 0  # training steps before the newest scores

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._epochs = evenly_spaced(range(1, planned_epochs(trainer) + 1), TIMES)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch + 1 in self._epochs:
            self._score(trainer, pl_module)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._score(trainer, pl_module)  # training may end before its plan

    def state_dict(self) -> dict[str, Any]:
        return {"newest": self.newest, "scored": self._scored}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.newest, self._scored = state_dict["newest"], state_dict["scored"]

    def _score(self, trainer: L.Trainer, model: Any) -> None:
        if not trainer.is_global_zero or not trainer.loggers or model.iteration == self._scored:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        at, labels = diagnostics.sample(data.size("val"), IMAGES), data.labels("val")
        batches = map(trainer.precision_plugin.convert_input, data.batches("val", model.device, at=at))
        with trainer.precision_plugin.forward_context():
            codes = encode_batches(model, batches, "val", layers=False, scored=False).codes
        self.newest = quick_scores(codes, None if labels is None else labels[at])
        self._scored = model.iteration
        for logger in trainer.loggers:
            logger.log_metrics({f"quick/{name}": value for name, value in self.newest.items()}, model.iteration)


@threadpool_limits.wrap(limits=1)
def quick_scores(codes: Floats, labels: Ids | None) -> dict[str, float]:
    """Of the codes (n, D) of images with labels (n,), or None: without labels, or with one class, the rank alone.

    * `effective_rank`: see `diagnostics.rankme`, from 1 to D;
    * `linear_probe`: share of every second image that a logistic regression on the others gives its class;
    * `kmeans_acc`, `kmeans_nmi`: mini-batch k-means, as many clusters as classes, against the classes.

    Codes of more than 1,024 dimensions are seen as 256 principal components, as in the protocol.
    """
    if codes.shape[1] > diagnostics.WIDE:
        codes = diagnostics.principal_components(codes).transform(codes)
    found = {"effective_rank": diagnostics.rankme(codes)}
    if labels is None or len(np.unique(labels[::2])) < 2:
        return found
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=FEW_LABEL_C))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after 100 iterations: near enough for a curve
        probe.fit(codes[::2], labels[::2])
        clusters = MiniBatchKMeans(len(np.unique(labels)), n_init=3, random_state=0).fit_predict(codes)
    matched = clustering.agreement(labels, clusters.astype(np.int64))
    found |= {"linear_probe": float(probe.score(codes[1::2], labels[1::2]))}
    return found | {"kmeans_acc": matched["acc"], "kmeans_nmi": matched["nmi"]}
