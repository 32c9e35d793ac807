"""The one evaluation that every model goes through, learned or not.

A change of a number, here or in the parts (codes, clustering, probes, …), changes VERSION with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from unsup.core.arrays import Ids
from unsup.core.errors import UserError
from unsup.data.base import ImageData
from unsup.evaluation import measures
from unsup.evaluation.arrays import CodeEvaluation, judge_arrays
from unsup.evaluation.codes import encode, samples
from unsup.evaluation.encoded import SPLITS
from unsup.evaluation.feature_space import FeatureSpace
from unsup.evaluation.parallel import Measures
from unsup.evaluation.progress import say
from unsup.evaluation.robustness import robustness
from unsup.models.base import Model
from unsup.models.frozen import weights_hash
from unsup.models.optional_outputs import IMPORTANCE_SAMPLES

VERSION = 3


@dataclass(frozen=True)
class Evaluation(CodeEvaluation):
    """Everything a report needs; n_test rows in the order of the test split."""

    frozen: tuple[str, str]  # SHA-256 over parameters and buffers, before and after
    test_reads: int  # passes over the test images
    own: Ids | None = None  # (n_test,) clusters of a model that assigns them itself


def evaluate(
    model: Model,
    data: ImageData,
    layers: bool = True,
    count: bool = True,
    corrupted: bool = True,
    feature_spaces: Sequence[FeatureSpace] = (),
) -> Evaluation:
    """Judge a frozen model on a data set: the same steps and settings whatever the model is.

    * Linear, ridge and few-label probes see codes standardised with training statistics.
    * k-means (k = classes), kNN and silhouette see them raw and scaled to length 1; the k-means headline is raw, where
      it then goes on on all images and is scored on them too (transductive). The spread over restarts is that of the
      test accuracy. The other clusterings see them raw; a model's own (`assign`) are scored as they are.
    * Codes with more than 1,024 dimensions reach clusterings, kNN and diagnostics as 256 principal components of the
      training codes, and the scores say so (`reduced`); the linear probe is then not fitted again on other draws.
    * Likelihoods, where the model has them, come from the one pass over the test images; corrupted test images are
      made from it. New images are compared with test images in the given spaces.
    * Without labels, or with a single class, only what needs no labels is computed, and a log record says so; k is then
      the number of clusters with the best silhouette.

    Equal codes give the same scores bit for bit, whatever the number of cores: every part runs on one thread, several
    parts side by side.

    Args:
        layers: also probe the model's `layers`, if it has any.
        count: also estimate the number of clusters where the classes say it.
        corrupted: also probe corrupted test images.
        feature_spaces: where to judge what the model's `sample` gives; none: it is not judged.

    Raises:
        UserError: codes or samples that are not finite or of a wrong shape; weights or buffers that change.
    """
    reads, before = data.test_reads, weights_hash(model)
    encoded, images = encode(model, data, layers)
    generation: Measures = {}
    for space in feature_spaces:
        say(f"sampling {len(space.test):,} images")
        features = np.concatenate([space.features(x) for x in samples(model, len(space.test))])
        generation[f"generation: {space.name}"] = partial(space.scores, features)
    labels = _labels(data)

    judged = judge_arrays(
        encoded,
        labels,
        workers=torch.get_num_threads(),
        classes=len(data.class_names),
        num_clusters=getattr(model, "num_clusters", 0),
        count=count,
        answers=measures.answer_scores(encoded["test"], int(np.prod(data.shape)), IMPORTANCE_SAMPLES),
        generation=generation,
    )
    if corrupted and labels is not None and (probe := judged.readout.probe) is not None:
        judged.scores["robustness"] = robustness(model, images, labels["test"], probe)
    after = weights_hash(model)
    if after != before:
        raise UserError(
            f"{type(model).__name__}: the encoder changed while it was evaluated: in eval mode encode, layers, assign, "
            "reconstruct, sample, views, elbo and log_likelihood must leave parameters and buffers alone"
        )
    return Evaluation(
        **vars(judged), frozen=(before, after), test_reads=data.test_reads - reads, own=encoded["test"].clusters
    )


def _labels(data: ImageData) -> dict[str, Ids] | None:
    train, val, test = (data.labels(split) for split in SPLITS)
    if train is None or val is None or test is None:
        say("unlabelled images: only what needs no labels is scored")
        return None
    if len(np.unique(train)) < 2:
        say("all training images are of one class: only what needs no labels is scored")
        return None
    return {"train": train, "val": val, "test": test}
