"""The evaluation protocol that every model goes through, learned or not.

VERSION and DRAFT are part of every cache key, report and card, and numbers of different ones are never compared. While
DRAFT is not 0 no results are recorded, and any change, here or in what this module calls, that can alter a score raises
DRAFT. When recording begins DRAFT becomes 0; from then on such a change raises VERSION and begins again with draft 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from unsup.core.arrays import Ids
from unsup.core.errors import UserError
from unsup.core.splits import SPLITS
from unsup.data.base import ImageData
from unsup.evaluation import measures
from unsup.evaluation.arrays import CodeEvaluation, judge_arrays
from unsup.evaluation.codes import encode_splits, samples
from unsup.evaluation.copies import Copies
from unsup.evaluation.feature_space import FeatureSpace, has_classes
from unsup.evaluation.foreign_encoding import NOT_CACHED, PictureSource
from unsup.evaluation.parallel import Measures
from unsup.evaluation.progress import say
from unsup.evaluation.robustness import corrupted_accuracies
from unsup.metrics.label_efficiency import DRAWINGS, Drawing
from unsup.models.base import Model
from unsup.models.parts.frozen import weights_hash
from unsup.models.parts.optional_outputs import IMPORTANCE_SAMPLES

VERSION = 4
DRAFT = 0  # final


@dataclass(frozen=True)
class Evaluation(CodeEvaluation):
    """The scores, plus per-image arrays in test-split order."""

    weight_hashes: tuple[str, str]  # SHA-256 over parameters and buffers, before and after
    test_reads: int  # passes over the test images
    own_clusters: Ids | None = None  # (n_test,) clusters of a model that assigns them itself


def judge_model(
    model: Model,
    data: ImageData,
    layers: bool = True,
    extent: measures.Extent = "full",
    robustness: bool = True,
    feature_spaces: Sequence[FeatureSpace] = (),
    copies: Copies | None = None,
    source: PictureSource = NOT_CACHED,
    curves: Sequence[Drawing] = DRAWINGS,
) -> Evaluation:
    """Judge a frozen model on a data set, by the same steps for every model.

    * The linear probe gets codes standardised with training statistics, few-label probes centred ones divided by one
      common scale. kNN goes by the cosine of centred codes. What other scalings give is reported next to it.
    * k-means (k = classes) and silhouette use codes raw and scaled to length 1. The k-means headline is raw; it is
      also refitted on all images, starting from those centres, and scored on them (transductive). The spread over
      restarts is reported for test accuracy. The other clusterings use raw codes; a model's own clusters (`assign`) are
      scored unchanged.
    * Codes with more than 1,024 dimensions reach clusterings and diagnostics as 256 principal components of the
      training codes, and the scores say so (`reduced`); the linear probe is then not fitted on further draws.
    * Likelihoods come from the one pass over the test images; corrupted test images are made from it. Generated images
      are compared with test images in each of `feature_spaces`.
    * Without labels, or with a single class, only what needs no labels is computed, and a log record says so; k is then
      the number of clusters with the best silhouette.

    Equal codes give the same scores bit for bit on any number of cores.

    Args:
        model: the model.
        data: the data set.
        layers: probe the model's `layers` too, if it has any.
        extent: as in `judge_arrays`.
        robustness: probe corrupted test images too.
        feature_spaces: where images from the model's `sample` are judged; empty: not judged.
        copies: near-duplicates of test images; what they are worth is then scored (`copy_scores`).
        source: what an encoder from elsewhere sees; its robustness is not probed.
        curves: as in `judge_arrays`.

    Raises:
        UserError: codes or samples are not finite or have a wrong shape, or weights or buffers change.
    """
    reads, before = data.test_reads, weights_hash(model)
    encoded, images = encode_splits(model, data, layers, source)
    generation: Measures = {}
    for space in feature_spaces:
        say(f"sampling {len(space.test):,} images")
        features = np.concatenate([space.features(x) for x in samples(model, len(space.test))])
        generation[f"generation: {space.name}"] = partial(space.scores, features)
    labels = _scored_labels(data)

    judged = judge_arrays(
        encoded,
        labels,
        workers=torch.get_num_threads(),
        classes=len(data.class_names),
        num_clusters=getattr(model, "num_clusters", 0),
        extent=extent,
        output_scores=measures.output_scores(encoded["test"], int(np.prod(data.shape)), IMPORTANCE_SAMPLES),
        generation=generation,
        copies=copies,
        curves=curves,
    )
    if robustness and images and labels is not None and (probe := judged.readout.probe) is not None:
        judged.scores["robustness"] = corrupted_accuracies(model, images, labels["test"], probe)
    after = weights_hash(model)
    if after != before:
        raise UserError(
            f"{type(model).__name__}: the encoder changed while it was evaluated: in eval mode encode, layers, assign, "
            "reconstruct, sample, views, elbo and log_likelihood must leave parameters and buffers alone"
        )
    return Evaluation(
        **vars(judged),
        weight_hashes=(before, after),
        test_reads=data.test_reads - reads,
        own_clusters=encoded["test"].clusters,
    )


def _scored_labels(data: ImageData) -> dict[str, Ids] | None:
    train, val, test = (data.labels(split) for split in SPLITS)
    if train is None or val is None or test is None:
        say("unlabelled images: only what needs no labels is scored")
        return None
    if not has_classes(data):
        say("all training images are of one class: only what needs no labels is scored")
        return None
    return {"train": train, "val": val, "test": test}
