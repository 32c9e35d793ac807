"""Scores of a model in training."""

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
from unsup.evaluation.expected_warnings import ignore_expected_warnings
from unsup.metrics import clustering, diagnostics
from unsup.metrics.probes import FEW_LABEL_C
from unsup.training.callbacks.schedule import evenly_spaced, planned_epochs

IMAGES = 2_000  # of the validation split, at most
TIMES = 10  # in a run


class OnlineScores(Callback):
    """`online/…` in TensorBoard, after ten evenly spaced epochs of a run.

    They come from the codes of the same 2,000 validation images at most, and change no random draw. The report's
    probe, which sees all training images, is the one to rely on.
    """

    def __init__(self) -> None:
        self.newest: dict[str, float] = {}  # scores, by name
        self._epochs: list[int] = []  # from 1, after which there are scores
        self._scored = 0  # training steps before the newest scores

    @property
    def state_key(self) -> str:
        """Return the name in checkpoints, which is that of earlier versions too."""
        return "QuickScores"

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._epochs = evenly_spaced(range(1, planned_epochs(trainer) + 1), TIMES)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch + 1 in self._epochs:
            self._score(trainer, pl_module)
        if self.newest:  # for callbacks that monitor them
            values = {f"online/{name}": value for name, value in self.newest.items()}
            pl_module.log_dict(values, logger=False, rank_zero_only=True)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._score(trainer, pl_module)  # training may end early

    def state_dict(self) -> dict[str, Any]:
        return {"newest": self.newest, "scored": self._scored}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.newest, self._scored = state_dict["newest"], state_dict["scored"]

    def _score(self, trainer: L.Trainer, model: Any) -> None:
        if not trainer.is_global_zero or not trainer.loggers or model.iteration == self._scored:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        at, labels = diagnostics.subsample(data.size("val"), IMAGES), data.labels("val")
        batches = map(trainer.precision_plugin.convert_input, data.batches("val", model.device, positions=at))
        with trainer.precision_plugin.forward_context():
            codes = encode_batches(model, batches, "val", layers=False, scored=False).codes
        self.newest = online_scores(codes, None if labels is None else labels[at])
        self._scored = model.iteration
        for logger in trainer.loggers:
            logger.log_metrics({f"online/{name}": value for name, value in self.newest.items()}, model.iteration)


@threadpool_limits.wrap(limits=1)
def online_scores(codes: Floats, labels: Ids | None) -> dict[str, float]:
    """Return scores of codes (n, D) with labels (n,).

    Without classes there is only the rank.

    * `effective_rank`: see `diagnostics.rankme`, from 1 to D.
    * `linear_probe`: accuracy on every second image of a logistic regression on the others.
    * `kmeans_acc`, `kmeans_nmi`: agreement of mini-batch k-means, with one cluster per class, with the classes.

    Codes of more than 1,024 dimensions are reduced to 256 principal components, as in the protocol.
    """
    if codes.shape[1] > diagnostics.WIDE:
        codes = diagnostics.principal_components(codes).transform(codes)
    scores = {"effective_rank": diagnostics.rankme(codes)}
    if labels is None or len(np.unique(labels[::2])) < 2:
        return scores
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=FEW_LABEL_C))
    ignore_expected_warnings()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 100 iterations are enough for a curve
        probe.fit(codes[::2], labels[::2])
        clusters = MiniBatchKMeans(len(np.unique(labels)), n_init=3, random_state=0).fit_predict(codes)
    agreement = clustering.agreement(labels, clusters.astype(np.int64))
    scores["linear_probe"] = float(probe.score(codes[1::2], labels[1::2]))
    return scores | {"kmeans_acc": agreement["acc"], "kmeans_nmi": agreement["nmi"]}
