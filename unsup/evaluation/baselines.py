"""Baselines that a model is compared with under the same protocol.

They are raw pixels, PCA of the same dimension and of a chosen one, statistics of the images, patches of large images,
and the same network untrained; a model that generates images gets the scores of real images too. Each is computed once
per data set and cached in runs/<data>/baselines/, next to the spaces in which generated images are compared. A file is
named after its content and a hash of all that the content depends on.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import sklearn

from unsup.core.array_files import Arrays, cached, cached_path
from unsup.core.arrays import Floats
from unsup.core.splits import SPLITS
from unsup.core.words import duration
from unsup.data.base import ImageData
from unsup.evaluation import feature_space, inception, texture
from unsup.evaluation.chosen_pca import fit_chosen_pca, most_components
from unsup.evaluation.feature_space import FeatureSpace, has_classes
from unsup.evaluation.forecast import scoring_seconds
from unsup.evaluation.foreign_encoding import NOT_CACHED, PictureSource, sees_more_than_thumbnails
from unsup.evaluation.image_statistics import ImageStatistics
from unsup.evaluation.progress import about, say
from unsup.evaluation.protocol import DRAFT, VERSION, judge_model
from unsup.evaluation.untrained import num_initialisations, signature, untrained
from unsup.metrics import mixtures
from unsup.metrics.intervals import accuracy_interval
from unsup.metrics.label_efficiency import Drawing
from unsup.models.base import Model
from unsup.models.foreign.code_cache import identity
from unsup.models.foreign.encoder import ForeignEncoder
from unsup.models.parts.thumbnails import SIDE, Thumbnail
from unsup.models.pca import PCA
from unsup.models.pixels import Pixels
from unsup.reports.schema import ReferenceKey

CURVES: tuple[Drawing, ...] = ("random",)  # label curves of a baseline


@dataclass(frozen=True)
class BaselineResult:
    """Scores of a baseline, and how often it is right on each test image."""

    scores: dict[str, Any]
    correct: dict[str, Floats]  # as in `Evaluation.correct`

    def arrays(self) -> Arrays:
        return {"scores": np.array(json.dumps(self.scores)), **self.correct}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        correct = {name: values for name, values in arrays.items() if name != "scores"}
        return cls(json.loads(str(arrays["scores"])), correct)


def compute_baselines(
    model: Model,
    code_dim: int,
    data: ImageData,
    folder: Path,
    spaces: Sequence[FeatureSpace],
    source: PictureSource = NOT_CACHED,
    at_hand: bool = False,
) -> dict[ReferenceKey, BaselineResult]:
    """Compute the baselines of a model, or read them from the cache in a folder.

    PCA has the code's dimension, or as many components as the data allow (`most_components`); "pca_chosen" has those
    that are best on validation images, if there are labels. These two and the pixels are of thumbnails, if the images
    are larger than 32 x 32; "texture", a small `patches`, then reads what thumbnails lose. "untrained" exists only if
    the model has random initial weights. "real" exists only with spaces of generated images; it holds only the
    generation scores of training images: no generator can honestly have a smaller distance. "thumbnails" is a control
    of the resolution: an encoder from elsewhere on the images that pixels and PCA see, if those are smaller (`source`).

    With `at_hand` nothing is computed, and only what is in the cache returned.
    """
    key = cache_key(data)
    digests = "".join(space.digest() for space in spaces)
    dimension = min(code_dim, most_components(data))
    thumbnail = Thumbnail(data.shape)
    reduced: dict[str, Any] = {"thumbnail": list(thumbnail.shape[1:])} if thumbnail.smaller else {}

    def judged(baseline: Model, full: bool = True, **facts: Any) -> BaselineResult:
        result = judge_baseline(baseline.to(model.device), data, robustness=full, curves=CURVES if full else ())
        return BaselineResult(result.scores | facts, result.correct)

    def pixels() -> BaselineResult:
        return judged(Pixels(data.shape), **reduced)

    def pca() -> BaselineResult:
        pca = PCA(data.shape, dimension)
        pca.fit(lambda: data.batches("train"))
        return judged(pca, **reduced)

    def pca_chosen() -> BaselineResult:
        pca, choice = fit_chosen_pca(data)
        return judged(pca, full=False, whitened=choice.whitened, **reduced)

    def statistics() -> BaselineResult:
        return judged(ImageStatistics(data.shape), full=False)

    def patches() -> BaselineResult:
        return judged(texture.fit_patches(data), full=False)

    def untrained_mean() -> BaselineResult:
        return mean_of_initialisations([untrained_once(seed) for seed in range(initialisations)])

    def untrained_once(seed: int) -> BaselineResult:
        first = seed == 0  # which alone has what takes the most time

        def judge() -> BaselineResult:
            network, curves = untrained(model, seed), CURVES if first else ()
            return judge_baseline(
                network, data, layers=first, robustness=first, spaces=spaces, source=source, curves=curves
            )

        with about(f"{seed + 1} of {initialisations}"):
            return cached(folder, f"untrained-{seed + 1}", untrained_key, judge, BaselineResult.from_arrays)

    def on_thumbnails() -> BaselineResult:
        small = replace(source, side=SIDE)
        return judge_baseline(model, data, robustness=False, source=small)

    parts: dict[ReferenceKey, tuple[str, str, Callable[[], BaselineResult]]] = {
        "pixels": ("pixels", key, pixels),
        "pca": (f"pca-{dimension}", f"{key}-{dimension}", pca),
        "statistics": ("statistics", key, statistics),
    }
    if has_classes(data):
        parts["pca_chosen"] = ("pca-chosen", key, pca_chosen)
    if thumbnail.smaller and min(data.shape[1:]) > texture.PATCH:
        parts["texture"] = ("texture", key, patches)
    if initialisations := num_initialisations(model):
        untrained_key = f"{key}-{signature(model, data)}{digests}"
        parts["untrained"] = ("untrained", untrained_key, untrained_mean)
    once = [cached_path(folder, f"untrained-{i + 1}", untrained_key) for i in range(initialisations)]
    if isinstance(model, ForeignEncoder) and sees_more_than_thumbnails(model, data):
        parts["thumbnails"] = ("thumbnails", f"{key}-{identity(model)}", on_thumbnails)
    if spaces:
        parts["real"] = ("real", f"{key}-{digests}", partial(_real_images, spaces))
    if at_hand:
        parts = {name: part for name, part in parts.items() if cached_path(folder, *part[:2]).exists()}
    elif missing := [name for name, part in parts.items() if not cached_path(folder, *part[:2]).exists()]:
        dims, counts = {"pixels": int(np.prod(thumbnail.shape))}, {"untrained": sum(not p.exists() for p in once)}
        images, classes = sum(map(data.size, SPLITS)), len(data.class_names)
        times = {name: scoring_seconds(images, dims.get(name, code_dim), classes, "baseline") for name in missing}
        seconds = sum(time * counts.get(name, 1) for name, time in times.items())
        say(f"baselines to compute, once per data set: {', '.join(missing)}; about {duration(seconds)} of one core")
    results = {name: _cached(folder, *part) for name, part in parts.items()}
    for path in once:  # of no use once their mean is cached
        path.unlink(missing_ok=True)
    return results


def _cached(folder: Path, name: str, key: str, compute: Callable[[], BaselineResult]) -> BaselineResult:
    def announced() -> BaselineResult:
        say(f"baseline {name} (computed once per data set)")
        with about(f"baseline {name}"):
            return compute()

    return cached(folder, name, key, announced, BaselineResult.from_arrays)


def _real_images(spaces: Sequence[FeatureSpace]) -> BaselineResult:
    scores = {key: value for space in spaces for key, value in space.scores(space.train).items()}
    return BaselineResult({"generation": scores}, {})


def feature_spaces(data: ImageData, folder: Path) -> list[FeatureSpace]:
    """Return the spaces to compare images in, none if there are too few images."""
    images = len(feature_space.comparison_positions(data)[0])
    if images <= feature_space.FEATURES:  # a covariance needs more images than features
        say(f"generated images are not judged: fewer than {feature_space.FEATURES + 1} images to compare them with")
        return []
    key = cache_key(data)

    def space(name: str, kind: type[FeatureSpace]) -> FeatureSpace:
        return cached(folder, name, key, lambda: kind.learn(data), lambda arrays: kind.from_arrays(arrays, data))

    spaces = [space("space", FeatureSpace)]
    if data.shape[0] == 3:
        if lacking := inception.missing():
            say(f"no FID: {lacking}")
        else:
            spaces.append(space("inception", inception.InceptionSpace))
    return spaces


def cache_key(data: ImageData) -> str:
    """Return what every cached file depends on.

    It holds the version and draft of the protocol, the version of scikit-learn, the clusterings that can run here and
    the data. A change of a score raises the version or the draft (`tests/evaluation/test_scoring.py`).
    """
    return f"{VERSION}.{DRAFT}-{sklearn.__version__}-{sorted(mixtures.methods())}-{data.fingerprint()}"


def judge_baseline(
    model: Model,
    data: ImageData,
    layers: bool = False,
    robustness: bool = True,
    spaces: Sequence[FeatureSpace] = (),
    source: PictureSource = NOT_CACHED,
    curves: Sequence[Drawing] = (),
) -> BaselineResult:
    evaluation = judge_model(model, data, layers, "baseline", robustness, spaces, source=source, curves=curves)
    return BaselineResult(evaluation.scores, evaluation.correct)


def mean_of_initialisations(results: Sequence[BaselineResult]) -> BaselineResult:
    """Return the mean scores and correctness over initialisations.

    Layers, label curve and corrupted images are those of the first initialisation alone. `by_initialisation` holds the
    accuracy of each, by the names in `correct`.
    """
    first = results[0].scores
    correct = {name: np.mean([result.correct[name] for result in results], axis=0) for name in results[0].correct}
    of_first = {key: first.pop(key) for key in ("layers", "label_curve", "robustness") if key in first}
    scores = _mean([result.scores for result in results])
    if len(results) > 1:
        scores["initialisations"] = len(results)
    scores["by_initialisation"] = {
        name: [float(np.mean(result.correct[name], dtype=np.float64)) for result in results] for name in correct
    }
    scores |= of_first
    if "robustness" in scores:
        scores["robustness"]["initialisations"] = 1
    if "linear_probe" in scores:
        scores["linear_probe"]["low"], scores["linear_probe"]["high"] = accuracy_interval(correct["linear_probe"])
        scores["linear_probe"]["C"] = first["linear_probe"]["C"]
    return BaselineResult(scores, correct)


def _mean(values: list[Any]) -> Any:
    """Return the mean of the numbers that equal structures share, or the first text."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _mean([v[key] for v in values]) for key in first if all(key in v for v in values)}
    if isinstance(first, list):
        return [_mean(list(items)) for items in zip(*values, strict=True)]
    if isinstance(first, str) or all(value == first for value in values):
        return first
    return float(np.mean(values))
